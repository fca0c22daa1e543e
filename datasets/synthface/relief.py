"""Heights of the features over the base surface: what light and shadow are computed from."""

from __future__ import annotations

import numpy as np

from .head import View
from .ramps import FloatArray, bump, ramp, smooth


def nose_lift(view: View) -> float:
    """Height of the nose tip over the base surface, which yaw and pitch shift it by."""
    return view.person.nose_height * 0.95


def nose_tip(view: View) -> tuple[float, float]:
    """Face coordinates at which the nose tip is seen on the base surface."""
    lift = nose_lift(view)
    return lift * view.sy, view.person.nose_length - 0.03 + lift * view.sp


def mouth_centre(view: View) -> tuple[float, float]:
    """Face coordinates of the middle of the mouth seam."""
    return 0.0, view.person.nose_length + view.person.mouth_height


def eye_centre(view: View, side: int) -> tuple[float, float]:
    """Face coordinates of an eye; ``side`` is -1 for the viewer's left."""
    return side * view.person.eye_apart, side * view.person.asymmetry


def add_relief(view: View) -> FloatArray:
    """Height of the features, (pixels, pixels), zero outside the face."""
    p, photo = view.person, view.photo
    out = np.zeros_like(view.z)
    smile = max(photo.smile, 0.0)

    def add(u: float, v: float, su: float, sv: float, height: float) -> None:
        box = view.box(u, v, 2.6 * su, 2.6 * sv)
        out[box] += bump(view.u[box], view.v[box], (u, v), (su, sv)) * height

    for side in (-1, 1):
        eu, ev = eye_centre(view, side)
        box = view.box(eu, ev - 0.03, 0.40, 0.24)
        u, v = view.u[box] * float(side), view.v[box] - ev
        au = abs(eu)
        eye = bump(u, v, (au - 0.02, -0.01), (0.150, 0.085)) * (-p.eye_depth - 0.03)
        eye -= bump(u, v, (au - 0.10, -0.02), (0.050, 0.060)) * 0.035
        eye += bump(u, v, (au, 0.002), (0.095, 0.058)) * 0.050
        ridge = (au + 0.03, 0.03 - p.brow_height)
        eye += bump(u, v, ridge, (0.155, 0.055)) * (p.brow_ridge + 0.012)
        bag = 0.016 * p.eye_bag + 0.006 * smile
        eye += bump(u, v, (au + 0.01, 0.125), (0.11, 0.028)) * bag
        if p.eye_bag > 0.1:
            eye -= bump(u, v, (au, 0.085), (0.10, 0.020)) * (0.012 * p.eye_bag)
        out[box] += eye
        add(
            0.40 * side,
            p.cheek_height + 0.05 - 0.03 * smile,
            0.15,
            0.12,
            p.cheek * 0.8 + 0.045 * smile,
        )
        add(0.45 * side, 0.62, 0.13, 0.17, -0.035 + 0.03 * p.male - 0.02 * p.cheek)
    mouth_u, mouth_v = mouth_centre(view)
    add(mouth_u, mouth_v - 0.02, 0.22, 0.14, 0.045)
    add(0.0, mouth_v + p.lip_lower + 0.075, 0.13, 0.030, -0.030)
    chin_v = p.chin - 0.15
    add(0.0, chin_v, 0.15, 0.09, p.chin_bump + 0.02)
    if p.chin_cleft > 0:
        add(0.0, chin_v + 0.02, 0.02, 0.06, -p.chin_cleft)
    add(0.0, -0.42, 0.30, 0.15, 0.03)
    _add_folds(view, out)
    _add_nose(view, out)
    return out


def _add_folds(view: View, out: FloatArray) -> None:
    """Nasolabial folds: a step from the cheek down to the lip, deeper with age and smile."""
    p, photo = view.person, view.photo
    depth = 0.020 * p.fold + 0.016 * max(photo.smile, 0.0)
    if depth < 0.003:
        return
    mouth_v = mouth_centre(view)[1]
    top = p.nose_length - 0.02
    for side in (-1, 1):
        box = view.box(side * 0.27, 0.5 * (top + mouth_v), 0.24, 0.26)
        u, v = view.u[box] * float(side), view.v[box]
        along = (v - top) * (1.0 / (mouth_v + 0.04 - top))
        line = 0.155 + (p.mouth_width + 0.10 - 0.155 + 0.03 * photo.smile) * along**2 + 0.02 * along
        weight = smooth(along, -0.25, 0.15) * smooth(along, 1.25, 0.75)
        beyond = u - line
        step = smooth(beyond, -0.05, 0.06) * smooth(beyond, 0.24, 0.03)
        out[box] += weight * step * depth


def _add_nose(view: View, out: FloatArray) -> None:
    """Ridge, tip and wings, shifted in proportion to their own height."""
    p = view.person
    length = p.nose_length
    box = view.box(0.0, 0.5 * length, 0.42, 0.5 * length + 0.28)
    u, v = view.u[box], view.v[box]
    lift = nose_lift(view)
    v = v - smooth(v, 0.0, length) * (lift * view.sp)
    rise = ramp(v, -0.14, length)
    under = smooth(v + u * u * 3.0, length + 0.115, length - 0.02)
    profile = (p.nose_bridge * smooth(v, -0.18, 0.05) + (lift - p.nose_bridge) * rise**1.35) * under
    u = u - profile * view.sy
    width = 0.062 + 0.030 * rise
    shape = u / width
    shape *= shape
    out[box] += profile * np.exp(-0.5 * shape)
    tip = bump(u, v, (0.0, length - 0.01), (p.nose_tip * 0.72, 0.055))
    out[box] += tip * (0.045 * under)
    for side in (-1, 1):
        wing = bump(u, v, (side * (p.nose_width - 0.035), length + 0.005), (0.042, 0.050))
        out[box] += wing * 0.062
        out[box] -= bump(u, v, (side * (p.nose_width + 0.020), length), (0.022, 0.06)) * 0.020
