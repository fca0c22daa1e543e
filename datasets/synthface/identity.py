"""Who a person is: everything that stays the same from photo to photo."""

from __future__ import annotations

from dataclasses import dataclass

from .draws import Draws
from .ramps import Colour, linear, mixed, scaled

SKIN_SCALE: tuple[Colour, ...] = (
    linear(243, 212, 198),
    linear(237, 200, 181),
    linear(230, 188, 163),
    linear(221, 174, 144),
    linear(206, 160, 130),
    linear(186, 139, 109),
    linear(160, 115, 88),
    linear(132, 92, 70),
    linear(106, 72, 55),
    linear(80, 51, 39),
)
HAIR_SCALE: tuple[Colour, ...] = (
    linear(30, 25, 24),
    linear(58, 42, 34),
    linear(92, 66, 48),
    linear(134, 100, 68),
    linear(196, 160, 108),
    linear(140, 72, 40),
)
GREY_HAIR = linear(186, 184, 182)
IRIS_SCALE: tuple[Colour, ...] = (
    linear(52, 32, 20),
    linear(92, 58, 32),
    linear(116, 98, 52),
    linear(98, 118, 92),
    linear(96, 136, 166),
    linear(122, 136, 146),
)
STYLES = (
    "bald",
    "buzz",
    "short",
    "side_part",
    "swept",
    "bob",
    "long",
    "wavy",
    "curly",
    "afro",
    "bun",
    "fringe",
    "horseshoe",
    "scarf",
)
BEARDS = ("none", "stubble", "moustache", "goatee", "short", "full")


@dataclass(frozen=True)
class Identity:
    """Traits of a person. Lengths are in face units (about 101 mm; 0.62 between the pupils)."""

    male: float
    age: float
    tone: int
    skin: Colour
    width: float
    top: float
    chin: float
    taper: float
    jaw_power: float
    side_power: float
    depth: float
    asymmetry: float
    eye_apart: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    eye_depth: float
    lid_fold: float
    iris: Colour
    iris_radius: float
    lashes: float
    brow_height: float
    brow_thick: float
    brow_arch: float
    brow_tilt: float
    brow_length: float
    brow_dark: float
    brow_ridge: float
    nose_length: float
    nose_width: float
    nose_height: float
    nose_bridge: float
    nose_tip: float
    cheek: float
    cheek_height: float
    mouth_height: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    lip_bow: float
    lip_red: float
    chin_bump: float
    chin_cleft: float
    fold: float
    eye_bag: float
    wrinkle: float
    freckles: float
    blush: float
    texture: float
    oil: float
    patch: tuple[float, float]
    hair_style: str
    hair_colour: int
    hair: Colour
    grey: float
    hair_volume: float
    hair_length: float
    hairline: float
    hair_part: float
    hair_wave: float
    beard: str
    beard_full: float
    ear_size: float
    moles: tuple[tuple[float, float], ...]
    scarf: Colour


