"""The bicubic reductions of PULSE and of MATLAB: Pillow's kernel, other borders, other rounding.

All three are Keys' kernel (a = -0.5) widened by the factor and agree in the interior. Pillow cuts the
kernel off at the border and renormalises; PULSE reflects without repeating the edge pixel; MATLAB's
``imresize`` mirrors with it. The outer two LR pixels differ by up to 20 levels, so LR made by one is
not the LR of another, and each has its own name.
"""

import math
from abc import abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facesr_bench.degradations.arguments import check_factor, lr_size
from facesr_bench.degradations.base import Degradation
from facesr_bench.degradations.separable import separable
from facesr_bench.errors import ConfigError
from facesr_bench.images import UInt8Image

if TYPE_CHECKING:
    from torch import Tensor

Quantise = Literal["truncate", "round"]
"""From float values to 8 bits."""


def keys(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic convolution kernel of Keys (1981) with a = -0.5."""
    t = np.abs(x)
    near = 1.5 * t**3 - 2.5 * t**2 + 1.0
    far = -0.5 * t**3 + 2.5 * t**2 - 4.0 * t + 2.0
    return np.where(t <= 1.0, near, np.where(t <= 2.0, far, 0.0))


def _matrix(columns: NDArray[np.int64], weights: NDArray[np.float64], size: int) -> NDArray[Any]:
    """Rows of taps as a dense matrix (rows, size); taps that fall on one pixel add up."""
    matrix = np.zeros((len(columns), size))
    rows = np.broadcast_to(np.arange(len(columns))[:, None], columns.shape)
    np.add.at(matrix, (rows.ravel(), columns.ravel()), weights.ravel())
    return matrix


@lru_cache(maxsize=64)
def pulse_matrix(size: int, factor: int) -> NDArray[np.float64]:
    """One axis of PULSE's ``BicubicDownSample`` as a matrix (size / factor, size).

    4 f taps at (i - 2 f + 0.5) / f, normalised, after reflect padding of 3 f pixels in all, stride f.
    Of an odd factor's padding the odd pixel comes last, so that the image moves by half a pixel of HR;
    factor 1 is a filter of four taps (-1, 9, 9, -1) / 16, no identity.

    Raises:
        ConfigError: an image too small to be reflected.
    """
    pad = (3 * factor) // 2
    after = 3 * factor - pad
    if after >= size:
        raise ConfigError(
            f"PULSE's bicubic reflects {after} pixels at a factor of {factor}, more than an image of "
            f"{size} pixels has. Use a smaller factor or operator 'bicubic'."
        )
    taps = keys((np.arange(4 * factor) - 2 * factor + 0.5) / factor)
    weights = np.broadcast_to(taps / taps.sum(), (size // factor, 4 * factor))
    positions = np.arange(size // factor)[:, None] * factor + np.arange(4 * factor) - pad
    reflected = np.abs(positions)
    reflected = np.where(reflected >= size, 2 * (size - 1) - reflected, reflected)
    return _matrix(reflected, weights, size)


@lru_cache(maxsize=64)
def matlab_matrix(size: int, factor: int) -> NDArray[np.float64]:
    """One axis of MATLAB's ``imresize(..., 'bicubic')`` as a matrix (size / factor, size)."""
    width = 4.0 * factor
    # MATLAB counts pixels from 1, with their centres at whole numbers.
    centres = np.arange(1, size // factor + 1) * factor + 0.5 * (1 - factor)
    left = np.floor(centres - width / 2)
    positions = left[:, None] + np.arange(math.ceil(width) + 2)
    weights = keys((centres[:, None] - positions) / factor)
    weights /= weights.sum(axis=1, keepdims=True)
    period = 2 * size
    mirrored = (positions.astype(np.int64) - 1) % period
    return _matrix(np.where(mirrored >= size, period - 1 - mirrored, mirrored), weights, size)


class _Mirrored(Degradation):
    """Two matrices, one for each axis."""

    kind: ClassVar[str]

    def __init__(self, factor: int) -> None:
        self.factor = check_factor(factor)

    @abstractmethod
    def matrix(self, size: int) -> NDArray[np.float64]:
        """The operator of one axis."""

    def settings(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "factor": self.factor}

    def at_factor(self, factor: int) -> "_Mirrored":
        """The same operator for another factor."""
        return type(self)(factor)

    def downsample(self, images: "Tensor") -> "Tensor":
        """The operator on float (B, C, H, W), neither clamped nor rounded."""
        import torch

        down, across = (
            torch.as_tensor(self.matrix(n), dtype=images.dtype).to(images.device)
            for n in images.shape[2:]
        )
        return torch.einsum("oh,bchw,pw->bcop", down, images, across)


class PulseBicubic(_Mirrored):
    """PULSE's operator: float64, clamped and brought to 8 bits once.

    Source: ``BicubicDownSample`` of the official code, which makes its LR files and is in its loss.

    Args:
        factor: HR side over LR side.
        quantise: "truncate", as the official LR files are made (``ToPILImage``: half of all values are
            one level lower); "round", as the first version of our protocols had it.

    Raises:
        ConfigError: no such way, or a factor that cannot be.
    """

    kind = "pulse bicubic"

    def __init__(self, factor: int, quantise: Quantise = "round") -> None:
        super().__init__(factor)
        if quantise not in get_args(Quantise):
            raise ConfigError(
                f"quantise={quantise!r} is no way to 8 bits. Choose one of "
                f"{', '.join(get_args(Quantise))}."
            )
        self.quantise: Quantise = quantise

    def settings(self) -> dict[str, Any]:
        """Plain JSON values; rounding is not named, so that older protocols keep their hash."""
        named = {} if self.quantise == "round" else {"quantise": self.quantise}
        return super().settings() | named

    def at_factor(self, factor: int) -> "PulseBicubic":
        """The same operator for another factor."""
        return PulseBicubic(factor, self.quantise)

    def matrix(self, size: int) -> NDArray[np.float64]:
        """Keys' kernel, borders reflected."""
        return pulse_matrix(size, self.factor)

    def __call__(self, hr: UInt8Image, rng: np.random.Generator) -> UInt8Image:
        """uint8 (H, W, 3) to uint8 (H / factor, W / factor, 3); draws nothing from ``rng``."""
        lr_size(hr, self.factor)
        down, across = (self.matrix(n) for n in hr.shape[:2])
        reduced = separable(hr.astype(np.float64), down, across)
        return truncated(reduced) if self.quantise == "truncate" else to_8_bits(reduced)


class MatlabBicubic(_Mirrored):
    """MATLAB's ``imresize`` of a uint8 image: rounded to 8 bits after each of its two passes."""

    kind = "matlab bicubic"

    def matrix(self, size: int) -> NDArray[np.float64]:
        """Keys' kernel, borders mirrored."""
        return matlab_matrix(size, self.factor)

    def __call__(self, hr: UInt8Image, rng: np.random.Generator) -> UInt8Image:
        """uint8 (H, W, 3) to uint8 (H / factor, W / factor, 3); draws nothing from ``rng``."""
        lr_size(hr, self.factor)
        down, across = (self.matrix(n) for n in hr.shape[:2])
        rows = to_8_bits(np.tensordot(down, hr.astype(np.float64), axes=(1, 0)))
        columns = np.tensordot(rows.astype(np.float64), across, axes=(1, 1))
        return to_8_bits(np.ascontiguousarray(columns.transpose(0, 2, 1)))


def to_8_bits(values: NDArray[np.float64]) -> UInt8Image:
    """Clamp to 0..255 and round half up, as MATLAB does (NumPy would round half to even)."""
    return np.floor(values.clip(0.0, 255.0) + 0.5).astype(np.uint8)


def truncated(values: NDArray[np.float64]) -> UInt8Image:
    """Clamp to 0..255 and cut the fraction off.

    A flat area sums to its level but for rounding in the fifteenth digit; it keeps that level on every
    machine (the official float32 falls to either side).
    """
    return np.floor(values.clip(0.0, 255.0) + 1e-6).astype(np.uint8)
