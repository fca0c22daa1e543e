"""Which images are worth looking at: a method's worst, middle and best by one metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facesr_bench.leaderboard.page.board import Board, Floats

Rank = Literal["worst", "median", "best"]
RANKS: tuple[Rank, ...] = ("worst", "median", "best")


@dataclass(frozen=True)
class Pick:
    """The images of one method, metric and rank.

    Attributes:
        column: number of the metric's column.
        run: number of the method's run.
        rank: which end of the scores.
        positions: of the keys, the most extreme first.
    """

    column: int
    run: int
    rank: Rank
    positions: tuple[int, ...]


def choose_columns(board: Board, most: int = 3) -> list[int]:
    """Columns to choose images by: the first of each family (psnr, ssim, lpips ...), in order."""
    families: dict[str, int] = {}
    for number in board.scores:
        column = board.columns[number]
        if column.higher_is_better is not None:
            families.setdefault(column.key.split("_")[0].split("@")[0], number)
    return list(families.values())[:most]


def choose_images(board: Board, columns: Sequence[int], count: int) -> list[Pick]:
    """For every method, metric and rank so many images; equal scores go by key.

    Images without a score are passed over: a face that was not found is no worst face.
    """
    picks = []
    for number in columns:
        higher = bool(board.columns[number].higher_is_better)
        for row, scores in enumerate(board.scores[number]):
            order = _worst_first(scores, higher)
            if order:
                middle = max(0, (len(order) - count) // 2)
                picks += [
                    Pick(number, row, "worst", tuple(order[:count])),
                    Pick(number, row, "median", tuple(order[middle : middle + count])),
                    Pick(number, row, "best", tuple(order[::-1][:count])),
                ]
    return picks


def _worst_first(scores: Floats, higher_is_better: bool) -> list[int]:
    known = np.flatnonzero(np.isfinite(scores))
    sign = 1.0 if higher_is_better else -1.0
    return [int(known[i]) for i in np.argsort(sign * scores[known], kind="stable")]
