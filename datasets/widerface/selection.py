"""Which faces are taken, and which square of the photo: the filter, written down."""

import math
from dataclasses import dataclass
from typing import Literal

from facesr_bench.errors import ConfigError
from facesr_bench.images import Size

from .annotations import COLUMNS, Faces

Outside = Literal["drop", "shift"]

REASONS = (
    "a box given twice",
    "invalid",
    "too much occluded",
    "too small",
    "too large",
    "with a square that leaves the photo",
)
"""Why a face is left out, in the order of the questions."""


@dataclass(frozen=True)
class Square:
    """One face that passed.

    Attributes:
        number: its row in the annotations.
        left, top, side: what is cut out of the photo.
        box: x, y, w, h, clipped to the photo.
        labels: the owner's six labels.
    """

    number: int
    left: int
    top: int
    side: int
    box: tuple[int, int, int, int]
    labels: dict[str, int]


@dataclass(frozen=True)
class Filter:
    """The rule.

    Attributes:
        smallest, largest: bounds on the box's shorter side in pixels, both included.
        occlusion: strongest label that is still taken.
        margin: side of the square over the longer side of the box.
        outside: a square that leaves the photo drops the face, or is shifted into it.
    """

    smallest: int
    largest: int
    occlusion: int
    margin: float
    outside: Outside

    def __post_init__(self) -> None:
        if not 1 <= self.smallest <= self.largest:
            raise ConfigError(
                f"smallest={self.smallest} and largest={self.largest} must be pixels, in this order."
            )
        if not self.margin >= 1:
            raise ConfigError(f"margin={self.margin} must be at least 1: the box itself.")
        if self.outside not in {"drop", "shift"}:
            raise ConfigError(f"outside={self.outside!r} must be drop or shift.")

    def apply(self, faces: Faces, photo: Size) -> tuple[list[Square], dict[str, int]]:
        """The faces of one photo that pass, and how many did not, by reason."""
        taken: list[Square] = []
        dropped = dict.fromkeys(REASONS, 0)
        seen: set[tuple[int, ...]] = set()
        for number, row in enumerate(faces.tolist()):
            labels = dict(zip(COLUMNS[4:], row[4:], strict=True))
            box = _clip(row[:4], photo)
            shorter = min(box[2:])
            square = self._square(box, photo)
            answers = (
                tuple(row[:4]) in seen,
                labels["invalid"] == 1,
                labels["occlusion"] > self.occlusion,
                shorter < self.smallest,
                shorter > self.largest,
                square is None,
            )
            seen.add(tuple(row[:4]))
            if square is None or any(answers):
                dropped[REASONS[answers.index(True)]] += 1
            else:
                taken.append(Square(number, *square, box, labels))
        return taken, dropped

    def _square(self, box: tuple[int, int, int, int], photo: Size) -> tuple[int, int, int] | None:
        x, y, w, h = box
        height, width = photo
        side = math.floor(self.margin * max(w, h) + 0.5)
        left = math.floor(x + (w - side) / 2 + 0.5)
        top = math.floor(y + (h - side) / 2 + 0.5)
        if self.outside == "shift":
            left, top = max(0, min(left, width - side)), max(0, min(top, height - side))
        if left < 0 or top < 0 or left + side > width or top + side > height:
            return None
        return left, top, side


def _clip(box: list[int], photo: Size) -> tuple[int, int, int, int]:
    """The part of a box that lies in the photo; sides are 0 where there is none."""
    x, y, w, h = box
    height, width = photo
    left, top = max(0, x), max(0, y)
    return left, top, max(0, min(x + w, width) - left), max(0, min(y + h, height) - top)
