"""Eyes: lids with a fold, lashes, iris, pupil and highlight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .head import View
from .ramps import FloatArray, blend, bump, edge, linear, ramp, scaled, shade, smooth
from .relief import eye_centre

WHITE = linear(188, 180, 174)
LASH = linear(26, 18, 15)


def eye_opening(view: View, side: int) -> tuple[float, float]:
    """Face coordinates of the middle of the open eye, where the iris rests."""
    u, v = eye_centre(view, side)
    return u, v - 0.14 * view.person.eye_open * view.photo.eye_open


def paint_eyes(view: View, albedo: FloatArray) -> None:
    """Paint both eyes on a full-grid albedo (3, pixels, pixels), before lighting."""
    for side in (-1, 1):
        eye = _measure_eye(view, albedo, side)
        _paint_lids(view, eye)
        _paint_ball(view, eye)
        _paint_lashes(view, eye)


@dataclass
class _Eye:
    """Window of one eye: ``outward`` and ``down`` from its centre, ``t`` -1..1 between corners."""

    target: FloatArray
    side: int
    outward: FloatArray
    down: FloatArray
    t: FloatArray
    over: FloatArray
    under: FloatArray
    gap: FloatArray
    open_by: float


def _measure_eye(view: View, albedo: FloatArray, side: int) -> _Eye:
    """Lay the lids: distances below the upper (``over``) and above the lower one (``under``)."""
    p, photo = view.person, view.photo
    eu, ev = eye_centre(view, side)
    box = view.box(eu, ev - 0.01, p.eye_width + 0.10, 0.17)
    outward = (view.u[box] - eu) * float(side)
    down = view.v[box] - ev + p.eye_tilt * outward
    t = outward * (1.0 / p.eye_width)
    inside = np.maximum(1.0 - t * t, 0.0)
    open_by = p.eye_open * photo.eye_open
    arc = np.sqrt(inside) * np.sqrt(np.sqrt(inside))
    upper = arc * (1.0 - 0.16 * t) * (-0.96 * open_by)
    lower = arc * (1.0 + 0.22 * t) * (0.58 * p.eye_open + 0.06 * open_by)
    lower *= 1.0 - 0.25 * max(photo.smile, 0.0)
    over, under = down - upper, lower - down
    soft = max(0.9 * view.step, 0.010)
    gap = edge(np.minimum(over, under), soft) * smooth(np.abs(t), 1.0, 0.96)
    return _Eye(albedo[:, box[0], box[1]], side, outward, down, t, over, under, gap, open_by)


def _paint_lids(view: View, eye: _Eye) -> None:
    """The fold of the upper lid, and the crease or bag below the lower one."""
    p = view.person
    wide = np.maximum(1.0 - (eye.outward - 0.01) ** 2 * (1.0 / (p.eye_width * 1.22) ** 2), 0.0)
    root = np.sqrt(wide)
    below_fold = eye.down - 0.012 + root * (0.96 * eye.open_by + 0.020 + 0.035 * p.lid_fold)
    crease = below_fold * (1.0 / max(0.011, 0.8 * view.step))
    depth = 0.15 + 0.45 * min(1.0, 2.2 * p.lid_fold)
    shade(eye.target, 1.0 - np.exp(-crease * crease) * root * depth)
    lid = smooth(eye.down, 0.0, -0.01) * ramp(below_fold, -0.01, 0.02) * root
    shade(eye.target, 1.0 + lid * (0.06 - 0.10 * p.lashes))
    bag_line = (-eye.under - 0.048 - 0.02 * p.eye_bag) * (1.0 / 0.012)
    bag = np.exp(-bag_line * bag_line) * smooth(np.abs(eye.t + 0.1), 0.95, 0.4)
    smile = max(view.photo.smile, 0.0)
    shade(eye.target, 1.0 - bag * (0.06 + 0.20 * p.eye_bag + 0.10 * smile))


def _paint_ball(view: View, eye: _Eye) -> None:
    """White, iris and pupil, shaded by the upper lid."""
    p, photo = view.person, view.photo
    lid_shade = 0.42 + 0.58 * smooth(eye.over, 0.0, 0.055)
    lid_shade *= 1.0 - 0.45 * eye.t * eye.t
    # Photos of dark skin are exposed longer, which would leave the whites glowing.
    lid_shade *= 1.0 - 0.035 * p.tone
    white = [lid_shade * WHITE[0], lid_shade * WHITE[1], lid_shade * WHITE[2]]
    pink = bump(eye.t, eye.down, (-0.97, 0.004), (0.13, 0.03)) * 0.6
    white[1] *= 1.0 - pink * 0.5
    white[2] *= 1.0 - pink * 0.45
    blend(eye.target, eye.gap, np.stack(white))

    du = eye.outward - photo.gaze[0] * eye.side
    dv = eye.down + 0.12 * eye.open_by - photo.gaze[1]
    radius = np.sqrt(du * du + dv * dv)
    iris = edge(p.iris_radius - radius, max(0.012, view.step)) * eye.gap
    turn = np.arctan2(dv, du)
    rays = np.cos(turn * 11.0 + 3.0 * p.patch[0]) * 0.10 + np.cos(turn * 23.0 + radius * 60) * 0.08
    depth_in = radius * (1.0 / p.iris_radius)
    tone = (1.0 + rays) * (1.10 - 0.90 * smooth(depth_in, 0.60, 0.97)) * (0.45 + 0.55 * lid_shade)
    # Light enters opposite the highlight and brightens the lower half.
    tone *= 1.0 + 7.0 * np.maximum(dv, 0.0)
    blend(eye.target, iris, np.stack([tone * c for c in p.iris]))
    pupil = edge(0.42 * p.iris_radius - radius, max(0.012, view.step)) * eye.gap
    blend(eye.target, pupil, linear(8, 6, 6))


def _paint_lashes(view: View, eye: _Eye) -> None:
    """Lash lines: thick above and thickening outwards, faint below."""
    p, t = view.person, eye.t
    reach = (0.010 + 0.007 * p.lashes) * (0.75 + 0.45 * np.clip(t, -1.0, 1.2))
    line = eye.over * (1.0 / np.maximum(reach, 0.55 * view.step))
    line = np.exp(-line * line) * smooth(np.abs(t), 1.16, 0.94) * (0.55 + 0.40 * p.lashes)
    lashes = _lash_fan(view, t, eye.over, eye.side) * p.lashes
    blend(eye.target, np.minimum(np.maximum(line, lashes), 0.95), LASH)
    rim = eye.under * (1.0 / 0.010)
    rim = np.exp(-rim * rim) * smooth(np.abs(t), 1.0, 0.8)
    blend(eye.target, rim * (0.22 + 0.22 * p.lashes), scaled(LASH, 1.8))


def _lash_fan(view: View, t: FloatArray, over: FloatArray, side: int) -> FloatArray:
    """Single lashes above the upper lid; they melt into a soft fringe at small sizes."""
    reach = 0.030 * (0.6 + 0.5 * np.clip(t, -1.0, 1.0))
    fringe = smooth(over, -1.0, 0.0) * (over < 0.004) * smooth(over + reach, -0.004, 0.012)
    if view.step < 0.009:
        comb = np.cos((t + over * 5.0) * 34.0 + side) * 0.5 + 0.5
        return fringe * comb * smooth(np.abs(t), 1.15, 0.9)
    return fringe * 0.45 * smooth(np.abs(t), 1.15, 0.9)


def highlight_eyes(view: View, lit: FloatArray) -> None:
    """Add the catchlight and the moist rim, after lighting."""
    p, photo = view.person, view.photo
    lx, ly, _ = photo.light
    size = max(0.011, 0.70 * view.step)
    strength = min(1.0, (0.011 / size) ** 2 + 0.15) * 0.5 * min(photo.key, 1.1)
    for side in (-1, 1):
        eu, ev = eye_centre(view, side)
        cu = eu + photo.gaze[0] + 0.026 * lx
        cv = ev - 0.16 * p.eye_open - p.eye_tilt * photo.gaze[0] * side + 0.026 * ly
        box = view.box(cu, cv, 0.06, 0.06)
        spot = bump(view.u[box], view.v[box], (cu, cv), (size, size))
        lit[:, box[0], box[1]] += spot * strength
