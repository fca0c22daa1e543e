"""A face out of a photo, aligned as a method knows faces, and its super-resolved form back in.

Both ways use one similarity transform, from five landmarks to a template. Coordinates count from pixel
centres; enlarging by a factor keeps edges, so positions scale as (x + 0.5) * factor - 0.5.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.faces.alignment import TEMPLATE, Points, similarity
from facesr_bench.images import UInt8Image

Template = NDArray[np.float64]
"""(5, 2): where the landmarks lie in a face crop, as shares of its side (0 is its edge)."""

_FFHQ = (
    (192.98138, 239.94708), (318.90277, 240.1936), (256.63416, 314.01935),
    (201.26117, 371.41043), (313.08905, 371.15118),
)  # fmt: skip
"""The mean face of FFHQ's alignment at 512 pixels, as facexlib and GFPGAN use it."""

FEATHER = 0.12
"""Share of a face's side over which it fades into the photo."""


def template_of(choice: str | Sequence[Sequence[float]]) -> Template:
    """``ffhq`` (a whole head; synthface lies within 0.02), ``arcface`` (tight), or five points.

    Raises:
        ConfigError: something else.
    """
    if choice == "ffhq":
        return (np.array(_FFHQ) + 0.5) / 512
    if choice == "arcface":
        return np.asarray((TEMPLATE + 0.5) / 112)
    try:
        points = np.array(choice, dtype=np.float64)
        if points.shape == (5, 2) and bool((points >= 0).all() and (points <= 1).all()):
            return points
    except ValueError:
        pass
    raise ConfigError(
        f"predict.template={choice} is none of ffhq, arcface, or five points [[x, y], ...] as shares "
        "of the side: both eyes, nose tip, both mouth corners, from the viewer's left."
    )


def to_crop(landmarks: Points, template: Template, side: int) -> NDArray[np.float64]:
    """The (2, 3) similarity from a photo's pixels to those of a square crop.

    Raises:
        DataError: landmarks in one place.
    """
    matrix = similarity(landmarks, template * side - 0.5)
    if matrix is None:
        raise DataError("has a face whose landmarks fall together")
    return matrix


def scale_of(landmarks: Points, template: Template, side: int) -> float:
    """Crop pixels for each pixel of the photo; below one the method sees less than the photo has."""
    matrix = to_crop(landmarks, template, side)
    return math.hypot(matrix[0, 0], matrix[1, 0])


def cut_out(image: UInt8Image, landmarks: Points, template: Template, side: int) -> UInt8Image:
    """The aligned face, uint8 (side, side, 3); what lies outside the photo repeats its border.

    A face larger than the crop is warped at a multiple of the side and then reduced with antialiasing.
    """
    import cv2
    from PIL import Image

    more = max(1, math.ceil(1 / scale_of(landmarks, template, side)))
    matrix = to_crop(landmarks, template, side * more)
    warped = cv2.warpAffine(
        image, matrix, (side * more, side * more), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    if more == 1:
        return np.asarray(warped, dtype=np.uint8)
    return np.array(Image.fromarray(warped).resize((side, side), Image.Resampling.BICUBIC))


def enlarge(image: UInt8Image, factor: int) -> UInt8Image:
    """The whole photo by Pillow's bicubic: what surrounds the faces."""
    from PIL import Image

    size = (image.shape[1] * factor, image.shape[0] * factor)
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def paste_back(
    canvas: UInt8Image,
    face: UInt8Image,
    landmarks: Points,
    template: Template,
    lr_side: int,
    factor: int,
) -> UInt8Image:
    """Put a super-resolved face into the enlarged photo, fading at its border.

    Args:
        canvas: the photo enlarged by ``factor``.
        face: uint8 (side, side, 3), the super-resolved crop.
        landmarks: in pixels of the photo before it was enlarged.
        template: as for :func:`cut_out`.
        lr_side: side of the crop the method was given.
        factor: by which the photo was enlarged.
    """
    import cv2
    from PIL import Image

    side = face.shape[0]
    scale = scale_of(landmarks, template, lr_side)
    # Where the crop has more pixels than its place on the canvas, warping alone would alias.
    shown = min(side, max(1, round(lr_side * factor / scale)))
    if shown < side:
        reduced = Image.fromarray(face).resize((shown, shown), Image.Resampling.BICUBIC)
        face = np.asarray(reduced)
    at = np.asarray((landmarks.astype(np.float64) + 0.5) * factor - 0.5)
    matrix = to_crop(at, template, shown)
    size = (canvas.shape[1], canvas.shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    placed = cv2.warpAffine(face, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(_mask(shown), matrix, size, flags=flags)
    mixed = canvas + weight[:, :, None] * (placed.astype(np.float32) - canvas)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _mask(side: int) -> NDArray[np.float32]:
    """One inside, falling to zero towards the edges along half a cosine."""
    distance = (np.arange(side) + 0.5) / side
    distance = np.minimum(distance, 1 - distance)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.minimum(1.0, distance / FEATHER))
    return np.outer(ramp, ramp).astype(np.float32)
