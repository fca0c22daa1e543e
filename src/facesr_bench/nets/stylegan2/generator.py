"""StyleGAN2's generator: a mapping and a synthesis network."""

from torch import Tensor, nn

from facesr_bench.nets.stylegan2.mapping import Mapping
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
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.z_dim = z_dim
        self.w_dim = w_dim
        self.mapping = Mapping(z_dim, w_dim, map_layers)
        self.synthesis = Synthesis(resolution, w_dim, channel_base, channel_max, fused=fused)
        self.num_codes = self.synthesis.num_codes
        self.noise_shapes = self.synthesis.noise_shapes

    def forward(self, z: Tensor) -> Tensor:
        """RGB images of (N, z_dim) with the stored noise: one code for all layers."""
        ws = self.mapping(z)[:, None].expand(-1, self.num_codes, -1)
        image: Tensor = self.synthesis(ws)
        return image
