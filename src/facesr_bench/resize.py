"""Resampling as Pillow and MATLAB define it, as two small matrix products that run on any device.

PyTorch's own bicubic has another kernel (a = -0.75 against -0.5) unless it antialiases, and no
Lanczos; "bicubic" in this project always means the kernel below. Enlarging never needs antialiasing;
reducing widens the kernel by the factor, as Pillow, MATLAB and ``antialias=True`` do.
"""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Kernel = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
KERNELS: tuple[Kernel, ...] = ("nearest", "box", "bilinear", "bicubic", "lanczos")

_SUPPORT = {"nearest": 0.5, "box": 0.5, "bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}


def _weight(kernel: Kernel, x: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.abs(x)
    if kernel == "bilinear":
        return np.maximum(0.0, 1.0 - t)
    if kernel == "bicubic":  # Keys 1981 with a = -0.5
        near = (1.5 * t - 2.5) * t * t + 1.0
        far = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
        return np.where(t < 1.0, near, np.where(t < 2.0, far, 0.0))
    if kernel == "lanczos":
        return np.where(t < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)
    return np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)


@lru_cache(maxsize=64)
def resize_matrix(size_in: int, size_out: int, kernel: Kernel) -> NDArray[np.float64]:
    """Weights (size_out, size_in) of a one-dimensional resize; rows sum to one.

    Pixel centres lie at half-integers. At a border the kernel is cut off and renormalised (Pillow's
    rule; MATLAB mirrors instead, which differs only within the kernel's reach of the border).
    """
    step = size_in / size_out
    if kernel == "nearest":
        matrix = np.zeros((size_out, size_in))
        matrix[np.arange(size_out), np.floor((np.arange(size_out) + 0.5) * step).astype(int)] = 1.0
        return matrix
    stretch = max(step, 1.0)
    reach = _SUPPORT[kernel] * stretch
    matrix = np.zeros((size_out, size_in))
    for row in range(size_out):
        centre = (row + 0.5) * step
        first = max(0, math.floor(centre - reach + 0.5))
        last = min(size_in, math.floor(centre + reach + 0.5))
        offsets = np.arange(first, last, dtype=np.float64) - centre + 0.5
        taps = _weight(kernel, offsets / stretch)
        matrix[row, first:last] = taps / taps.sum()
    return matrix


def resize(images: "Tensor", size: tuple[int, int], kernel: Kernel = "bicubic") -> "Tensor":
    """Resize (B, C, H, W) to (B, C, *size); values are neither clamped nor rounded.

    Bicubic and Lanczos overshoot at edges: clamp where the result crosses a border as an image.
    """
    import torch

    down, across = (  # int: a tracer's sizes are tensors, which NumPy and the cache must not see
        torch.as_tensor(resize_matrix(int(n_in), int(n_out), kernel), dtype=images.dtype).to(
            images.device
        )
        for n_in, n_out in zip(images.shape[2:], size, strict=True)
    )
    return torch.einsum("oh,bchw,pw->bcop", down, images, across)
