"""Skin: colour zones, pores, freckles, moles and the lines of age."""

from __future__ import annotations

import numpy as np

from .head import View
from .noise import band_limit, look_up, tile
from .ramps import Box, FloatArray, bump, ramp, shade, smooth
from .relief import eye_centre, mouth_centre, nose_tip

TILES_PER_UNIT = 0.5


def paint_skin(view: View, box: Box) -> tuple[FloatArray, FloatArray]:
    """Paint bare skin.

    Args:
        view: Head to paint.
        box: Window of the head outline.

    Returns:
        Albedo (3, h, w) and fine heights (h, w) in face units.
    """
    p = view.person
    u, v = view.u[box], view.v[box]
    limit = band_limit(view.step, TILES_PER_UNIT)
    tu = u * TILES_PER_UNIT + (p.patch[0] + 4.0)
    tv = v * TILES_PER_UNIT + (p.patch[1] + 4.0)
    pores = look_up(tile("pores", 0.35, 10, limit), tu, tv)
    blotch = look_up(tile("blotch", 1.1, 2, 24), tu, tv)
    out = np.empty((3, *u.shape), dtype=np.float32)
    grain = pores * (0.030 * p.texture)
    red = 0.75 if p.tone < 6 else 0.4
    for channel, (mottle, share) in enumerate(((0.05, 0.9), (0.09, 1.0), (0.10, 1.1))):
        plane = blotch * mottle
        plane += grain * share
        plane += 1.0
        plane *= p.skin[channel]
        out[channel] = plane
    _zones(view, box, out, red)
    if p.freckles > 0:
        spots = look_up(tile("freckles", 0.0, 22, min(limit, 48.0)), tv, tu)
        where = bump(u, v, (0.0, 0.20), (0.40, 0.17))
        mark = smooth(spots, 0.9, 1.7) * where * (0.45 * p.freckles)
        for channel, share in enumerate((0.55, 0.9, 1.1)):
            out[channel] *= 1.0 - mark * share
    for mu, mv in p.moles:
        spot = view.box(mu, mv, 0.05, 0.05)
        dark = bump(view.u[spot], view.v[spot], (mu, mv), (0.012, 0.012)) * 0.6
        target = _within(out, box, spot)
        if target is not None:
            shade(target, 1.0 - dark)
    fine = pores * (0.00045 * p.texture)
    if p.wrinkle > 0.05:
        _forehead_lines(view, box, out, fine, blotch)
        _crow_feet(view, box, out, fine)
    return out, fine


def _within(field: FloatArray, box: Box, spot: Box) -> FloatArray | None:
    """View of ``field`` (which covers ``box``) at ``spot`` if it lies wholly inside."""
    rows = slice(spot[0].start - box[0].start, spot[0].stop - box[0].start)
    columns = slice(spot[1].start - box[1].start, spot[1].stop - box[1].start)
    inside = rows.start >= 0 and columns.start >= 0
    if not inside or rows.stop > field.shape[-2] or columns.stop > field.shape[-1]:
        return None
    return field[..., rows, columns]


