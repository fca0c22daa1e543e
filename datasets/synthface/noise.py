"""Noise tiles looked up in face coordinates, so that a face has one texture at every size."""

from __future__ import annotations

import functools

import numpy as np

from .draws import generator_for
from .ramps import FloatArray

TILE = 512
"""Texels along a tile's side; a tile spans one unit of lookup coordinates and repeats."""


@functools.lru_cache(maxsize=64)
def tile(name: str, exponent: float, low: float, high: float) -> FloatArray:
    """Periodic Gaussian noise with a power-law spectrum.

    Args:
        name: Name of the stream; other names give independent tiles.
        exponent: The amplitude falls as frequency to this power (0 white, 1 like a photograph).
        low: Lowest frequency kept, in cycles per tile.
        high: Highest frequency kept, in cycles per tile; the roll-off is Gaussian.

    Returns:
        A read-only (TILE, TILE) float32 array of zero mean and unit deviation.
    """
    white = generator_for(f"synthface|tile|{name}").standard_normal((TILE, TILE))
    fy = np.fft.fftfreq(TILE)[:, None] * TILE
    fx = np.fft.rfftfreq(TILE)[None, :] * TILE
    radius = np.sqrt(fx * fx + fy * fy)
    gain = np.where(radius >= low, np.maximum(radius, 1.0) ** -exponent, 0.0)
    gain *= np.exp(-((radius / high) ** 2))
    field = np.fft.irfft2(np.fft.rfft2(white) * gain, s=(TILE, TILE))
    out: FloatArray = ((field - field.mean()) / field.std()).astype(np.float32)
    out.setflags(write=False)
    return out


def look_up(texture: FloatArray, u: FloatArray, v: FloatArray) -> FloatArray:
    """Nearest texel at (u, v), in tiles; tiles repeat.

    Nearest is enough as long as tiles are band-limited well below one texel.
    """
    columns = (u * float(TILE)).astype(np.int32)
    rows = (v * float(TILE)).astype(np.int32)
    columns &= TILE - 1
    rows &= TILE - 1
    rows *= TILE
    rows += columns
    return np.take(texture.reshape(-1), rows)


def band_limit(units_per_pixel: float, tiles_per_unit: float) -> float:
    """Highest frequency, in cycles per tile, that a pixel grid can carry (a power of two).

    Args:
        units_per_pixel: Size of a working pixel in face units.
        tiles_per_unit: Tiles per face unit of the lookup.
    """
    nyquist = 0.45 / (units_per_pixel * tiles_per_unit)
    return float(min(2.0 ** np.floor(np.log2(max(nyquist, 4.0))), TILE / 6))


@functools.lru_cache(maxsize=32)
def sensor_grain(size: int, variant: int) -> FloatArray:
    """White noise (3, size, size) of unit deviation at 64 px, the same pattern at every size.

    Larger images see the same grain finer: deviation grows as it would for a real sensor whose
    pixels are binned, up to 256 px, where the base pattern ends and is repeated.
    """
    base = 256
    white = generator_for(f"synthface|grain|{variant}").standard_normal((3, base, base))
    if size <= base:
        step = base // size
        binned = white.reshape(3, size, step, size, step).mean(axis=(2, 4)) * 4.0
    else:
        binned = np.tile(white * 4.0, (1, size // base, size // base))
    out: FloatArray = (binned * min(1.0, (64 / size) ** 0.6) if size > 64 else binned).astype(
        np.float32
    )
    out.setflags(write=False)
    return out
