"""The map as a picture: a panel for each set of faces, a colour for each person."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facesr_bench.images import encode_png, write_atomically

PANEL, MARGIN, DOT = 360, 24, 4
COLOURS = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
    "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf",
)  # fmt: skip


def draw(
    path: Path, points: NDArray[np.float64], sets: Sequence[str], people: Sequence[str]
) -> None:
    """Write it.

    Args:
        path: a PNG.
        points: (N, 2), on one scale for all panels.
        sets: which panel a point belongs to.
        people: which colour.
    """
    panels, persons = list(dict.fromkeys(sets)), list(dict.fromkeys(people))
    low, high = points.min(0), points.max(0)
    scaled = (points - low) / np.maximum(high - low, 1e-9) * (PANEL - 2 * MARGIN) + MARGIN
    picture = Image.new("RGB", (PANEL * len(panels), PANEL + MARGIN), "white")
    pen = ImageDraw.Draw(picture)
    for number, name in enumerate(panels):
        pen.text((number * PANEL + MARGIN, PANEL + 4), name, fill="black")
    for (x, y), name, person in zip(scaled, sets, people, strict=True):
        left = panels.index(name) * PANEL
        box = (left + x - DOT, y - DOT, left + x + DOT, y + DOT)
        pen.ellipse(box, fill=COLOURS[persons.index(person) % len(COLOURS)])
    write_atomically(path, encode_png(np.asarray(picture)))
