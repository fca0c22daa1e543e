"""The official code's order of random draws, kept for one purpose: checking our SWD against it.

NumPy's global generator there decides the digits together with the minibatch size; in production
(``swd.py``) neither can. Nothing but the tests calls this.
"""

import numpy as np
from numpy.typing import NDArray

from facesr_bench.metrics.swd_distance import sliced_distance
from facesr_bench.metrics.swd_patches import (
    DIMENSIONS,
    HALF,
    Floats,
    laplacian_pyramid,
    normalise,
    patches_at,
    unit_directions,
)

_REPEATS = 4
_DIRECTIONS = 128
_PATCHES = 128


def reference_swd(
    reals: NDArray[np.uint8],
    fakes: NDArray[np.uint8],
    rng: np.random.RandomState,
    minibatch: int | None = None,
) -> list[float]:
    """SWD per level, fine to coarse, with the draws of the ProGAN code.

    Args:
        reals: uint8 (N, H, W, 3).
        fakes: the same shape.
        rng: the legacy generator; ``RandomState(0)`` stands for ``np.random.seed(0)``.
        minibatch: images per minibatch; None for all at once.
    """
    clouds = []
    for images in (reals, fakes):
        levels = _describe(images, rng, minibatch or len(images))
        clouds.append([normalise(level) for level in levels])
        if images is reals:  # reals are scored against themselves there; only the draws matter
            for _ in levels:
                _draw_directions(rng)
    return [sliced_distance(a, b, _draw_directions(rng)) for a, b in zip(*clouds, strict=True)]


def _describe(
    images: NDArray[np.uint8], rng: np.random.RandomState, minibatch: int
) -> list[Floats]:
    """Patches of each level (N * 128, 147)."""
    parts: list[list[Floats]] = []
    for start in range(0, len(images), minibatch):
        pyramids = [laplacian_pyramid(image) for image in images[start : start + minibatch]]
        parts.append([_draw_patches(list(level), rng) for level in zip(*pyramids, strict=True)])
    return [np.concatenate(level) for level in zip(*parts, strict=True)]


def _draw_patches(levels: list[Floats], rng: np.random.RandomState) -> Floats:
    height, width = levels[0].shape[:2]
    shape = (len(levels), _PATCHES)
    columns = rng.randint(HALF, width - HALF, size=shape)
    rows = rng.randint(HALF, height - HALF, size=shape)
    return np.concatenate([patches_at(*item) for item in zip(levels, columns, rows, strict=True)])


def _draw_directions(rng: np.random.RandomState) -> Floats:
    draws = [rng.randn(DIMENSIONS, _DIRECTIONS) for _ in range(_REPEATS)]
    return np.concatenate([unit_directions(draw) for draw in draws], axis=1)
