"""Fade-in: where training stands between two resolutions, and the mix that is made of them.

A stage is a side r of the output and a weight alpha, which rises from 0 to 1 while the layers of r
are new. Three things are mixed by the same alpha (paper Fig. 3 c and d): the generator's images, the
features in the generator's encoder and in the discriminator, and the data themselves.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Stage:
    """Where training stands.

    Attributes:
        side: r, side of the output in pixels.
        alpha: weight of the layers of r, in [0, 1]; at 1 those of r/2 have no way past them.
    """

    side: int
    alpha: float = 1.0

    @property
    def half(self) -> int:
        """Side of the stage before."""
        return self.side // 2

    @property
    def fading(self) -> bool:
        """Whether the layers of r/2 still take part beside those of r."""
        return self.alpha < 1


def fade(new: Tensor, old: Tensor, alpha: float) -> Tensor:
    """``alpha * new + (1 - alpha) * old``."""
    return old.lerp(new, alpha)


def up2(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W): every pixel four times."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def down2(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, H/2, W/2): means of 2x2 pixels."""
    return functional.avg_pool2d(x, 2)


def box_to(images: Tensor, side: int) -> Tensor:
    """Square images reduced to ``side`` by means of whole blocks, as stages see them."""
    block = images.shape[-1] // side
    return images if block == 1 else functional.avg_pool2d(images, block)


def fade_data(images: Tensor, stage: Stage) -> Tensor:
    """Images of the stage's side, with the detail of r only as far as alpha has come.

    The critic would otherwise tell real from fake by detail that the generator's old layers cannot
    make (StyleGAN's ``process_reals``; the paper: "provided in a coarse-to-fine way").
    """
    return fade(images, up2(down2(images)), stage.alpha) if stage.fading else images
