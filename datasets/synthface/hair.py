"""Hair: strands along a flow from the parting, with soft ends, behind and in front of the face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .head import View
from .noise import band_limit, look_up, tile
from .ramps import FloatArray, edge, mixed, ramp, scaled, smooth
from .shading import dome_light


@dataclass(frozen=True)
class Cut:
    """Shape of a hair style. Lengths in face units.

    ``side`` and ``top`` are volumes over the skull, ``reach`` is where the back ends, ``sides``
    where hair in front of the ears ends, ``opening`` the half width of the face between the hair,
    ``drop`` how far the front hangs below the hairline, ``fall`` 1 for hair that hangs and 0 for
    hair that stands, ``fray`` the raggedness of edges, ``slant`` the slope of the front.
    """

    side: float
    top: float
    reach: float
    sides: float
    opening: float
    drop: float = 0.0
    fall: float = 1.0
    fray: float = 0.05
    slant: float = 0.0
    flare: float = 0.0
    curl: float = 0.0
    wave: float = 0.0
    parted: float = 0.0


CUTS: dict[str, Cut] = {
    "buzz": Cut(0.012, 0.015, 0.30, 0.10, 0.60, fall=0.0, fray=0.05),
    "short": Cut(0.03, 0.08, 0.35, 0.12, 0.635, drop=-0.04, fall=0.6, fray=0.09, slant=0.20),
    "side_part": Cut(0.03, 0.10, 0.35, 0.14, 0.635, drop=0.03, fall=0.6, slant=0.30, parted=0.8),
    "swept": Cut(0.02, 0.15, 0.35, 0.12, 0.635, drop=-0.04, fall=0.0, fray=0.07, slant=-0.10),
    "bob": Cut(0.11, 0.09, 0.85, 0.90, 0.545, drop=-0.07, flare=0.12, slant=0.55, parted=1.0),
    "long": Cut(0.08, 0.08, 2.50, 2.50, 0.555, drop=-0.08, flare=0.08, slant=0.50, parted=1.0),
    "wavy": Cut(
        0.13, 0.10, 2.10, 2.10, 0.550, drop=-0.05, flare=0.16, slant=0.45, wave=1.0, parted=0.8
    ),
    "curly": Cut(0.13, 0.14, 0.95, 0.55, 0.575, drop=0.08, fray=0.05, curl=1.0, wave=0.6),
    "afro": Cut(0.22, 0.22, 0.45, 0.25, 0.600, drop=0.02, fray=0.04, curl=1.0, flare=-0.10),
    "bun": Cut(0.015, 0.035, 0.20, 0.06, 0.590, fall=0.0, fray=0.03),
    "fringe": Cut(0.08, 0.09, 1.70, 1.70, 0.535, drop=0.31, fray=0.07, flare=0.05),
    "horseshoe": Cut(0.015, 0.0, 0.35, 0.14, 0.560, drop=-9.0, fall=0.3, fray=0.09),
    "scarf": Cut(0.10, 0.08, 2.50, 2.50, 0.545, drop=0.10, fray=0.0),
}


@dataclass
class Hair:
    """Coverage and colour of the hair of one photo on the working grid."""

    rear: FloatArray
    front: FloatArray
    tone: FloatArray
    colour: tuple[float, float, float]
    shine: FloatArray


def grow_hair(view: View) -> Hair | None:
    """Coverage, strand tone and shine of a person's hair; None for the bald."""
    p, photo = view.person, view.photo
    cut = CUTS.get(p.hair_style)
    if cut is None:
        return None
    hatted = photo.hat != "none"
    volume = 0.6 + 0.9 * p.hair_volume
    side = cut.side * volume
    top = min(cut.top * volume, 0.02) if hatted else cut.top * volume
    side = min(side, 0.06) if hatted and cut.reach < 0.6 else side
    x, y = view.x - 0.06 * view.sy, view.y

    along, strand, clump = _strands(view, cut, x, y)
    fray = strand * 0.55 + clump * 0.45
    if p.hair_style == "scarf":
        fray = np.zeros_like(fray)

    # Outline of the hair as a whole.
    below = np.maximum(y, 0.0)
    half = p.width + side
    spread = half * (1.0 + cut.flare * np.minimum(below, 1.3))
    if cut.reach < 0.6:
        spread = spread * (1.0 - 0.22 * below)
    elif cut.wave > 0:
        spread = spread + np.sin(y * 7.5 + 6.0 * p.hair_wave) * (0.028 * cut.wave)
    sx = np.abs(x) / spread
    sy = np.minimum(y, 0.0) * (1.0 / (p.top + top))
    outline = 1.0 - (sx * sx * np.sqrt(np.sqrt(sx)) + sy * sy * np.sqrt(-sy))
    soft = max(3.0 * view.step, 0.035)
    inside = edge(outline + fray * (0.012 + 0.55 * cut.fray * (0.35 + cut.curl)), soft)
    reach = cut.reach * (0.88 + 0.3 * p.hair_length)
    rear = inside * smooth(y + fray * 0.10, reach, reach - 0.16)

    front = inside * _front(view, cut, fray, along)
    tone, shine = _tone(view, cut, (x, y), outline, (strand, clump))
    return Hair(rear, front, tone, p.scarf if p.hair_style == "scarf" else p.hair, shine)


