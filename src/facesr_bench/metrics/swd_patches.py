"""Patches of a Laplacian pyramid: what the sliced Wasserstein distance compares.

Each level of the pyramid holds one octave of detail, the last one the low-pass rest. A set of
images becomes, per level, a cloud of 7x7x3 patches (Karras et al., Progressive Growing of GANs,
ICLR 2018; official ``sliced_wasserstein.py``). Patches are flattened as channel, column, row: in
row-major order the reference's numbers do not come out.
"""

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image

Floats = NDArray[np.float32]

PATCH = 7
HALF = PATCH // 2
DIMENSIONS = 3 * PATCH * PATCH


def laplacian_pyramid(image: UInt8Image, smallest: int = 16) -> list[Floats]:
    """Levels of one image, fine to coarse: float32 (h, w, 3), on the scale 0..255.

    Args:
        image: uint8 (H, W, 3); not changed.
        smallest: the coarsest level's short side is the last one not below this.

    Raises:
        DataError: the image's short side is below ``smallest``.
    """
    import cv2

    if min(image.shape[:2]) < smallest:
        raise DataError(
            f"The sliced Wasserstein distance needs images of at least {smallest}x{smallest} "
            f"pixels, not {image.shape[0]}x{image.shape[1]}."
        )
    rest: Floats = image.astype(np.float32)
    levels: list[Floats] = []
    while True:
        height, width = rest.shape[:2]
        if (min(height, width) + 1) // 2 < smallest:
            return [*levels, rest]
        # [1,4,6,4,1]/16 both ways, mirror border; up: zero insertion, the same filter, times 4.
        small = cv2.pyrDown(rest)
        levels.append(rest - cv2.pyrUp(small, dstsize=(width, height)))
        rest = np.asarray(small, dtype=np.float32)


def patches_at(level: Floats, columns: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
    """Patches (n, 147) around centres (n,) of one level (h, w, 3)."""
    width = level.shape[1]
    channel, x, y = np.ogrid[0:3, -HALF : HALF + 1, -HALF : HALF + 1]
    offsets = ((y * width + x) * 3 + channel).reshape(1, DIMENSIONS)
    centres = ((rows * width + columns) * 3).reshape(-1, 1)
    return np.asarray(level.reshape(-1)[centres + offsets])


def draw_patches(level: Floats, number: int, rng: np.random.Generator) -> Floats:
    """Patches (number, 147) at random places of one level that hold a whole patch."""
    height, width = level.shape[:2]
    columns = rng.integers(HALF, width - HALF, size=number)
    rows = rng.integers(HALF, height - HALF, size=number)
    return patches_at(level, columns, rows)


def normalise(patches: Floats) -> Floats:
    """Give each channel of a cloud (n, 147) mean 0 and population standard deviation 1, in place.

    A channel without any variation becomes zero instead of a division by nothing: a method that
    collapsed to one flat colour gets a bad finite score.
    """
    channels = patches.reshape(len(patches), 3, PATCH * PATCH)
    for channel in range(3):
        values = channels[:, channel]
        values -= np.float32(np.mean(values, dtype=np.float64))
        deviation = np.float32(np.sqrt(np.mean(np.square(values), dtype=np.float64)))
        if deviation > 0:
            values /= deviation
    return patches


def unit_directions(normal: NDArray[np.float64]) -> Floats:
    """Columns of (147, n) normal draws scaled to length 1 in float64, then float32."""
    lengths = np.sqrt(np.sum(np.square(normal), axis=0))
    return np.asarray(normal / lengths, dtype=np.float32)
