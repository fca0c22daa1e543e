"""LR consistency: does the SR image, made small again, give the LR image it came from?

SR comes from 8 bits; what the operator makes of it is neither rounded nor clamped. Where the
protocol has a known operator that one is used; where it has none (random blur, noise, JPEG, real
LR) antialiased bicubic stands in, and the key says so.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facesr_bench.errors import DataError
from facesr_bench.images import Size
from facesr_bench.metrics.base import Need, PerImageMetric, ScoreBatch
from facesr_bench.metrics.frozen import exact_float32
from facesr_bench.metrics.psnr_ssim import CAP_DB, decibels
from facesr_bench.resize import resize

Downsample = Callable[[Tensor], Tensor | None]
"""float32 (B, 3, H, W) in [0, 1] to (B, 3, h, w); None where there is no such operator."""


def lr_errors(batch: ScoreBatch, downsample: Downsample | None) -> tuple[NDArray[np.float64], bool]:
    """Mean squared error on [0, 1] of each image's downsampled SR against its LR.

    Returns:
        The errors (B,), and whether the protocol's own operator was used.

    Raises:
        DataError: the operator gives another size than the LR images have.
    """
    errors, own = [], True
    # One image at a time: matrix products change their last bits with the batch size.
    for sr, lr in zip(batch.sr[:, None], batch.require("lr")[:, None], strict=True):
        with exact_float32():  # training may have left TF32 or bf16 products on
            small, own = _shrink(sr.float() / 255, (lr.shape[2], lr.shape[3]), downsample)
        if small.shape != lr.shape:
            raise DataError(
                f"The protocol's operator makes {small.shape[2]}x{small.shape[3]} pixels of an SR "
                f"image of {sr.shape[2]}x{sr.shape[3]}, but its LR has {lr.shape[2]}x{lr.shape[3]}."
            )
        gap = small.double().cpu().numpy() - lr.cpu().numpy() / 255.0
        errors.append(float(np.mean(gap**2)))
    return np.array(errors), own


def _shrink(image: Tensor, size: Size, downsample: Downsample | None) -> tuple[Tensor, bool]:
    small = downsample(image) if downsample is not None else None
    if small is not None:
        return small, True
    return resize(image, size, "bicubic"), False


class _LRConsistency(PerImageMetric):
    needs: ClassVar[frozenset[Need]] = frozenset({"lr"})
    name: ClassVar[str]

    def __init__(
        self, downsample: Downsample | None = None, operator: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.downsample = downsample
        self.operator = None if operator is None else dict(operator)

    @property
    def keys(self) -> tuple[str, ...]:
        """The name, ending in ``_bicubic`` where that stood in for the protocol's operator."""
        if self._tables:  # what really happened, also on a rank that only loads rows
            return tuple(self._tables)
        return (self.name if self.downsample is not None else f"{self.name}_bicubic",)

    def score(self, batch: ScoreBatch) -> dict[str, NDArray[np.float64]]:
        """Errors of the downsampled SR, in this metric's unit."""
        errors, own = lr_errors(batch, self.downsample)
        return {self.name if own else f"{self.name}_bicubic": self.from_errors(errors)}

    def from_errors(self, errors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squared errors (B,) in this metric's unit."""
        return errors

    def settings(self) -> dict[str, Any]:
        """The operator used, quantisation and reduction."""
        stand_in = all(key.endswith("_bicubic") for key in self.keys)
        return {
            "operator": "antialiased bicubic"
            if stand_in
            else self.operator or "the protocol's own",
            "images": "SR from uint8, downsampled unrounded and unclamped",
            "reduction": "mean of images",
        }


class LRPSNR(_LRConsistency):
    """``lr_psnr`` in dB on [0, 1], or ``lr_psnr_bicubic``.

    Args:
        downsample: the protocol's operator (``Degradation.downsample``); filled by the harness.
        operator: what it is (``Degradation.settings()``); filled by the harness.
    """

    higher_is_better = True
    value_range: ClassVar[tuple[float, float]] = (0.0, CAP_DB)
    name = "lr_psnr"

    def from_errors(self, errors: NDArray[np.float64]) -> NDArray[np.float64]:
        """In dB."""
        return np.array([decibels(error, data_range=1.0) for error in errors])

    def settings(self) -> dict[str, Any]:
        """As above, with the cap."""
        return super().settings() | {"cap_db": CAP_DB}


class LRL2(_LRConsistency):
    """``lr_l2``, the mean squared error on [0, 1] (not its root), or ``lr_l2_bicubic``.

    Args:
        downsample: the protocol's operator (``Degradation.downsample``); filled by the harness.
        operator: what it is (``Degradation.settings()``); filled by the harness.
    """

    higher_is_better = False
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    name = "lr_l2"
