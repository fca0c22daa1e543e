"""Interpolation as a method: no parameters, no training."""

from torch import Tensor

from facesr_bench.errors import ConfigError
from facesr_bench.method import Method
from facesr_bench.resize import KERNELS, Kernel, resize


class Interpolation(Method):
    """Enlarge with one of Pillow's kernels.

    The convention, since "bicubic" alone names a dozen functions: pixel centres at half-integers
    (``align_corners=False``), the kernel cut off and renormalised at the border, no antialiasing
    (there is nothing to suppress when enlarging), bicubic with a = -0.5, float arithmetic without
    rounding between the two passes, the result clamped to [0, 1]. PyTorch's and OpenCV's bicubic
    has a = -0.75: 1.5 levels away on average at x4, 18 at most.

    Args:
        kernel: "nearest", "box", "bilinear", "bicubic" or "lanczos" (3 lobes).
        factor: SR side over LR side, any whole number.

    Raises:
        ConfigError: an unknown kernel or a factor below one.
    """

    paper = "Keys, Cubic Convolution Interpolation for Digital Image Processing, IEEE TASSP 1981"
    reference = "Pillow, src/libImaging/Resample.c"
    trainable = False

    def __init__(self, kernel: Kernel = "bicubic", factor: int = 4) -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise ConfigError(f"kernel={kernel!r} is not one of {', '.join(KERNELS)}.")
        if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
            raise ConfigError(f"factor must be a whole number of at least 1, but is {factor!r}.")
        self.kernel: Kernel = kernel
        self.factor: int = factor

    def super_resolve(self, lr: Tensor) -> Tensor:
        """LR (B, 3, h, w) to SR (B, 3, h * factor, w * factor), float32 in [0, 1]."""
        size = (lr.shape[2] * self.factor, lr.shape[3] * self.factor)
        return resize(lr, size, self.kernel).clamp(0.0, 1.0)
