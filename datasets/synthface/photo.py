"""What one photo shows: pose, expression, light, accessories, background and camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .draws import Draws
from .identity import Identity
from .ramps import Colour, linear

HATS = ("none", "beanie", "cap", "brim")
BACKDROPS = ("plain", "room", "foliage", "lights", "street")


@dataclass(frozen=True)
class Photo:
    """State of one exposure. Angles in radians, lengths in face units, light in linear units."""

    yaw: float
    pitch: float
    roll: float
    zoom: float
    shift: tuple[float, float]
    smile: float
    mouth_open: float
    brow_lift: float
    eye_open: float
    gaze: tuple[float, float]
    light: tuple[float, float, float]
    key: float
    ambient: float
    light_warmth: float
    glasses: str
    glasses_frame: Colour
    glasses_size: float
    hat: str
    hat_colour: Colour
    hat_second: Colour
    backdrop: str
    backdrop_hue: float
    backdrop_light: float
    cloth: Colour
    cloth_second: Colour
    collar: int
    pattern: int
    pattern_period: float
    exposure: float
    balance: Colour
    contrast: float
    grain: float
    grain_variant: int
    blur: float
    vignette: float
    grey: bool
    hair_phase: float
    label: str


def _muted(d: Draws, low: float, high: float, chroma: float) -> Colour:
    """Cloth and wall colours: mostly grey, sometimes with a little colour."""
    level = d.between(low, high)
    tint = d.between(0.0, chroma) ** 1.5
    angle = d.between(0.0, 2 * math.pi)
    spread = (math.cos(angle), math.cos(angle - 2.094), math.cos(angle + 2.094))
    r, g, b = (min(max(level * (1 + tint * s), 6.0), 250.0) for s in spread)
    return linear(r, g, b)


def draw_photo(seed: int, identity: int, photo: int, person: Identity, domain: str) -> Photo:
    """Draw one photo of a person; depends on (seed, identity, photo) and the domain."""
    label = f"{seed}|photo|{identity}|{photo}"
    d = Draws(label)
    side = domain == "side_light"
    yaw = d.around(0.0, 0.14, 2.0)
    pitch = d.around(0.0, 0.065, 2.0)
    roll = d.around(0.0, 0.07, 2.2)
    smiling = d.chance(0.55)
    smile = d.between(0.35, 1.0) if smiling else d.between(-0.15, 0.3)
    opened = d.chance(0.72 if smiling else 0.12)
    mouth_open = d.between(0.25, 1.0) if opened else 0.0
    azimuth = d.around(0.0, 0.60, 1.9)
    height = d.between(0.25, 0.95)
    flat = d.between(0.42, 0.85)
    key = d.between(0.85, 1.1)
    warmth = d.around(0.0, 0.06)
    if side:
        # As in the frontal subset of Extended Yale B: one lamp far to a side, hardly any fill.
        yaw, pitch, roll = yaw * 0.35, pitch * 0.5, roll * 0.4
        smile, mouth_open = min(smile, 0.3) * 0.6, 0.0
        azimuth = math.copysign(0.75 + abs(azimuth) * 0.70, azimuth)
        height, flat, key, warmth = height - 0.40, 0.05 + 0.06 * flat, 1.6, 0.0
    light = (
        math.sin(azimuth) * math.cos(height),
        -math.sin(height),
        math.cos(azimuth) * math.cos(height),
    )
    spectacled = d.chance(0.10 + 0.20 * (person.age > 45))
    glasses = ("none", "round", "square", "rimless")[d.pick((0, 1, 1.6, 0.6))]
    frame = (linear(25, 22, 22), linear(70, 45, 30), linear(120, 110, 95), linear(60, 20, 25))
    hatted = d.chance(0.09)
    hat = HATS[d.pick((0, 1.2, 1.2, 0.6))]
    if side or not hatted or person.hair_style == "scarf":
        hat = "none"
    if side or not spectacled:
        glasses = "none"
    balance = (1 + d.around(0, 0.05), 1 + d.around(0, 0.015), 1 + d.around(0, 0.06))
    return Photo(
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        zoom=d.around(1.04 if side else 0.88, 0.022),
        shift=(d.around(0.0, 0.02), d.around(0.0, 0.02)),
        smile=smile,
        mouth_open=mouth_open,
        brow_lift=d.around(0.0, 0.010),
        eye_open=max(0.5, d.around(1.0, 0.10) - 0.20 * max(smile, 0.0)),
        gaze=(d.around(-yaw * 0.07, 0.012), d.around(0.0, 0.006)),
        light=light,
        key=key,
        ambient=flat,
        light_warmth=warmth,
        glasses=glasses,
        glasses_frame=frame[d.pick((4, 2, 1.5, 1))],
        glasses_size=d.around(1.0, 0.08),
        hat=hat,
        hat_colour=_muted(d, 25, 170, 0.45),
        hat_second=_muted(d, 25, 210, 0.4),
        backdrop="plain" if side else BACKDROPS[d.pick((2.2, 2.4, 1.6, 1.2, 1.6))],
        backdrop_hue=d.between(0.0, 1.0),
        backdrop_light=d.between(0.04, 0.25) if side else d.between(0.12, 1.0),
        cloth=_muted(d, 15, 205, 0.5),
        cloth_second=_muted(d, 90, 240, 0.3),
        collar=d.pick((2, 1.5, 2, 1.5)),
        pattern=d.pick((1.6, 1.0, 0.8, 0.5)),
        pattern_period=d.between(0.09, 0.22),
        exposure=d.around(1.0 + (0.12 if side else 0.03) * person.tone, 0.11),
        balance=(1.0, 1.0, 1.0) if side else balance,
        contrast=d.around(1.16, 0.10),
        grain=d.between(0.008, 0.016) if side else d.between(0.002, 0.010),
        grain_variant=d.pick((1,) * 8),
        blur=d.between(0.25, 0.55) if side else d.between(0.0, 0.55),
        vignette=d.between(0.0, 0.12),
        grey=side,
        hair_phase=d.between(0.0, 1.0),
        label=label,
    )
