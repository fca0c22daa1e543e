"""Soft edges, bumps and blends: the few array operations every layer is made of."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
"""Float32 throughout at run time; numpy's stubs cannot follow that through every operation."""
IndexArray: TypeAlias = npt.NDArray[np.intp]
Colour: TypeAlias = tuple[float, float, float]
Box: TypeAlias = tuple[slice, slice]


def linear(red: float, green: float, blue: float) -> Colour:
    """Linear light of an 8-bit display colour; gamma 2 because its inverse is a cheap sqrt."""
    return (red / 255) ** 2, (green / 255) ** 2, (blue / 255) ** 2


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """Colour ``share`` of the way from ``first`` to ``second``."""
    r, g, b = (p + share * (q - p) for p, q in zip(first, second, strict=True))
    return r, g, b


def scaled(colour: Colour, factor: float) -> Colour:
    """Colour with its linear light multiplied."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def ramp(value: FloatArray, low: float, high: float) -> FloatArray:
    """Linear ramp from 0 at ``low`` to 1 at ``high`` (falling where ``high < low``)."""
    out = value - low
    out *= 1.0 / (high - low)
    np.maximum(out, 0.0, out=out)
    np.minimum(out, 1.0, out=out)
    return out


def smooth(value: FloatArray, low: float, high: float) -> FloatArray:
    """Smoothstep from 0 at ``low`` to 1 at ``high``."""
    t = ramp(value, low, high)
    return t * t * (3.0 - 2.0 * t)


def edge(distance: FloatArray, softness: float) -> FloatArray:
    """Coverage of a region: 1 where ``distance`` > 0, soft over ``softness`` about 0."""
    out = distance * (1.0 / softness)
    out += 0.5
    np.maximum(out, 0.0, out=out)
    np.minimum(out, 1.0, out=out)
    return out


def bump(
    u: FloatArray, v: FloatArray, centre: tuple[float, float], sigma: tuple[float, float]
) -> FloatArray:
    """Gaussian bump of height 1."""
    a = u - centre[0]
    a *= 0.7071 / sigma[0]
    b = v - centre[1]
    b *= 0.7071 / sigma[1]
    a *= a
    b *= b
    a += b
    np.negative(a, out=a)
    out: FloatArray = np.exp(a, out=a)
    return out


def blend(
    target: FloatArray, alpha: FloatArray, colour: Colour | FloatArray, opacity: float = 1.0
) -> None:
    """Lay ``colour`` over ``target`` (3, H, W) in place with coverage ``alpha`` (H, W)."""
    cover = alpha if opacity == 1.0 else alpha * opacity
    for channel in range(3):
        plane = target[channel]
        plane += cover * (colour[channel] - plane)


def shade(target: FloatArray, factor: FloatArray) -> None:
    """Multiply all three planes of ``target`` (3, H, W) in place by ``factor`` (H, W)."""
    for channel in range(3):
        target[channel] *= factor


def boxed(field: FloatArray, radius: int) -> FloatArray:
    """Box blur, by running sums; boxes are cut off at the borders."""
    if radius < 1:
        return field
    rows, columns = field.shape
    total = np.zeros((rows + 1, columns), dtype=np.float32)
    np.cumsum(field, axis=0, out=total[1:])
    low, high, share = _reach(rows, radius)
    down = (total[high] - total[low]) * share[:, None]
    total = np.zeros((rows, columns + 1), dtype=np.float32)
    np.cumsum(down, axis=1, out=total[:, 1:])
    low, high, share = _reach(columns, radius)
    out: FloatArray = np.take(total, high, axis=1)
    out -= np.take(total, low, axis=1)
    out *= share
    return out


def _reach(length: int, radius: int) -> tuple[IndexArray, IndexArray, FloatArray]:
    """First and past-the-last index of each box, and one over its length."""
    place = np.arange(length)
    low = np.maximum(place - radius, 0)
    high = np.minimum(place + radius + 1, length)
    return low, high, (1.0 / (high - low)).astype(np.float32)


def shifted(field: FloatArray, down: int, right: int) -> FloatArray:
    """Copy of ``field`` moved by whole pixels, borders replicated."""
    height, width = field.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return field[rows][:, columns]
