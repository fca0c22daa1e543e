"""``images/grid.png``: LR | bicubic | SR | HR for the same eight faces, whatever the method."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from facesr_bench.images import UInt8Image, encode_png, write_atomically
from facesr_bench.protocol import TestSet
from facesr_bench.store import SRStore

_MARGIN, _HEADER = 4, 18


def grid_positions(keys: Sequence[str], count: int = 8) -> list[int]:
    """Positions of the first ``count`` keys by sha256 of the key: fixed, and nobody's choice."""
    order = sorted(range(len(keys)), key=lambda i: hashlib.sha256(keys[i].encode()).hexdigest())
    return order[:count]


def draw_grid(rows: Sequence[Sequence[UInt8Image | None]], labels: Sequence[str]) -> UInt8Image:
    """Images in rows under column labels; every cell is enlarged to the largest by repeating pixels.

    Two samples stand side by side, so that eight faces fit a screen.
    """
    side = max(image.shape[0] for row in rows for image in row if image is not None)
    cell = max(side, 128)
    pairs = 2 if len(rows) > 4 else 1
    columns = len(labels) * pairs
    lines = -(-len(rows) // pairs)
    gap = 3 * _MARGIN
    width = columns * (cell + _MARGIN) + _MARGIN + gap * (pairs - 1)
    sheet = Image.new("RGB", (width, _HEADER + lines * (cell + _MARGIN)), "white")
    draw = ImageDraw.Draw(sheet)
    for column in range(columns):
        x = _MARGIN + column * (cell + _MARGIN) + gap * (column // len(labels))
        draw.text((x, 3), labels[column % len(labels)], fill="black")
    for number, row in enumerate(rows):
        line, pair = divmod(number, pairs)
        for column, image in enumerate(row):
            if image is None:
                continue
            x = _MARGIN + (pair * len(labels) + column) * (cell + _MARGIN) + gap * pair
            picture = Image.fromarray(image).resize((cell, cell), Image.Resampling.NEAREST)
            sheet.paste(picture, (x, _HEADER + line * (cell + _MARGIN)))
    return np.asarray(sheet)


def write_grid(
    path: Path,
    test_set: TestSet,
    store: SRStore,
    method: str,
    sides: Mapping[int, SRStore] | None = None,
) -> None:
    """Draw and write the grid of a finished test stage, side outputs before the SR image."""
    smaller = sorted((sides or {}).items())
    columns = [f"{side} px" for side, _ in smaller]
    labels = ["LR", "bicubic", *columns, method] + (["HR"] if test_set.has_hr else [])
    rows: list[list[UInt8Image | None]] = []
    for position in grid_positions(test_set.keys):
        lr, sr = test_set.lr[position], store.read(test_set.keys[position])
        size = (sr.shape[1], sr.shape[0])
        bicubic = np.asarray(Image.fromarray(lr).resize(size, Image.Resampling.BICUBIC))
        on_the_way = [side_store.read(test_set.keys[position]) for _, side_store in smaller]
        row: list[UInt8Image | None] = [lr, bicubic, *on_the_way, sr]
        rows.append([*row, test_set.hr(position)] if test_set.has_hr else row)
    write_atomically(path, encode_png(draw_grid(rows, labels)))
