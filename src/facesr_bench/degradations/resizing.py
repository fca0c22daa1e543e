"""Plain reduction: one known operator, nothing random. What most papers call "bicubic LR"."""

from typing import TYPE_CHECKING, Any

import numpy as np

from facesr_bench.degradations.arguments import check_factor, lr_size
from facesr_bench.degradations.base import Degradation
from facesr_bench.errors import ConfigError
from facesr_bench.images import Size, UInt8Image
from facesr_bench.resize import KERNELS, Kernel

if TYPE_CHECKING:
    from torch import Tensor

UNWIDENED: tuple[Kernel, ...] = ("bilinear", "bicubic")
"""Kernels that exist without antialiasing; for "nearest" there is no difference."""


def pillow_resize(image: UInt8Image, size: Size, operator: Kernel) -> UInt8Image:
    """Pillow's own 8-bit resize: always antialiased, rounded to 8 bits after each of two passes.

    Args:
        image: uint8 (H, W, 3).
        size: height, width wanted.
        operator: one of ``facesr_bench.resize.KERNELS``.
    """
    from PIL import Image

    filter_ = Image.Resampling[operator.upper()]
    return np.array(Image.fromarray(image).resize((size[1], size[0]), filter_), dtype=np.uint8)


class Downscale(Degradation):
    """Reduce by a whole factor with one named operator.

    Args:
        factor: HR side over LR side.
        operator: "nearest", "box", "bilinear", "bicubic" (Keys, a = -0.5) or "lanczos" (3 lobes).
        antialias: True is Pillow's 8-bit resize, kernel widened by the factor. False is what cv2
            and ``torch.nn.functional.interpolate`` do unasked: the kernel is not widened, bicubic
            has a = -0.75, and most HR pixels are never looked at (mean difference from Pillow
            about 12 levels at 128 to 16). It is there to reproduce work that did it.

    Raises:
        ConfigError: an unknown operator, one that has no form without antialiasing, a factor that
            is not a whole number.
    """

    def __init__(self, factor: int, operator: Kernel = "bicubic", antialias: bool = True) -> None:
        self.factor = check_factor(factor)
        if operator not in KERNELS:
            raise ConfigError(
                f"operator={operator!r} is not an operator to reduce with. Choose one of "
                f"{', '.join(KERNELS)}."
            )
        if not antialias and operator not in {*UNWIDENED, "nearest"}:
            raise ConfigError(
                f"operator={operator!r} has no form without antialiasing. Drop antialias=false, or "
                f"choose one of {', '.join(UNWIDENED)}."
            )
        self.operator: Kernel = operator
        self.antialias = antialias

    def __call__(self, hr: UInt8Image, rng: np.random.Generator) -> UInt8Image:
        """uint8 (H, W, 3) to uint8 (H / factor, W / factor, 3); draws nothing from ``rng``."""
        size = lr_size(hr, self.factor)
        if self.antialias or self.operator == "nearest":
            return pillow_resize(hr, size, self.operator)
        import torch

        # float64: a = -0.75 at half a pixel has dyadic taps, so ties round the same everywhere.
        pixels = torch.from_numpy(hr).permute(2, 0, 1)[None].double()
        reduced = self.downsample(pixels)[0].permute(1, 2, 0).clamp(0, 255).round()
        return np.ascontiguousarray(reduced.numpy(), dtype=np.uint8)

    def at_factor(self, factor: int) -> "Downscale":
        """The same operator for another factor."""
        return type(self)(factor, self.operator, self.antialias)

    def downsample(self, images: "Tensor") -> "Tensor":
        """The operator on float (B, C, H, W), neither clamped nor rounded."""
        size = (images.shape[2] // self.factor, images.shape[3] // self.factor)
        if self.antialias or self.operator == "nearest":
            from facesr_bench.resize import resize

            return resize(images, size, self.operator)
        from torch.nn.functional import interpolate

        return interpolate(images, size, mode=self.operator, align_corners=False, antialias=False)

    def settings(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": "downscale",
            "factor": self.factor,
            "operator": self.operator,
            "antialias": self.antialias,
        }