def draw_identity(seed: int, identity: int) -> Identity:
    """Draw a person; depends on (seed, identity) only."""
    d = Draws(f"{seed}|identity|{identity}")
    man = d.chance(0.5)
    male = min(max(d.around(0.82 if man else 0.18, 0.12), 0.0), 1.0)
    age = d.between(18, 46) if d.chance(0.74) else d.between(40, 84)
    old = min(max((age - 38) / 38, 0.0), 1.15)
    tone = min(int(d.between(0, 10)), 9)
    step = d.between(0.0, 0.9)
    skin = mixed(SKIN_SCALE[tone], SKIN_SCALE[min(tone + 1, 9)], step)
    warmth = d.around(0.0, 0.05)
    skin = (skin[0] * (1 + warmth), skin[1], skin[2] * (1 - warmth * 1.4))

    fair = max(0.0, 1.0 - tone / 4.5)
    hair_colour = d.pick((0.6 + 0.5 * tone, 1.6, 1.8 * fair, 1.3 * fair, 1.3 * fair, 0.7 * fair))
    grey = min(max(d.around(old * 0.8 - 0.1, 0.28), 0.0), 0.97) if age > 38 else 0.0
    hair = scaled(HAIR_SCALE[hair_colour], max(0.6, d.around(1.0, 0.22)))
    hair = mixed(hair, scaled(GREY_HAIR, d.between(0.45, 0.95)), grey)
    bare = 0.3 + 1.6 * old
    tight = 2.2 if tone >= 6 else 0.7
    if man:
        weights: tuple[float, ...] = (
            bare,
            1.4 + 0.2 * tight,
            3,
            2,
            2,
            0.3,
            0.4,
            0.4,
            tight,
            0.6 * tight,
            0.25,
        )
        style = STYLES[d.pick((*weights, 0.7, 1.6 * old, 0.0))]
    else:
        weights = (0.06, 0.25, 0.7, 0.8, 0.5, 2.0, 3.2, 2.6, 1.2 * tight, 0.6 * tight, 1.7)
        style = STYLES[d.pick((*weights, 2.0, 0.0, 0.6))]
    bearded: tuple[float, ...] = (3.0, 1.6, 0.5, 0.9, 1.5, 0.8) if man else (1.0,)
    beard = BEARDS[d.pick(bearded)]
    brown = max(0.4, 1.0 + 0.7 * tone)
    iris = d.pick((brown * 0.9, 1.6, 0.7 * fair + 0.1, 0.7 * fair, 1.6 * fair, 0.6 * fair))
    moles = tuple((d.between(-0.5, 0.5), d.between(0.15, 0.9)) for _ in range(d.pick((5, 3, 2, 1))))
    chin = d.around(1.02 + 0.07 * male, 0.070)
    return Identity(
        male=male,
        age=age,
        tone=tone,
        skin=skin,
        width=d.around(0.675 + 0.015 * male, 0.066),
        top=d.around(0.99, 0.05),
        chin=chin,
        taper=max(0.02, d.around(0.20 - 0.07 * male, 0.08)),
        jaw_power=max(1.8, d.around(2.25 + 0.55 * male, 0.50)),
        side_power=d.around(2.45, 0.20),
        depth=d.around(0.70, 0.05),
        asymmetry=d.around(0.0, 0.012),
        eye_apart=d.around(0.291, 0.017),
        eye_width=d.around(0.160, 0.018),
        eye_open=max(0.045, d.around(0.066 - 0.008 * male - 0.006 * old, 0.014)),
        eye_tilt=d.around(0.03 - 0.05 * old, 0.085),
        eye_depth=max(0.0, d.around(0.055 + 0.03 * male, 0.035)),
        lid_fold=d.between(0.0, 1.0),
        iris=scaled(IRIS_SCALE[iris], d.around(1.0, 0.18)),
        iris_radius=d.around(0.068, 0.004),
        lashes=max(0.1, d.around(0.75 - 0.4 * male, 0.15)),
        brow_height=d.around(0.205 - 0.02 * male, 0.032),
        brow_thick=max(0.014, d.around(0.022 + 0.016 * male, 0.012)),
        brow_arch=d.around(0.042 - 0.016 * male, 0.016),
        brow_tilt=d.around(0.02, 0.10),
        brow_length=d.around(0.205, 0.020),
        brow_dark=min(1.0, max(0.3, d.around(0.78 - 0.25 * min(grey, 0.8), 0.22))),
        brow_ridge=max(0.0, d.around(0.012 + 0.030 * male, 0.015)),
        nose_length=d.around(0.340 + 0.010 * male + 0.02 * old, 0.024),
        nose_width=d.around(0.142 + 0.014 * male + 0.0035 * tone, 0.026),
        nose_height=d.around(0.200 + 0.02 * male, 0.048),
        nose_bridge=d.around(0.060, 0.030),
        nose_tip=d.around(0.075, 0.014),
        cheek=d.around(0.045, 0.030),
        cheek_height=d.around(0.25, 0.05),
        mouth_height=d.around(0.229 + 0.35 * (chin - 1.055), 0.022),
        mouth_width=d.around(0.242, 0.021),
        lip_upper=max(0.014, d.around(0.042 + 0.002 * tone - 0.014 * old, 0.014)),
        lip_lower=max(0.024, d.around(0.064 + 0.002 * tone - 0.014 * old, 0.016)),
        lip_bow=d.between(0.1, 1.0),
        lip_red=d.between(0.15, 1.0) * (1.0 - 0.4 * male),
        chin_bump=d.around(0.045, 0.025),
        chin_cleft=d.between(0.0, 0.03) if d.chance(0.2) else 0.0,
        fold=max(0.0, d.around(0.10 + 0.75 * old, 0.10)),
        eye_bag=max(0.0, d.around(0.15 + 0.65 * old, 0.16)),
        wrinkle=max(0.0, d.around(old, 0.12)) if old > 0 else 0.0,
        freckles=d.between(0.4, 1.0) if d.chance(0.25 if tone < 4 else 0.05) else 0.0,
        blush=d.between(0.1, 1.0),
        texture=max(0.35, d.around(0.9 + 0.35 * male + 0.5 * old, 0.25)),
        oil=d.between(0.25, 1.0),
        patch=(d.between(0, 1), d.between(0, 1)),
        hair_style=style,
        hair_colour=hair_colour,
        hair=hair,
        grey=grey,
        hair_volume=d.between(0.0, 1.0),
        hair_length=d.between(0.0, 1.0),
        hairline=d.around(0.60 + 0.03 * male + 0.03 * old, 0.055),
        hair_part=d.between(-0.4, 0.4),
        hair_wave=d.between(0.0, 1.0),
        beard=beard,
        beard_full=d.between(0.55, 1.0),
        ear_size=d.around(1.0, 0.13),
        moles=moles,
        scarf=mixed(
            linear(d.between(20, 190), d.between(20, 160), d.between(30, 180)),
            scaled((1.0, 0.95, 0.9), d.between(0.02, 0.5)),
            d.between(0.3, 0.9),
        ),
    )
