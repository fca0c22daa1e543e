"""The two reductions of the paper's DS: means for supervising branches, the LR operator for L_rec."""

import logging
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from facesr_bench.degradations.mirrored import matlab_matrix, pulse_matrix
from facesr_bench.errors import ConfigError
from facesr_bench.resize import resize_matrix

log = logging.getLogger(__name__)

LROperator = Literal["bicubic_pulse", "bicubic_matlab", "bicubic", "bilinear", "area"]
"""Names of ``conf/degradation``: how LR was made of HR. L_rec must use the same one, or the truth
itself would have a loss."""

_TOLERATED = 1.5
"""Levels of 255, root mean square: twice what rounding to 8 bits after each axis leaves."""

_MATRICES: Mapping[str, Callable[[int, int], NDArray[np.float64]]] = {
    "bicubic_pulse": lambda size, lr: pulse_matrix(size, size // lr),
    "bicubic_matlab": lambda size, lr: matlab_matrix(size, size // lr),
    "bicubic": lambda size, lr: resize_matrix(size, lr, "bicubic"),
    "bilinear": lambda size, lr: resize_matrix(size, lr, "bilinear"),
    "area": lambda size, lr: resize_matrix(size, lr, "box"),
}


def area(image: Tensor, sides: list[int]) -> dict[int, Tensor]:
    """Means of (N, 3, H, H) at smaller sides, powers of two each.

    The mean of means over blocks of one size is the mean of all, so each side is made of the next.
    """
    found: dict[int, Tensor] = {}
    for side in sorted(sides, reverse=True):
        image = avg_pool2d(image, image.shape[2] // side)
        found[side] = image
    return found


class LRReduction(nn.Module):
    """Images of any of the sides to LR, by a product with one small matrix per axis.

    Args:
        operator: see :data:`LROperator`.
        sides: of the images.
        lr_side: of LR.

    Raises:
        ConfigError: no such operator.
    """

    def __init__(self, operator: LROperator, sides: list[int], lr_side: int) -> None:
        super().__init__()
        self.operator = operator
        if operator not in get_args(LROperator):
            raise ConfigError(
                f"Pro-PULSE: lr_operator={operator} does not exist; choose "
                f"{', '.join(get_args(LROperator))}."
            )
        for side in sides:
            matrix = torch.from_numpy(_MATRICES[operator](side, lr_side).copy()).float()
            self.register_buffer(f"from{side}", matrix, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, side, side) to (N, 3, lr_side, lr_side), neither clamped nor rounded."""
        matrix = self.get_buffer(f"from{images.shape[2]}")
        return matrix @ images @ matrix.t()


@torch.no_grad()
def warn_of_another_operator(reduce: LRReduction, hr: Tensor, lr: Tensor) -> float:
    """Say it when the data's LR is not HR reduced by L_rec's operator: then the truth has a loss.

    Args:
        reduce: of L_rec.
        hr: (N, 3, H, H) in [-1, 1].
        lr: (N, 3, h, h), the same.

    Returns:
        How far apart they are, in levels of 255 (root mean square).
    """
    off = float((reduce(hr).clamp(-1, 1) - lr).square().mean().sqrt()) * 127.5
    if off > _TOLERATED:
        log.warning(
            "Pro-PULSE: the data's LR faces are %.1f levels off HR reduced by method.lr_operator=%s: "
            "L_rec pulls away from the truth. Set method.lr_operator to what makes LR "
            "(degradation@data.degradation); a degradation with blur or noise has none that fits.",
            off,
            reduce.operator,
        )
    return off
