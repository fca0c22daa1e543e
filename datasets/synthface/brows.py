"""Eyebrows: hairs leaning outwards inside an arched band."""

from __future__ import annotations

import numpy as np

from .head import View
from .noise import band_limit, look_up, tile
from .ramps import FloatArray, blend, ramp, scaled, smooth
from .relief import eye_centre


def paint_brows(view: View, albedo: FloatArray) -> None:
    """Brows: hairs leaning outwards inside an arched band, thinning to the tail."""
    p, photo = view.person, view.photo
    limit = band_limit(view.step, 1.0)
    strands = tile("brows", 0.2, 8, min(limit, 90.0))
    for side in (-1, 1):
        eu, ev = eye_centre(view, side)
        middle = eu + 0.012 * side
        centre_v = ev - p.brow_height - photo.brow_lift
        box = view.box(middle, centre_v, p.brow_length + 0.06, 0.17)
        outward = (view.u[box] - middle) * float(side)
        t = outward * (1.0 / p.brow_length)
        # Rises from the inner end, peaks past the middle, falls to the tail.
        past = t - 0.20
        arch = p.brow_arch * (1.0 - past * past * (0.85 + 0.55 * np.sign(past)))
        line = centre_v + p.brow_arch * 0.4 - arch - p.brow_tilt * outward * 0.35
        line -= 0.012 * photo.smile
        thick = p.brow_thick * (1.10 - 0.55 * ramp(t, 0.0, 1.0) - 0.25 * ramp(t, -0.7, -1.1))
        off = view.v[box] - line
        lean = look_up(
            strands,
            outward * (1.5 - 0.4 * t) + off * (1.5 + 0.5 * t) + (3.0 + p.patch[0]),
            outward * 0.22 - off * 0.18 + (3.0 + p.patch[1]),
        )
        body = 1.0 - np.abs(off) / thick
        cover = ramp(body + lean * 0.22, -0.30, 0.65)
        cover *= smooth(t, -1.10, -0.72) * smooth(t, 1.10, 0.70)
        cover *= p.brow_dark * (0.82 + 0.18 * lean)
        colour = scaled(p.hair, 0.30 + 0.35 * p.grey)
        if p.hair_colour == 4:
            colour = scaled(p.hair, 0.42)
        blend(albedo[:, box[0], box[1]], np.clip(cover, 0.0, 0.96), colour)
