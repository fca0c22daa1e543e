"""``contact_sheet.png``: some images of a prepared folder, nobody's choice, with their landmarks."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from facesr_bench.images import UInt8Image, encode_png, read_rgb, write_atomically
from facesr_bench.prepare.layout import Layout

COLUMNS, ROWS = 8, 8
_CELL, _GAP, _LINE = 128, 4, 16


def chosen(items: Sequence[tuple[str, str]]) -> list[str]:
    """At most 64 keys by their sha256; HR and LR share the sheet where there are both.

    Args:
        items: key and role of every image.
    """
    order = sorted(items, key=lambda item: hashlib.sha256(item[0].encode()).hexdigest())
    roles = sorted({role for _, role in items})
    share = COLUMNS * ROWS // len(roles)
    return [key for role in roles for key in [k for k, r in order if r == role][:share]]


def write_sheet(layout: Layout, name: str, total: int, rows: Sequence[dict[str, Any]]) -> None:
    """Draw rows of a manifest into the folder's contact sheet.

    Args:
        layout: of the folder.
        name: what was prepared.
        total: how many images there are in all.
        rows: those of :func:`chosen`, in the order of their keys.
    """

    def read(key: str) -> UInt8Image:
        return read_rgb(layout.image(key), orientation="stored")

    def read_border(key: str) -> UInt8Image:
        return read_rgb(layout.border(key), orientation="stored")

    title = f"{name}: {len(rows)} of {total:,} images by hash of key"
    write_atomically(layout.sheet, encode_png(draw_sheet(rows, read, read_border, title)))


def draw_sheet(
    rows: Sequence[dict[str, Any]],
    read: Callable[[str], UInt8Image],
    read_border: Callable[[str], UInt8Image],
    title: str,
) -> UInt8Image:
    """Draw the rows in cells of one size; small images are enlarged by repeating pixels.

    Landmarks are green dots. An image with a border is shown with it, inside a white frame. Each
    role starts on a line of its own.

    Args:
        rows: of the manifest.
        read: image by key.
        read_border: border image by key.
        title: written above.
    """
    from PIL import Image, ImageDraw

    lines: list[list[dict[str, Any]]] = []
    for role in sorted({row["role"] for row in rows}):
        mine = [row for row in rows if row["role"] == role]
        lines += [mine[first : first + COLUMNS] for first in range(0, len(mine), COLUMNS)]
    width = COLUMNS * (_CELL + _GAP) + _GAP
    sheet = Image.new("RGB", (width, _LINE + len(lines) * (_CELL + _LINE)), "black")
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 2), title, fill="white")
    for number, line in enumerate(lines):
        y = _LINE + number * (_CELL + _LINE)
        for column, row in enumerate(line):
            x = _GAP + column * (_CELL + _GAP)
            _cell(sheet, draw, row, read, read_border, (x, y))
            draw.text((x, y + _CELL + 1), _caption(row), fill="gray")
    return np.asarray(sheet)


def _cell(
    sheet: Any,
    draw: Any,
    row: dict[str, Any],
    read: Callable[[str], UInt8Image],
    read_border: Callable[[str], UInt8Image],
    corner: tuple[int, int],
) -> None:
    from PIL import Image

    top, right, bottom, left = row["border"] or (0, 0, 0, 0)
    picture = read_border(row["key"]) if row["border"] else read(row["key"])
    height, width = picture.shape[:2]
    scale = _CELL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    sheet.paste(Image.fromarray(picture).resize(size, how), corner)
    x, y = corner
    if row["border"]:
        box = (left, top, width - right, height - bottom)
        frame = [value * scale + (x, y)[i % 2] for i, value in enumerate(box)]
        draw.rectangle(frame, outline="white")
    # Landmarks are in prepared pixels, a border image in the owner's.
    down, across = (height - top - bottom) / row["height"], (width - left - right) / row["width"]
    points = row["landmarks"] or ()
    for px, py in zip(points[::2], points[1::2], strict=True):
        cx, cy = (
            x + (left + (px + 0.5) * across) * scale,
            y + (top + (py + 0.5) * down) * scale,
        )
        draw.ellipse((cx - 2, cy - 2, cx + 2, cy + 2), outline="lime")


def _caption(row: dict[str, Any]) -> str:
    text = f"{row['role']} {row['split']} {row['key'].removesuffix('.png').rpartition('/')[2]}"
    return str(text[:20])