def _strands(
    view: View, cut: Cut, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Coordinate along the flow, fine strands and clumps.

    The flow is a source at the crown in a downward stream: its stream function runs across the
    hairs and its potential along them, and the two are conformal, so strands keep their width.
    """
    p = view.person
    if cut.fall > 0.5:
        cx, cy, stream, source = p.hair_part * cut.parted, -p.top * 1.06, 1.0, 0.45
    else:
        cx, cy, stream, source = p.hair_part * 0.5, -0.30, 0.15 * cut.fall, 0.75
    dx = x - (cx * 0.6 + 0.7 * p.depth * view.sy * 0.6)
    dy = y - cy
    if cut.fall <= 0.5:
        dx = dx + 0.35 * cut.slant * dy
    across = np.arctan2(dx, dy) * source + dx * stream
    square = dx * dx + dy * dy
    square += 0.01
    along = dy * stream + np.log(square) * (0.5 * source)
    if cut.wave > 0 or p.hair_wave > 0.4:
        swing = 0.035 * cut.wave + 0.012 * p.hair_wave
        across = across + np.sin(along * (9.0 + 5.0 * p.hair_wave) + across * 5.0) * swing
    limit = band_limit(view.step, 1.0)
    if p.hair_style == "scarf":
        fold = look_up(tile("folds", 1.6, 2, 14), across * 0.5 + 8.0, along * 0.22 + 8.0)
        weave = look_up(tile("weave", 0.6, 3, min(limit, 100.0)), x + 8.0, y + 8.0)
        return along, weave, fold
    px, py = p.patch[0] + 8.0, p.patch[1] + 8.0
    if cut.curl > 0:
        rings = tile("curls", 0.3, 9, 26)
        curl = look_up(rings, x * 1.15 + px, y * 1.15 + py)
        bend = curl * 0.05
        strand = look_up(
            tile("strands", 0.45, 10, min(limit, 150.0)),
            across * 0.7 + bend + px,
            along * 0.35 + py - bend * 1.3,
        )
        clump = look_up(tile("clumps", 0.3, 4, 18), x * 0.8 + px, y * 0.8 + py)
        return along, strand * 0.45 + curl * 0.55, clump * 0.7
    strand = look_up(
        tile("strands", 0.45, 10, min(limit, 150.0)), across * 1.25 + px, along * 0.11 + py
    )
    clump = look_up(tile("clumps", 0.3, 4, 18), across * 0.9 + px, along * 0.16 + py)
    return along, strand, clump


def _front(view: View, cut: Cut, fray: FloatArray, along: FloatArray) -> FloatArray:
    """Coverage of hair in front of the skin: everything outside the opening for the face."""
    p = view.person
    u, v = view.u, view.v
    hairline = -p.hairline + cut.drop
    if p.hair_style in ("short", "curly"):
        hairline += 0.10 * (p.hair_length - 0.4)
    part = p.hair_part
    centre = 0.10
    opening = cut.opening * (1.0 + 0.10 * (0.5 - p.hair_length)) * (p.width / 0.675)
    line = hairline + np.abs(u - part * cut.parted) * cut.slant if cut.parted else hairline
    if cut.parted == 0 and cut.slant:
        line = hairline + u * cut.slant * (1.0 if part > 0 else -1.0)
    # Receding temples are part of a male hairline.
    au = np.abs(u) * (1.0 / opening)
    if cut.drop < -5:
        shape = np.minimum(au, 3.0) - 1.0
    else:
        rise = np.maximum(centre - v, 0.0) / (centre - np.minimum(line, -0.2))
        temple = au * au
        shape = temple * (au if cut.reach > 0.6 else au * au) + rise * rise * rise - 1.0
    if p.hair_style == "scarf":
        # A scarf closes under the chin.
        drop = np.maximum(v - centre, 0.0) / (p.chin + 0.01 - centre)
        shape = np.maximum(shape, au * au * au + drop * drop * drop - 1.0)
    soft = max(2.5 * view.step, 0.045)
    cover = edge(
        shape + fray * (cut.fray * 1.15 + 0.02), soft + (0.9 + 1.2 * (cut.reach < 0.6)) * cut.fray
    )
    end = cut.sides
    cover *= smooth(v + fray * 0.05, end + 0.05, end - 0.10)
    if cut.drop < -5:
        cover *= smooth(v + fray * 0.04, -0.72, -0.50)
    if p.hair_style == "buzz":
        cover *= 0.86
    return cover


def _tone(
    view: View,
    cut: Cut,
    place: tuple[FloatArray, FloatArray],
    outline: FloatArray,
    locks: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Brightness of the hair (multiplies its colour) and additive shine."""
    p = view.person
    (x, y), (strand, clump) = place, locks
    nx = x * (0.9 / (p.width + cut.side))
    ny = np.minimum(y + 0.1, 0.0) * (0.9 / (p.top + cut.top))
    nz = np.sqrt(np.maximum(1.0 - nx * nx - ny * ny, 0.06))
    lamp = dome_light(view, nx, ny, nz)
    if p.hair_style == "scarf":
        folds = 1.0 + clump * 0.12 + strand * 0.02
        return lamp * folds * (0.6 + 0.4 * ramp(outline, 0.0, 0.25)), np.zeros_like(lamp)
    depth = 0.34 if cut.curl else 0.36
    tone = 1.0 + strand * depth * 0.85 + clump * depth * 0.75
    np.clip(tone, 0.18, 2.3, out=tone)
    tone *= lamp * 0.90
    if cut.parted and cut.fall > 0.5:
        # The parting: a dark line from the crown to the hairline.
        gap = (x - 0.42 * p.depth * view.sy - 0.6 * p.hair_part * cut.parted) * (1.0 / 0.022)
        tone *= 1.0 - 0.45 * np.exp(-gap * gap) * (y < -0.3)
    tone *= 0.72 + 0.28 * ramp(outline, 0.0, 0.22)
    lx, ly, _ = view.photo.light
    band = (y + 0.62 * p.top - 0.25 * ly + 0.25 * lx * x) * (1.0 / 0.17)
    shine = np.exp(-band * band) * np.clip(0.45 + strand * 0.35 + clump * 0.25, 0.0, 1.6)
    gloss = (0.028 if cut.curl else 0.055) * (0.5 + 0.7 * p.oil)
    return tone, shine * lamp * gloss


def paint_hair(hair: Hair) -> FloatArray:
    """Lit colours of the hair, (3, N, N)."""
    warm = mixed(hair.colour, scaled((1.0, 0.93, 0.84), 0.5), 0.5)
    top = max(warm)
    paint = np.empty((3, *hair.tone.shape), dtype=np.float32)
    for channel in range(3):
        np.multiply(hair.tone, hair.colour[channel], out=paint[channel])
        paint[channel] += hair.shine * (warm[channel] / top)
    return paint
