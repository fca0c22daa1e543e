"""One image from what the owner gives to what is stored: resized, its landmarks in step."""

from dataclasses import dataclass

import numpy as np

from facesr_bench.degradations.resizing import pillow_resize
from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image
from facesr_bench.prepare.recipe import Landmarks, Raw
from facesr_bench.resize import Kernel

Sides = tuple[int, int, int, int]
"""Pixels at the top, right, bottom and left."""


@dataclass(frozen=True)
class Target:
    """How images become the prepared size.

    Attributes:
        side: in pixels; None keeps what ``read`` returns.
        operator: of Pillow.
        stretch: whether images that are not square are stretched.
        enlarge: whether smaller images are enlarged.
    """

    side: int | None
    operator: Kernel
    stretch: bool = False
    enlarge: bool = False


@dataclass(frozen=True)
class Rendered:
    """One prepared image.

    Attributes:
        image: uint8 (side, side, 3).
        landmarks: in its pixels, or None.
        border: the crop with more of the photo around it, at the owner's resolution, or None.
        border_size: how much more, in its own pixels.
    """

    image: UInt8Image
    landmarks: Landmarks | None
    border: UInt8Image | None
    border_size: Sides


def render(raw: Raw, target: Target) -> Rendered:
    """Read one image and make it the prepared size.

    Raises:
        DataError: it is damaged, not square, or smaller than what is wanted.
    """
    image = _checked(raw.read(), "read")
    height, width = image.shape[:2]
    side = target.side or height
    if height != width and not target.stretch:
        raise DataError(f"it is {width}x{height} pixels, not square, and is not to be stretched")
    if min(height, width) < side and not target.enlarge:
        raise DataError(f"it has {width}x{height} pixels, fewer than {side}x{side}")
    landmarks = None
    if raw.landmarks is not None:
        landmarks = scale_points(raw.landmarks, (height, width), side)
    border, border_size = None, (0, 0, 0, 0)
    if raw.read_border is not None:
        wide = _checked(raw.read_border(), "read_border")
        border, border_size = check_border(wide, raw.border, (height, width)), raw.border
    if (height, width) != (side, side):
        image = pillow_resize(image, (side, side), target.operator)
    return Rendered(image, landmarks, border, border_size)


def scale_points(points: Landmarks, shape: tuple[int, int], side: int) -> Landmarks:
    """Landmarks of an image of this height and width in pixels of the resized one.

    Pixel centres count from 0, so the scale acts on ``p + 0.5``.
    """
    scale = np.array([side / shape[1], side / shape[0]])
    scaled: Landmarks = ((points.astype(np.float64) + 0.5) * scale - 0.5).astype(np.float32)
    return scaled


def check_border(wide: UInt8Image, border: Sides, shape: tuple[int, int]) -> UInt8Image:
    """Refuse a border image that is not the crop and its border.

    It is stored as it is: what is rotated or moved in it should be the owner's pixels in the owner's
    proportions, and be resized once, at the end.

    Args:
        wide: uint8, the crop with its border.
        border: how many pixels more it shows at the top, right, bottom and left.
        shape: height and width of the crop.

    Returns:
        ``wide``.

    Raises:
        DataError: the sizes do not add up.
    """
    top, right, bottom, left = border
    expected = (shape[0] + top + bottom, shape[1] + left + right)
    if min(border) < 0 or wide.shape[:2] != expected:
        raise DataError(
            f"its border image is {wide.shape[1]}x{wide.shape[0]} pixels, but image and border make "
            f"{expected[1]}x{expected[0]}"
        )
    return wide


def _checked(image: UInt8Image, what: str) -> UInt8Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise DataError(
            f"its recipe's {what} gives {image.dtype} {image.shape}, not uint8 (H, W, 3)"
        )
    return image
