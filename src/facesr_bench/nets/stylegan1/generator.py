"""A StyleGAN1 prior: mapping and synthesis under one roof."""

from torch import nn

from facesr_bench.nets.stylegan1.mapping import Mapping
from facesr_bench.nets.stylegan1.synthesis import Synthesis


class StyleGAN1(nn.Module):
    """The generator PULSE searches; the defaults are the published FFHQ generator of 1024 px.

    ``mapping`` takes the entries of PULSE's ``mapping.pt`` and ``synthesis`` those of its
    ``synthesis.pt`` by their own names, all of them.

    Args:
        resolution: of the images, px.
        z_dim: width of the latents z.
        w_dim: width of the codes w.
        map_layers: of the mapping network.
        fmap_base: channels at a side are ``2 * fmap_base / side``,
        channel_max: but never more than this.
        fuse_all: see :class:`~facesr_bench.nets.stylegan1.synthesis.Synthesis`.

    Raises:
        ConfigError: a resolution that is no power of two, or below 8.
    """

    def __init__(
        self,
        resolution: int = 1024,
        z_dim: int = 512,
        w_dim: int = 512,
        map_layers: int = 8,
        fmap_base: int = 8192,
        channel_max: int = 512,
        fuse_all: bool = False,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.z_dim = z_dim
        self.w_dim = w_dim
        self.mapping = Mapping(z_dim, w_dim, map_layers)
        self.synthesis = Synthesis(resolution, w_dim, fmap_base, channel_max, fuse_all)
        self.num_codes = self.synthesis.num_codes
        self.noise_shapes = self.synthesis.noise_shapes
