"""Which part of a 640x480 frame is the face, and what lies around it."""

from collections.abc import Sequence

import numpy as np

from facesr_bench.errors import ConfigError
from facesr_bench.images import UInt8Image

FRAME = (480, 640)
"""Height and width of a camera's image."""
SHAPE = (133, 107)
"""Height to width of every box: that of the face TDN cuts out of CelebA."""
MIDDLE = (223, 120, 240)
"""Left, top and height of a box in the middle of the frame, half as high as it."""

Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


def box_of(camera: str, place: Sequence[int]) -> Box:
    """A box of TDN's shape from its left and top edge and its height.

    Raises:
        ConfigError: it is not three whole numbers, or leaves the frame.
    """
    if len(place) != 3 or not all(isinstance(n, int) for n in place):
        raise ConfigError(f"The box of camera {camera} is [left, top, height], not {place!r}.")
    left, top, height = place
    width = round(height * SHAPE[1] / SHAPE[0])
    if min(left, top) < 0 or width < 1 or left + width > FRAME[1] or top + height > FRAME[0]:
        raise ConfigError(
            f"The box of camera {camera}, {width}x{height} at ({left}, {top}), leaves the frame of "
            f"{FRAME[1]}x{FRAME[0]}."
        )
    return left, top, width, height


def border_of(height: int) -> int:
    """Pixels on every side of a crop: as much of its height as TDN's 30 are of its crop's 133."""
    return round(height * 30 / 133)


def cut(image: UInt8Image, box: Box, border: int = 0) -> UInt8Image:
    """A box and ``border`` pixels around it; beyond the image's edge, the image reflected.

    Args:
        image: uint8 (H, W, 3).
        box: inside it.
        border: on every side; smaller than the image.

    Returns:
        uint8, as high and wide as the box and two borders.
    """
    left, top, width, height = box
    # Places beyond the edge are those before it, the pixel on the edge not repeated.
    rows, columns = (np.pad(np.arange(n), border, mode="reflect") for n in image.shape[:2])
    down = rows[top : top + height + 2 * border]
    across = columns[left : left + width + 2 * border]
    part: UInt8Image = image[down[:, None], across]
    return part
