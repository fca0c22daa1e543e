"""Light: normals of the height field, Lambert, gloss, ambient occlusion and cast shadows."""

from __future__ import annotations

import math

import numpy as np

from .head import View
from .ramps import Box, Colour, FloatArray, boxed, edge

Lamp = tuple[float, float, float]


def key_colour(view: View) -> Colour:
    """Colour of the key light."""
    warm = view.photo.light_warmth
    k = view.photo.key
    return k * (1 + warm), k, k * (1 - warm)


def ambient_colour(view: View) -> Colour:
    """Colour of the fill light; slightly cool."""
    a = view.photo.ambient * 0.62
    return a * 0.98, a, a * 1.03


def slopes(height: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """Central differences along x and y, in units of height per unit of length."""
    gx = np.empty_like(height)
    gy = np.empty_like(height)
    half = 0.5 / step
    np.subtract(height[:, 2:], height[:, :-2], out=gx[:, 1:-1])
    np.subtract(height[2:], height[:-2], out=gy[1:-1])
    gx[:, 0], gx[:, -1] = gx[:, 1], gx[:, -2]
    gy[0], gy[-1] = gy[1], gy[-2]
    gx *= half
    gy *= half
    return gx, gy


def cast_shadow(height: FloatArray, light: Lamp, step: float) -> FloatArray:
    """Soft shadow of a height field: 1 lit, 0 in shadow.

    Marches from each pixel towards the lamp; penumbrae widen with the distance to the caster.
    """
    lx, ly, lz = light
    flat = math.hypot(lx, ly)
    lit = np.ones_like(height)
    if flat < 1e-3:
        return lit
    rise = lz / flat
    reaches = (0.03, 0.06, 0.10, 0.16, 0.24, 0.34)
    rows, columns = height.shape
    pad = math.ceil(reaches[-1] / step) + 1
    wide = height[np.clip(np.arange(-pad, rows + pad), 0, rows - 1)]
    wide = wide[:, np.clip(np.arange(-pad, columns + pad), 0, columns - 1)]
    for reach in reaches:
        # Each pixel looks `reach` units along the lamp's direction in the image.
        right = pad + round(lx / flat * reach / step)
        down = pad + round(ly / flat * reach / step)
        above = wide[down : down + rows, right : right + columns] - height
        above -= reach * max(rise, 0.15)
        np.minimum(lit, edge(-above, 0.03 + 0.35 * reach), out=lit)
    out: FloatArray = np.minimum(lit * 2.0, 1.0)
    return out


def light_face(
    view: View, box: Box, relief: FloatArray, fine: FloatArray, albedo: FloatArray
) -> FloatArray:
    """Light the skin.

    Args:
        view: Head and light.
        box: Sub-window to light.
        relief: Feature heights (h, w) in the window.
        fine: Pore and wrinkle heights (h, w): they bend normals but cast no shadow.
        albedo: Skin colours (3, h, w), linear.

    Returns:
        Linear light (3, h, w).
    """
    lx, ly, lz = view.photo.light
    base = view.z[box]
    # The rim of a dome rises vertically; capping its slope keeps a cheek from going black at once.
    height = base * 0.86 + relief
    gx, gy = slopes(height + fine, view.step)
    # Steeper than this is a fault of drawing a face as a height field: undersides would go black.
    np.clip(gx, -1.7, 1.7, out=gx)
    np.clip(gy, -0.85, 1.7, out=gy)
    norm = gx * gx
    norm += gy * gy
    norm += 1.0
    np.sqrt(norm, out=norm)
    nz = 1.0 / norm
    cosine = (lz - gx * lx - gy * ly) * nz
    shadow = boxed(cast_shadow(height, view.photo.light, view.step), round(0.012 / view.step))
    spill = min(0.25, 0.45 * view.photo.ambient)
    shadow *= 1.0 - spill
    shadow += spill
    direct = np.maximum(cosine, 0.0) * shadow
    # Light bleeds under the skin, red most: the terminator is soft and warm.
    bleed = np.maximum(cosine * 0.75 + 0.25, 0.0)
    bleed *= 0.25 + 0.75 * shadow
    radius = max(round(0.045 / view.step), 1)
    hollow = boxed(relief, radius) - relief
    occlusion = 1.0 - np.clip(hollow * 9.0, -0.12, 0.42)
    sky = (0.78 + 0.22 * gy * nz) * (0.35 + 0.65 * nz) * occlusion
    direct *= 0.6 + 0.4 * occlusion
    bleed *= 0.6 + 0.4 * occlusion
    # Blinn gloss with the camera straight ahead.
    half = math.sqrt(2.0 * (1.0 + lz))
    gloss = (lz + 1.0 - gx * lx - gy * ly) * nz * (1.0 / half)
    np.clip(gloss, 0.0, 1.0, out=gloss)
    for _ in range(4):
        gloss *= gloss
    gloss *= shadow * (0.16 * view.person.oil * view.photo.key)
    out = np.empty_like(albedo)
    key, fill = key_colour(view), ambient_colour(view)
    wraps = (0.12, 0.12, 0.12) if view.photo.grey else (0.38, 0.25, 0.20)
    for channel, wrap in enumerate(wraps):
        light = direct * (key[channel] * (1.0 - wrap))
        light += bleed * (key[channel] * wrap)
        light += sky * fill[channel]
        light *= albedo[channel]
        light += gloss
        out[channel] = light
    return out


def dome_light(view: View, nx: FloatArray, ny: FloatArray, nz: FloatArray) -> FloatArray:
    """Brightness of a simple dome such as hair or a hat, key plus fill, (h, w)."""
    lx, ly, lz = view.photo.light
    cosine = nx * lx + ny * ly
    cosine += nz * lz
    np.maximum(cosine * 0.8 + 0.2, 0.0, out=cosine)
    cosine *= view.photo.key
    cosine += view.photo.ambient * 0.62
    out: FloatArray = cosine
    return out
