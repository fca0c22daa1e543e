"""Glasses and hats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .head import View
from .noise import band_limit, look_up, tile
from .ramps import Colour, FloatArray, blend, edge, ramp, shade, smooth
from .relief import eye_centre
from .shading import dome_light


@dataclass
class Hat:
    """Coverage and paint of a hat on the working grid."""

    cover: FloatArray
    paint: FloatArray


def put_on_hat(view: View) -> Hat | None:
    """Coverage (N, N) and colours (3, N, N) of the hat worn in this photo."""
    p, photo = view.person, view.photo
    if photo.hat == "none":
        return None
    x, y, u, v = view.x - 0.05 * view.sy, view.y, view.u, view.v
    soft = max(2.5 * view.step, 0.03)
    lift = {"beanie": 0.14, "cap": 0.10, "brim": 0.16}[photo.hat]
    half, high = p.width + 0.075, p.top + lift
    sx, sy = np.abs(x) / half, np.minimum(y, 0.0) / high
    if photo.hat == "brim":
        sy = sy * sy
    power = np.sqrt(np.sqrt(sx)) * sx * sx
    dome = edge(1.0 - power - sy * sy * np.sqrt(np.abs(sy)), soft * 1.3)
    bend = 0.10 * u * u
    line = -0.47 + 0.06 * (p.hair_volume - 0.5) + bend * (0.8 if photo.hat == "beanie" else -0.2)
    cover = dome * edge(line - v, soft)
    nx = x * (0.9 / half)
    ny = np.minimum(y, 0.0) * (0.8 / high) - 0.1
    nz = np.sqrt(np.maximum(1.0 - nx * nx - ny * ny, 0.06))
    lamp = dome_light(view, nx, ny, nz)
    limit = min(band_limit(view.step, 0.8), 100.0)
    weave = look_up(tile("weave", 0.6, 3, limit), u * 0.8 + 6.0, v * 0.8 + 6.0)
    lamp *= 1.0 + weave * (0.10 if photo.hat == "beanie" else 0.05)
    paint = np.stack([lamp * c for c in photo.hat_colour])
    if photo.hat == "beanie":
        ribs = np.cos(np.arctan2(x, 1.6 + y) * 95.0)
        paint *= 1.0 + ribs * (0.22 if view.step < 0.02 else 0.10)
        turn = edge(v - line + 0.20, soft)
        paint *= 1.0 - 0.35 * edge(0.022 - np.abs(v - line + 0.20), soft)
        blend(paint, turn, np.stack([lamp * c * (1.0 + 0.15 * ribs) for c in photo.hat_second]))
        return Hat(cover, paint)
    if photo.hat == "cap":
        seam = edge(0.010 - np.abs(u), soft)
        paint *= 1.0 - 0.3 * seam
        span = np.maximum(1.0 - (u * (1.0 / 0.66)) ** 2, 0.0)
        lower = -0.45 + 0.16 * np.sqrt(span)
        upper = -0.52 - 0.02 * span
        brim = edge(np.minimum(lower - v, v - upper), soft) * edge(0.66 - np.abs(u), 0.05)
        tone = lamp * (0.55 + 0.65 * ramp(v, -0.36, -0.53))
        blend(paint, brim, np.stack([tone * c for c in photo.hat_second]))
        return Hat(np.maximum(cover, brim), paint)
    ribbon = edge(0.07 - np.abs(v - line + 0.09), soft)
    blend(paint, ribbon, np.stack([lamp * c * 0.8 for c in photo.hat_second]))
    bx, by = x * (1.0 / 1.12), (y + 0.50 - 0.10 * x * x) * (1.0 / 0.135)
    wide = edge(1.0 - bx * bx - by * by, max(soft * 3.0, 0.10))
    sheen = lamp * (0.65 + 0.45 * ramp(by, 0.9, -0.6))
    behind = wide * (1.0 - cover * edge(-by, 0.2))
    blend(paint, behind, np.stack([sheen * c for c in photo.hat_colour]))
    return Hat(np.maximum(cover, wide), paint)


def _lens_field(view: View, du: FloatArray, dv: FloatArray, size: float) -> FloatArray:
    """Signed distance, positive inside, of one lens outline."""
    if view.photo.glasses == "round":
        half_w, half_h = 0.205 * size, 0.180 * size
        a, b = du / half_w, dv / half_h
        radius = np.sqrt(a * a + b * b)
    else:
        half_w, half_h = 0.232 * size, 0.148 * size
        a, b = du / half_w, dv / half_h
        a *= a
        b *= b
        radius = np.sqrt(np.sqrt(a * a + b * b))
    out: FloatArray = (1.0 - radius) * (0.5 * (half_w + half_h))
    return out


def put_on_glasses(view: View, canvas: FloatArray) -> None:
    """Draw glasses over the finished face: shadow, lenses with a reflection, rims, arms."""
    p, photo = view.person, view.photo
    if photo.glasses == "none":
        return
    lift = 0.11
    shift_u, shift_v = lift * view.sy, lift * view.sp + 0.02
    rimless = photo.glasses == "rimless"
    thick = 0.006 if rimless else (0.013 if photo.glasses == "round" else 0.018)
    width = max(thick, 0.42 * view.step)
    opacity = min(1.0, thick / width + 0.15) * (0.75 if rimless else 0.95)
    soft = max(view.step, 0.008)
    size = photo.glasses_size
    for side in (-1, 1):
        eu, ev = eye_centre(view, side)
        eu = side * (0.5 * p.eye_apart + 0.5 * 0.312)
        box = view.box(eu + shift_u, ev + shift_v, 0.29, 0.27)
        du = view.u[box] - (eu + shift_u)
        dv = view.v[box] - (ev + shift_v)
        du *= float(side)
        target = canvas[:, box[0], box[1]]
        field = _lens_field(view, du - 0.01, dv - 0.03, size)
        shade(target, 1.0 - 0.22 * edge(width * 1.4 - np.abs(field), 0.03))
        field = _lens_field(view, du, dv, size)
        lens = edge(field, soft)
        streak = smooth(np.abs(du * side + dv * 0.8 + 0.06), 0.075, 0.03) * 0.05 + 0.012
        blend(target, lens * streak, (0.85, 0.90, 0.95), photo.key)
        rim = edge(width - np.abs(field), soft) * opacity
        glint = 1.0 + 2.2 * smooth(-dv - du * side * photo.light[0], 0.08, 0.16)
        paint: Colour = photo.glasses_frame
        blend(target, rim, np.stack([glint * c for c in paint]))
        arm_u = eu + side * 0.22 * size
        arm = view.box(0.5 * (arm_u + side * p.width) + 0.5 * shift_u, ev - 0.02, 0.22, 0.08)
        au = view.u[arm] * float(side)
        line = edge(width * 1.1 - np.abs(view.v[arm] - ev + 0.035), soft)
        line *= edge(au - abs(arm_u + shift_u), soft) * view.mask[arm]
        blend(canvas[:, arm[0], arm[1]], line * opacity, paint)
    box = view.box(shift_u, shift_v - 0.03, 0.17, 0.08)
    du = view.u[box] - shift_u
    gap = p.eye_apart * 0.5 + 0.156 - 0.21 * size
    bridge = edge(width - np.abs(view.v[box] - shift_v + 0.045 - 2.2 * du * du), soft)
    bridge *= edge(gap + 0.02 - np.abs(du), soft)
    blend(canvas[:, box[0], box[1]], bridge * opacity, photo.glasses_frame)
