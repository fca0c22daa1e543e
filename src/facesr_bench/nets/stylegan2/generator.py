"""StyleGAN2's generator: a mapping and a synthesis network."""

from torch import Tensor, nn

from facesr_bench.nets.stylegan2.mapping import RATE, Mapping
from facesr_bench.nets.stylegan2.synthesis import Synthesis


class StyleGAN2(nn.Module):
    """A prior (:class:`facesr_bench.nets.prior.Prior`) with the names of stylegan2-ada-pytorch.

    Args:
        resolution: side of the images, a power of two of at least 8.
        z_dim: length of a mapping's input.
        w_dim: length of a code.
        map_layers: layers of the mapping.
        channel_base: channels times side of the features, where ``channel_max`` does not bind. The
            defaults are those of every official file (config-f).
        channel_max: most channels.
        mapping_rate: learning rate multiplier of the mapping, folded into its stored weights.
        conv_clamp: features and colours beyond it are cut off, as NVIDIA's trainings in half precision
            have it; None: nowhere.
        fused: one kernel per sample; see :class:`~facesr_bench.nets.stylegan2.layers.ModulatedConv`.
    """

    def __init__(
        self,
        resolution: int,
        z_dim: int = 512,
        w_dim: int = 512,
        map_layers: int = 8,
        channel_base: int = 32768,
        channel_max: int = 512,
        *,
        mapping_rate: float = RATE,
        conv_clamp: float | None = None,
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.z_dim = z_dim
        self.w_dim = w_dim
        self.mapping_rate = mapping_rate
        self.conv_clamp = conv_clamp
        self.mapping = Mapping(z_dim, w_dim, map_layers, mapping_rate)
        self.synthesis = Synthesis(
            resolution, w_dim, channel_base, channel_max, fused=fused, conv_clamp=conv_clamp
        )
        self.num_codes = self.synthesis.num_codes
        self.noise_shapes = self.synthesis.noise_shapes

    def forward(self, z: Tensor) -> Tensor:
        """RGB images of (N, z_dim) with the stored noise: one code for all layers."""
        ws = self.mapping(z)[:, None].expand(-1, self.num_codes, -1)
        image: Tensor = self.synthesis(ws)
        return image
