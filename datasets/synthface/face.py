"""The rendered face with its exact annotations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .identity import BEARDS, Identity
from .photo import Photo


@dataclass(frozen=True, eq=False)
class Face:
    """One rendered photo.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        landmarks: (5, 2) float32 x, y in pixels; pixel centres lie at integers, so the image spans
            [-0.5, S - 0.5]. Order: viewer's-left eye, viewer's-right eye, nose tip, viewer's-left
            mouth corner, viewer's-right mouth corner.
        identity: Number of the person.
        attributes: Exact values of what was drawn, see `describe`.
    """

    image: npt.NDArray[np.uint8]
    landmarks: npt.NDArray[np.float32]
    identity: int
    attributes: dict[str, float]


def describe(person: Identity, photo: Photo) -> dict[str, float]:
    """Attributes of a photo, all floats.

    Keys of the person: ``male`` (0 female- to 1 male-presenting proportions), ``age`` (years),
    ``skin_tone`` (0 lightest to 9 darkest), ``beard`` (0 none, 1 stubble, 2 moustache, 3 goatee,
    4 short, 5 full), ``bald`` (0 or 1, receded counts one half), ``hair_colour`` (0 black, 1 dark
    brown, 2 brown, 3 light brown, 4 blond, 5 red), ``grey_hair`` (share, 0 to 1), ``freckles``.
    Keys of the photo: ``smile`` (-0.25 to 1), ``mouth_open`` (0 to 1), ``glasses`` and ``hat``
    (0 or 1), ``light_side`` (-1 from the viewer's left to 1 from the right), ``yaw``, ``pitch``,
    ``roll`` (degrees; yaw > 0 turns to the viewer's right, roll > 0 clockwise).
    """
    return {
        "male": person.male,
        "age": person.age,
        "skin_tone": float(person.tone),
        "beard": float(BEARDS.index(person.beard)),
        "bald": {"bald": 1.0, "horseshoe": 0.5}.get(person.hair_style, 0.0),
        "hair_colour": float(person.hair_colour),
        "grey_hair": person.grey,
        "freckles": person.freckles,
        "smile": photo.smile,
        "mouth_open": photo.mouth_open,
        "glasses": float(photo.glasses != "none"),
        "hat": float(photo.hat != "none"),
        "light_side": photo.light[0],
        "yaw": float(np.degrees(photo.yaw)),
        "pitch": float(np.degrees(photo.pitch)),
        "roll": float(np.degrees(photo.roll)),
    }
