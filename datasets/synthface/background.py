"""Backdrops: out-of-focus walls, rooms, foliage, lights and streets with 1/f statistics."""

from __future__ import annotations

import math

import numpy as np

from .draws import Draws
from .head import View
from .noise import look_up, tile
from .ramps import FloatArray, bump, edge, linear, mixed, scaled, smooth

COARSE = 48
"""Side of the grid backdrops are painted on: they are out of focus, and this makes them cheap."""


def paint_background(view: View) -> FloatArray:
    """Backdrop (3, N, N) in linear light, the same scene at every size."""
    photo = view.photo
    d = Draws(photo.label + "|backdrop")
    axis = ((np.arange(COARSE, dtype=np.float32) + 0.5) * (2.0 / COARSE) - 1.0).astype(np.float32)
    x = np.ascontiguousarray(np.broadcast_to(axis[None, :], (COARSE, COARSE)))
    y = np.ascontiguousarray(np.broadcast_to(axis[:, None], (COARSE, COARSE)))
    scale = d.between(0.22, 0.42)
    tu, tv = x * scale + (2.0 + d.between(0, 1)), y * scale + (2.0 + d.between(0, 1))
    cloud = look_up(tile("cloud", 2.2, 1, 30), tu * 0.6, tv * 0.6)
    texture = look_up(tile("scene", 1.4, 2, 30), tv, tu)
    level = photo.backdrop_light
    hue = photo.backdrop_hue
    chroma = d.between(0.0, 0.22)
    tint = (
        1 + chroma * math.cos(6.283 * hue),
        1 + 0.5 * chroma * math.cos(6.283 * hue - 2.1),
        1 + chroma * math.cos(6.283 * hue + 2.1),
    )
    base = (0.42 * level * tint[0], 0.42 * level * tint[1], 0.42 * level * tint[2])
    out = np.empty((3, COARSE, COARSE), dtype=np.float32)
    if photo.backdrop == "foliage":
        low, high = linear(28, 42, 22), linear(150, 172, 96)
        mix = smooth(cloud * 0.55 + texture * 0.30, -1.3, 1.6)
        dry = d.between(0.0, 0.6)
        low, high = mixed(low, linear(48, 40, 28), dry), mixed(high, linear(190, 180, 150), dry)
        for c in range(3):
            out[c] = (low[c] + (high[c] - low[c]) * mix) * (0.35 + level)
    else:
        rough = {"plain": 0.025, "room": 0.06, "lights": 0.30, "street": 0.12}[photo.backdrop]
        shape = 1.0 + cloud * (0.10 + rough) + texture * rough
        fall = 1.0 + d.between(-0.35, 0.35) * x + d.between(-0.35, 0.2) * y
        shape *= fall
        np.maximum(shape, 0.05, out=shape)
        dim = 0.25 if photo.backdrop == "lights" else 1.0
        for c in range(3):
            out[c] = shape * (base[c] * dim)
    if photo.backdrop in ("room", "street"):
        for _ in range(9 if photo.backdrop == "street" else 5):
            _panel(d, out, x, y, level)
        out *= 1.0 + texture * 0.06
    if photo.backdrop == "lights":
        for _ in range(int(d.between(4, 12))):
            spot = (d.between(-1, 1), d.between(-1, 0.7))
            radius = d.between(0.04, 0.13)
            glow = bump(x, y, spot, (radius, radius)) * d.between(0.15, 0.8)
            warm = d.between(0, 1)
            for c, share in enumerate((1.0, 0.75 + 0.2 * (1 - warm), 0.4 + 0.6 * (1 - warm))):
                out[c] += glow * share
    np.clip(out, 0.0, 1.1, out=out)
    return _enlarge(out, view.pixels)


def _panel(d: Draws, out: FloatArray, x: FloatArray, y: FloatArray, level: float) -> None:
    """Furniture, a window, a poster: a soft-edged upright rectangle of a muted colour."""
    cx, cy = d.between(-1.1, 1.1), d.between(-1.2, 0.9)
    half_w, half_h = d.between(0.06, 0.45), d.between(0.08, 0.75)
    soft = d.between(0.0, 1.0) ** 2 * 0.13 + 0.02
    tone = (0.35 + 0.65 * level) * (0.9 * d.between(0, 1) ** 2 + 0.02)
    angle, chroma = d.between(0, 6.283), d.between(0, 0.45) ** 1.5
    inside = edge(half_w - np.abs(x - cx), soft) * edge(half_h - np.abs(y - cy), soft)
    colour = scaled((1.0, 1.0, 1.0), tone)
    # Shelves, blinds, railings and lettering: every second panel carries stripes.
    turn, upright, ruled = d.between(22.0, 50.0), d.chance(0.5), d.chance(0.5)
    depth = d.between(0.3, 0.9) if ruled else 0.0
    ruling = np.sin((x if upright else y) * turn) * depth
    for c, lag in enumerate((0.0, 2.094, 4.189)):
        out[c] += (
            inside
            * (colour[c] * (1 + chroma * math.cos(angle - lag)) * (1.0 + ruling) - out[c])
            * 0.9
        )


def _enlarge(coarse: FloatArray, pixels: int) -> FloatArray:
    """Separable linear interpolation of (3, COARSE, COARSE) to (3, pixels, pixels)."""
    place = (np.arange(pixels, dtype=np.float32) + 0.5) * (COARSE / pixels) - 0.5
    place = np.clip(place, 0.0, COARSE - 1.001)
    first = place.astype(np.int32)
    share = (place - first).astype(np.float32)
    rows = coarse[:, first] * (1.0 - share)[None, :, None]
    rows += coarse[:, first + 1] * share[None, :, None]
    out = rows[:, :, first] * (1.0 - share)
    out += rows[:, :, first + 1] * share
    return np.ascontiguousarray(out)
