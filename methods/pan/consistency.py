"""Is it still the same face? Nothing but the architecture sees to that, so it is watched."""

import torch
from torch import Tensor

from facesr_bench.resize import resize


@torch.no_grad()
def lr_consistency(sr: Tensor, lr: Tensor) -> Tensor:
    """PSNR in dB between the SR image, reduced by antialiased bicubic, and the LR image it is from.

    Args:
        sr: (B, 3, R, R) in [-1, 1]; what lies outside is cut off.
        lr: (B, 3, s, s) in [-1, 1].
    """
    sr = sr.clamp(-1, 1)
    if sr.shape[-1] != lr.shape[-1]:
        sr = resize(sr, (lr.shape[2], lr.shape[3]), "bicubic")
    error = (sr - lr).div(2).square().mean()
    return error.clamp_min(1e-10).log10().mul(-10)


class ConsistencyWatch:
    """LR consistency of the faces being trained on, measured now and then, for the log.

    The first and the last step of a phase are always measured, so that what is repeated in between is
    never another phase's.

    Args:
        every: images between two measurements.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._last: Tensor | None = None

    def __call__(self, sr: Tensor, lr: Tensor, seen: int, batch: int, phase_ends: bool) -> Tensor:
        """The measurement of this step if one is due, else the last one.

        Args:
            sr: this step's faces.
            lr: the LR faces they are from.
            seen: images seen before this step.
            batch: images of this step.
            phase_ends: whether it is the last step of its phase.
        """
        due = seen // self._every != (seen + batch) // self._every
        measured = self._last
        if measured is None or due or phase_ends:
            measured = lr_consistency(sr, lr)
        self._last = None if phase_ends else measured
        return measured
