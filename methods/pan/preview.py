"""Pictures for those who watch: what goes into a stage beside what comes out."""

import torch
from torch import Tensor
from torch.nn import functional

PREVIEWED = 4
"""Faces that previews show."""


def pairs(lr: Tensor, sr: Tensor, side: int) -> Tensor:
    """LR and SR side by side, one picture per face, both enlarged without smoothing.

    Args:
        lr: (N, 3, s, s) in [-1, 1].
        sr: (N, 3, r, r), of any range; what lies outside [-1, 1] is cut off.
        side: of either half, so that pictures of all stages have one size.

    Returns:
        (N, 3, side, 2 * side) in [0, 1].
    """
    halves = [
        functional.interpolate(image.float(), (side, side), mode="nearest") for image in (lr, sr)
    ]
    return torch.cat(halves, dim=3).clamp(-1, 1).add(1).div(2)
