"""Mouth: lips with a bow, seam, teeth and tongue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .head import View
from .noise import band_limit, look_up, tile
from .ramps import FloatArray, blend, bump, edge, linear, mixed, ramp, scaled, shade, smooth
from .relief import mouth_centre

TEETH = linear(232, 224, 208)
CAVITY = linear(48, 16, 16)


def mouth_corner(view: View, side: int) -> tuple[float, float]:
    """Face coordinates of a mouth corner; ``side`` is -1 for the viewer's left."""
    _, v = mouth_centre(view)
    smile = view.photo.smile
    half = view.person.mouth_width * (1.0 + 0.16 * smile - 0.06 * view.photo.mouth_open)
    return side * half, v - 0.002 - 0.040 * smile


@dataclass
class _Mouth:
    """Window of the mouth: ``t`` is -1..1 between corners, ``top`` and ``low`` bound the gap."""

    target: FloatArray
    u: FloatArray
    v: FloatArray
    t: FloatArray
    seam: FloatArray
    top: FloatArray
    low: FloatArray
    above: FloatArray
    below: FloatArray
    half: float
    gap_height: float
    soft: float


def paint_mouth(view: View, albedo: FloatArray, relief: FloatArray) -> None:
    """Paint the mouth on the albedo (3, N, N) and raise the lips in the relief (N, N)."""
    p = view.person
    half, corner_v = mouth_corner(view, 1)
    mid_v = mouth_centre(view)[1]
    gap_height = view.photo.mouth_open * (0.085 + 0.02 * max(view.photo.smile, 0.0))
    box = view.box(0.0, mid_v + 0.5 * gap_height, half + 0.10, 0.17 + gap_height)
    u = view.u[box]
    v = view.v[box] - p.asymmetry * 1.5 * u
    t = u * (1.0 / half)
    inside = np.maximum(1.0 - t * t, 0.0)
    root = np.sqrt(inside)
    # Seam: a shallow bow in the middle, corners where the smile puts them.
    seam = mid_v + (corner_v - mid_v) * t * t - 0.010 * p.lip_bow * np.exp(-30.0 * t * t) + 0.006
    opening = gap_height * inside * root
    top, low = seam - 0.25 * opening, seam + 0.75 * opening
    stretch = 1.0 - 0.22 * max(view.photo.smile, 0.0)
    bow = 1.0 + p.lip_bow * (0.30 * np.exp(-((np.abs(t) - 0.24) ** 2) * 40.0) - 0.18)
    bow -= 0.22 * p.lip_bow * np.exp(-60.0 * t * t)
    upper = p.lip_upper * stretch * root * (0.35 + 0.65 * inside) * bow * 1.25
    lower = p.lip_lower * stretch * root * (0.55 + 0.45 * inside)
    soft = max(0.9 * view.step, 0.016)
    above, below = v - (top - upper), (low + lower) - v
    target = albedo[:, box[0], box[1]]
    mouth = _Mouth(target, u, v, t, seam, top, low, above, below, half, gap_height, soft)
    lips = edge(np.minimum(above, below), soft) * smooth(np.abs(t), 1.02, 0.93)
    _paint_lips(view, mouth, lips)
    if gap_height > 0.004:
        _paint_inside(view, mouth, mid_v)
    seam_line = (v - top) * (1.0 / max(0.009, 0.75 * view.step))
    line = np.exp(-seam_line * seam_line) * smooth(np.abs(t), 1.08, 0.92)
    blend(target, line, scaled(CAVITY, 0.8), 0.72 if gap_height < 0.004 else 0.35)
    for side in (-1, 1):
        dot = bump(u, v, (side * half * 0.99, corner_v + 0.004), (0.020, 0.014))
        shade(target, 1.0 - dot * (0.40 + 0.15 * max(view.photo.smile, 0.0)))

    dome_up = np.maximum(above * (top - v), 0.0) * (1.0 / (0.25 * p.lip_upper**2 + 1e-4))
    dome_low = np.maximum((v - low) * below, 0.0) * (1.0 / (0.25 * p.lip_lower**2 + 1e-4))
    relief[box] += np.minimum(dome_up, 1.2) * (0.018 * lips)
    relief[box] += np.minimum(dome_low, 1.2) * (0.030 * lips)


def _paint_lips(view: View, mouth: _Mouth, lips: FloatArray) -> None:
    """Red of the lips with upright creases; the upper lip faces down and is darker."""
    p = view.person
    creases = look_up(
        tile("lips", 0.4, 6, min(band_limit(view.step, 1.0), 80.0)),
        mouth.u * 1.2 + (4.0 + p.patch[0]),
        mouth.v * 0.25 + 4.0,
    )
    red = linear(178, 84, 80) if p.tone < 6 else linear(122, 66, 62)
    base = mixed(scaled(mixed(p.skin, red, 0.45), 0.86), red, 0.62 * p.lip_red)
    is_upper = edge(0.5 * (mouth.top + mouth.low) - mouth.v, mouth.soft)
    tone = (1.0 - 0.24 * is_upper) * (1.0 + creases * 0.05)
    rim = np.minimum(np.abs(mouth.v - mouth.seam), mouth.below)
    tone *= 0.78 + 0.22 * smooth(rim, 0.0, 0.03)
    blend(mouth.target, lips, np.stack([tone * c for c in base]), 0.88)


def _paint_inside(view: View, mouth: _Mouth, mid_v: float) -> None:
    """Cavity, tongue and the upper teeth."""
    u, v, t = mouth.u, mouth.v, mouth.t
    hole = edge(np.minimum(v - mouth.top, mouth.low - v), mouth.soft) * smooth(np.abs(t), 1.0, 0.9)
    blend(mouth.target, hole, CAVITY)
    tongue = bump(u, v, (0.0, mid_v + 0.9 * mouth.gap_height), (0.55 * mouth.half, 0.028))
    blend(mouth.target, hole * tongue, linear(140, 66, 62), 0.55)
    show = 0.022 + 0.036 * max(view.photo.smile, 0.15)
    below_edge = mouth.top + show + 0.012 * (1 - t * t) - v
    teeth = edge(below_edge, max(0.012, view.step)) * hole
    # Teeth narrow towards the corners; gaps show only where the grid can carry them.
    place = np.arcsin(np.clip(t * 0.92, -1.0, 1.0)) * (mouth.half / 0.060)
    dip = np.abs(place - np.round(place))
    between = smooth(dip, 0.10, 0.0) * (0.35 if view.step < 0.012 else 0.16)
    bright = (1.0 - between) * (1.0 - 0.62 * t * t)
    bright *= 0.72 + 0.28 * ramp(v - mouth.top, 0.0, 0.02)
    blend(mouth.target, teeth, np.stack([bright * c for c in TEETH]), 0.95)
