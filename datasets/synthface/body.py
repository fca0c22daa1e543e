"""Neck, shoulders, clothes and ears: the layers behind the face."""

from __future__ import annotations

import numpy as np

from .head import View
from .noise import band_limit, look_up, tile
from .ramps import FloatArray, blend, edge, mixed, ramp, scaled, smooth
from .shading import dome_light


def lay_body(view: View, canvas: FloatArray) -> None:
    """Paint neck and clothes over the lower part of the canvas (3, N, N)."""
    p, photo = view.person, view.photo
    first = int(view.pixels * 0.55)
    rows = slice(first, view.pixels)
    x, y = view.x[rows] - 0.18 * view.sy, view.y[rows]
    target = canvas[:, rows]
    soft = max(1.5 * view.step, 0.03)
    ax = np.abs(x)
    lx = photo.light[0]

    neck = 0.37 + 0.05 * p.male + 0.25 * np.maximum(y - 1.12, 0.0) ** 2
    across = x / neck
    cover = edge(neck - ax, soft) * edge(y - 0.45, 0.2)
    rounding = np.sqrt(np.maximum(1.0 - across * across, 0.05))
    light = photo.ambient * 0.45 + photo.key * np.maximum(
        rounding * photo.light[2] * 0.75 + across * lx * 0.6, 0.0
    )
    # The chin keeps the key light off the neck.
    light *= 0.38 + 0.50 * smooth(y, p.chin - 0.02, p.chin + 0.38)
    tone = mixed(p.skin, scaled(p.skin, 0.9), 0.5)
    blend(target, cover, np.stack([light * c for c in tone]))

    wide = 0.43 + 0.03 * p.male
    inner = np.maximum(1.0 - (ax * (1.0 / wide)) ** 2, 0.0)
    depth = (0.10, 0.34, 0.20, 0.16)[photo.collar]
    line = 1.15 + 0.28 * np.maximum(ax - wide, 0.0) + depth * (inner if photo.collar else inner**2)
    if photo.collar == 1:
        line = 1.13 + 0.28 * np.maximum(ax - wide, 0.0) + 0.9 * np.maximum(wide - ax, 0.0)
    cloth = edge(y - line, soft)
    weave = look_up(
        tile("weave", 0.6, 3, min(band_limit(view.step, 0.7), 100.0)),
        x * 0.7 + 6.0 + p.patch[0],
        y * 0.7 + 6.0,
    )
    folds = look_up(tile("folds", 1.6, 2, 14), x * 0.4 + 6.0 + photo.hair_phase, y * 0.3 + 6.0)
    nx = x * 0.55
    shade = dome_light(view, nx, np.full_like(x, -0.35), np.full_like(x, 0.8))
    shade *= (1.0 + weave * 0.07 + folds * 0.16) * (0.72 + 0.28 * smooth(y - line, 0.0, 0.10))
    paint = np.stack([shade * c for c in photo.cloth])
    if photo.pattern:
        woven = _pattern(x, y - 0.25 * ax, photo.pattern, photo.pattern_period, view.step)
        blend(paint, woven, np.stack([shade * c for c in photo.cloth_second]), 0.85)
    if photo.collar == 2:
        # A shirt collar: two flaps of the second colour.
        flap = edge(0.15 - np.abs(ax - 0.36 + 0.30 * (y - 1.15)), soft) * edge(1.45 - y, 0.1)
        blend(paint, flap, np.stack([shade * 1.08 * c for c in photo.cloth_second]))
    elif photo.collar == 3:
        seam = edge(0.035 - np.abs(y - line - 0.03), soft) * ramp(ax, wide + 0.1, wide)
        paint *= 1.0 - 0.28 * seam
    blend(target, cloth, paint)


def _pattern(x: FloatArray, y: FloatArray, kind: int, period: float, step: float) -> FloatArray:
    """Stripes along (1), across (2) or both, a check (3); 0..1, faded where too fine to show."""
    turn = 6.2832 / period
    soft = min(1.0, period / (4.0 * step)) * 3.0
    along = edge(np.sin(x * turn), 2.0 / soft)
    if kind == 1:
        return along
    across = edge(np.sin(y * turn), 2.0 / soft)
    return across if kind == 2 else (along + across) * 0.5


def lay_ears(view: View, canvas: FloatArray) -> None:
    """Paint the ears behind the face; the far one disappears as the head turns."""
    p, photo = view.person, view.photo
    height = 0.165 * p.ear_size
    for side in (-1, 1):
        seen = 1.0 - side * 2.0 * view.sy
        if seen < 0.25:
            continue
        half = 0.078 * p.ear_size * min(seen, 1.3)
        cu = side * (p.width * (1.0 - 0.4 * p.taper) - 0.005)
        box = view.box(cu * 1.02, 0.13, 0.20, height + 0.06)
        x = (view.x[box] - cu) * float(side)
        y = view.y[box] - 0.12 - 0.25 * x
        ex, ey = x / half, y / height
        radius = ex * ex + ey * ey
        cover = edge(1.0 - radius, max(4.0 * view.step / half * 0.5, 0.25))
        toward = 0.55 + 0.45 * max(photo.light[0] * side, -0.8)
        light = photo.ambient * 0.55 + photo.key * 0.72 * toward
        hollow = np.exp(-((ex - 0.15) ** 2 + ey * ey * 0.8) * 3.5)
        rim = np.exp(-((radius - 0.72) ** 2) * 14.0)
        tone = light * (0.92 - 0.42 * hollow + 0.16 * rim)
        red = (p.skin[0], p.skin[1] * 0.90, p.skin[2] * 0.90)
        blend(canvas[:, box[0], box[1]], cover, np.stack([tone * c for c in red]))