def _zones(view: View, box: Box, out: FloatArray, red: float) -> None:
    """Blood and shadow: red cheeks, nose and chin; darker sockets; paler forehead."""
    p = view.person
    u, v = view.u[box], view.v[box]
    au = np.abs(u)
    flush = bump(au, v, (0.36, 0.32), (0.15, 0.13)) * (0.6 + 0.8 * p.blush)
    tu, tv = nose_tip(view)
    flush += bump(u, v, (tu, tv), (0.12, 0.10)) * 0.9
    flush += bump(u, v, (0.0, p.chin - 0.15), (0.16, 0.08)) * 0.35
    flush *= red
    out[0] *= 1.0 + flush * 0.03
    out[1] *= 1.0 - flush * 0.13
    out[2] *= 1.0 - flush * 0.10
    eu, ev = eye_centre(view, 1)
    socket = bump(au, v, (eu - 0.01, ev + 0.01), (0.15, 0.085))
    tired = bump(au, v, (eu - 0.04, ev + 0.105), (0.10, 0.035)) * (0.3 + p.eye_bag)
    dark = socket * 0.10 + tired * 0.14
    out[0] *= 1.0 - dark * 0.85
    out[1] *= 1.0 - dark * 1.05
    out[2] *= 1.0 - dark * 0.9
    if p.male > 0.5 and p.beard != "none":
        return
    if p.male > 0.5:
        # The blue-grey of a shaved beard.
        mv = mouth_centre(view)[1]
        shaved = smooth(v, p.nose_length + 0.03, mv + 0.08) * smooth(au, 0.72, 0.45)
        shaved *= 0.20 * (1.0 - p.grey)
        out[0] *= 1.0 - shaved
        out[1] *= 1.0 - shaved * 0.85
        out[2] *= 1.0 - shaved * 0.65


def _forehead_lines(
    view: View, box: Box, out: FloatArray, fine: FloatArray, blotch: FloatArray
) -> None:
    p = view.person
    u, v = view.u[box], view.v[box]
    wavy = v + blotch * 0.008 + u * u * 0.10
    where = smooth(wavy, -0.58, -0.46) * smooth(wavy, -0.24, -0.32) * smooth(np.abs(u), 0.50, 0.25)
    wave = np.sin(wavy * (2 * np.pi / 0.072))
    lines = smooth(wave, 0.45, 1.0) * where * (p.wrinkle * (1.0 + 12.0 * abs(p.asymmetry)))
    fine -= lines * 0.006
    shade(out, 1.0 - lines * 0.16)


def _crow_feet(view: View, box: Box, out: FloatArray, fine: FloatArray) -> None:
    p = view.person
    strength = p.wrinkle * (0.5 + 0.5 * max(view.photo.smile, 0.0))
    for side in (-1, 1):
        eu, ev = eye_centre(view, side)
        spot = view.box(eu + side * (p.eye_width + 0.09), ev + 0.02, 0.12, 0.14)
        target = _within(out, box, spot)
        relief = _within(fine, box, spot)
        if target is None or relief is None:
            continue
        du = (view.u[spot] - eu) * float(side)
        dv = view.v[spot] - ev
        angle = dv / np.maximum(du, 0.03)
        rays = smooth(np.cos(angle * 17.0), 0.35, 1.0)
        where = smooth(du, p.eye_width + 0.01, p.eye_width + 0.04)
        where *= smooth(du, p.eye_width + 0.17, p.eye_width + 0.06) * ramp(np.abs(angle), 0.9, 0.5)
        rays *= where * strength
        relief -= rays * 0.004
        shade(target, 1.0 - rays * 0.14)


def nostrils(view: View, box: Box, out: FloatArray) -> None:
    """Dark nostrils and the crease around each wing."""
    p = view.person
    tu, tv = nose_tip(view)
    for side in (-1, 1):
        cu = tu * 0.6 + side * p.nose_width * 0.46
        cv = p.nose_length + (tv + 0.03 - p.nose_length) * 0.6 + 0.056
        spot = view.box(cu, cv, 0.10, 0.07)
        target = _within(out, box, spot)
        if target is None:
            continue
        hole = bump(
            view.u[spot], view.v[spot] - side * 0.25 * (view.u[spot] - cu), (cu, cv), (0.034, 0.015)
        )
        dark = np.minimum(hole * 1.15, 0.86)
        target[0] *= 1.0 - dark * 0.90
        target[1] *= 1.0 - dark
        target[2] *= 1.0 - dark
    # The line under the tip that joins the nostrils.
    spot = view.box(tu, p.nose_length + 0.07, 0.16, 0.06)
    target = _within(out, box, spot)
    if target is not None:
        line = bump(view.u[spot], view.v[spot], (tu * 0.6, tv + 0.090), (0.09, 0.014))
        shade(target, 1.0 - line * 0.25)
