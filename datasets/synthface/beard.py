"""Beards, moustaches and stubble."""

from __future__ import annotations

import numpy as np

from .head import View
from .mouth import mouth_corner
from .noise import band_limit, look_up, tile
from .ramps import FloatArray, blend, bump, edge, mixed, ramp, scaled, smooth
from .relief import mouth_centre


def paint_beard(view: View, albedo: FloatArray, relief: FloatArray) -> None:
    """Beard, moustache or stubble, as hairs growing downwards and outwards."""
    p, photo = view.person, view.photo
    if p.beard == "none":
        return
    mouth_v = mouth_centre(view)[1]
    middle = 0.5 * (mouth_v + p.chin)
    box = view.box(0.0, middle - 0.12, p.width + 0.1, 0.66)
    u, v = view.u[box], view.v[box]
    au = np.abs(u)
    limit = band_limit(view.step, 1.0)
    strands = tile("beard", 0.35, 6, min(limit, 110.0))
    hairs = look_up(strands, u * (1.15 + 0.5 * v) + 4.0, v * 0.42 - au * 0.3 + 4.0)
    dots = look_up(strands, u * 1.1 + (4.0 + p.patch[1]), v * 1.1 + 4.0)

    half, _ = mouth_corner(view, 1)
    t = au * (1.0 / half)
    # Cheek line from the sideburn to the corner of the mouth.
    cheek_line = mouth_v + 0.03 - 0.62 * np.maximum(au - half, 0.0) - 0.10 * ramp(au, half, 0.55)
    jaw = edge(v - cheek_line, 0.14) * smooth(au, 0.0, 0.10)
    jaw = np.maximum(jaw, smooth(v, mouth_v + 0.10, mouth_v + 0.16))
    arch = p.nose_length + 0.105 + 0.10 * t * t
    moustache = edge(v - arch, 0.05) * edge(mouth_v + 0.05 + 0.05 * t * t - v, 0.06)
    moustache *= smooth(t, 1.30, 0.95)
    goatee = smooth(v, mouth_v + 0.085, mouth_v + 0.13) * smooth(au, 0.26, 0.17)
    sides = edge(0.06 - np.abs(au - half - 0.03), 0.05) * edge(v - mouth_v + 0.03, 0.08)
    if p.beard == "moustache":
        cover = moustache
    elif p.beard == "goatee":
        cover = np.maximum(np.maximum(moustache, goatee), sides)
    else:
        cover = np.maximum(jaw, moustache)
    gap = photo.mouth_open * 0.09
    lips = bump(au, v, (0.0, mouth_v + 0.5 * gap + 0.008), (half * 0.52, 0.036 + 0.4 * gap))
    cover = cover * (1.0 - np.minimum(lips * 1.9, 1.0))
    under_lip = bump(au, v, (0.0, mouth_v + p.lip_lower + gap + 0.05), (0.16, 0.022))
    cover *= 1.0 - under_lip * 0.45
    full = p.beard_full
    if p.beard == "stubble":
        alpha = cover * np.clip(0.30 * full + dots * 0.16, 0.0, 0.8)
        tone: FloatArray = np.ones_like(alpha)
    else:
        alpha = ramp(cover + hairs * 0.16, 0.25, 0.80) * (0.70 + 0.28 * full)
        tone = np.clip(0.62 + hairs * 0.26, 0.15, 1.6)
        relief[box] += alpha * (0.018 + hairs * 0.004)
    colour = scaled(mixed(p.hair, scaled(p.skin, 0.25), 0.15), 0.6 + 0.4 * p.grey)
    blend(albedo[:, box[0], box[1]], alpha, np.stack([tone * c for c in colour]))
