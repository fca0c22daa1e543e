"""Extended Yale B, cropped: 38 people under 64 lights, grey, from the owner's PGM files."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from math import acos, cos, degrees, radians

import numpy as np

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image
from facesr_bench.prepare.decoding import read_image
from facesr_bench.prepare.recipe import Plan, Raw, Recipe
from facesr_bench.prepare.sources import Entry, SourceSet

IMAGES, PEOPLE = 2414, 38
SIZE = (192, 168)
"""Height and width of every cropped image; the ambient ones are whole photos of another size."""
SUBSETS = (12.0, 30.0, 55.0, 80.0)
"""Degrees between light and camera axis that end subsets 1 to 4."""
TEN_DIRECTIONS = (
    "A+000E+00", "A+005E-10", "A+020E-10", "A+025E+00", "A+050E+00",
    "A-035E+15", "A+070E+45", "A-070E-35", "A+000E+90", "A-110E+15",
)  # fmt: skip
"""Two of each subset; all but the last were taken of all people, the last of all to be tested on."""
SPOILT = frozenset(
    [(person, light) for person in (11, 12, 13)
     for light in ("A+050E-40", "A-050E-40", "A+095E+00", "A-110E+15")]
    + [(12, "A-110E-20"), (15, "A-035E+40"), (16, "A+095E+00")]
    + [(person, "A-010E+00") for person in (16, 17, 18)]
)  # fmt: skip
"""Damaged when they were taken: the owner calls them .pgm.bad, some copies call them .pgm again."""

_IMAGE = re.compile(r"yaleB(?P<person>\d\d)_P00(?P<light>A[+-]\d{3}E[+-]\d{2})\.pgm", re.IGNORECASE)
_LIGHT = re.compile(r"A([+-]\d{3})E([+-]\d{2})")
_LEFT_OUT = (
    (re.compile(r"\.pgm\.bad$", re.IGNORECASE), ".pgm.bad (damaged when they were taken)"),
    (re.compile(r"_Ambient\.pgm$", re.IGNORECASE), "Ambient.pgm (no flash, not cropped)"),
    (re.compile(r"\.info$", re.IGNORECASE), ".info"),
    (re.compile(r"\.log$|^DEADJOE$", re.IGNORECASE), "logs"),
)
_CROPS = {"stretch": slice(0, SIZE[0]), "square": slice(12, 180)}
"""Rows that are taken; always the whole width."""
_BORDER = 30 / 133
"""Of a crop's height on every side: as much as TDN's 30 pixels are of its crop's 133."""


class YaleB(Recipe):
    """Extended Yale B, cropped.

    Every image knows its light: ``azimuth`` and ``elevation`` in degrees from the camera's axis,
    ``angle`` between light and axis, and ``subset`` 1 to 5, the literature's steps of that angle.
    People never cross splits. Grey becomes three equal channels. The owner cut the faces out, so the
    border is the crop reflected, before any stretching: what turns in it turns in true proportions.

    Args:
        crop: "stretch" makes the 168x192 images square by stretching, as DAP-FSR's source faces are;
            "square" cuts out the middle 168x168.
        domains: lights that become domains, as in the file names; the images of others have none.
            None makes every light its own domain.
        test_from: people from this number on are the split "test", the others "train".
    """

    name = "yaleb"
    title = "Extended Yale B, cropped: 2,414 grey images, 38 people under 64 lights"
    licence = "research use"
    where = "vision.ucsd.edu, The Extended Yale Face Database B: CroppedYale.zip"
    expected = ("CroppedYale.zip or CroppedYale/ (yaleB01/yaleB01_P00A+000E+00.pgm ...)",)
    disk = "80 MB unpacked"
    version = 2  # 2: with borders
    stretch = True

    def __init__(
        self,
        crop: str = "stretch",
        domains: Sequence[str] | None = TEN_DIRECTIONS,
        test_from: int = 30,
    ) -> None:
        if crop not in _CROPS:
            raise ConfigError(f"crop={crop!r} must be one of {', '.join(_CROPS)}.")
        if isinstance(domains, str):
            raise ConfigError(f"domains={domains!r} must be a list of lights, or null for all.")
        for light in domains or ():
            if not _LIGHT.fullmatch(str(light)):
                raise ConfigError(f"The domain {light!r} is not a light such as A+035E-20.")
        self.crop, self.test_from = crop, test_from
        self.domains = None if domains is None else frozenset(domains)

    def plan(self, sources: SourceSet) -> Plan:
        """List the images by their names."""
        found: dict[tuple[int, str], Entry] = {}
        left_out: Counter[str] = Counter()
        for entry in sources:
            match = _IMAGE.fullmatch(entry.base)
            if match is None:
                left_out[_reason(entry.base)] += 1
                continue
            shot = int(match["person"]), match["light"].upper()
            if shot in SPOILT:
                left_out["images known as damaged, although called .pgm"] += 1
            elif shot in found:
                raise DataError(
                    f"Person {shot[0]} under the light {shot[1]} was found twice: "
                    f"{found[shot].where} and {entry.where}. Give only one of the two with --src."
                )
            else:
                found[shot] = entry
        if not found:
            raise DataError(
                f"There is no yaleBXX_P00A+000E+00.pgm in {', '.join(map(str, sources.paths))}, where "
                f"{len(sources):,} files were found. Give CroppedYale.zip or the folder it unpacks to "
                "with --src; the uncropped Extended Yale B is another data set."
            )
        items = [self._raw(*shot, entry) for shot, entry in sorted(found.items())]
        return Plan(items, [*_left_out(left_out), *self._counts(items)])

    def _raw(self, person: int, light: str, entry: Entry) -> Raw:
        named = f"yaleB{person:02d}"
        azimuth, elevation = angles_of(light)
        angle = degrees(acos(cos(radians(azimuth)) * cos(radians(elevation))))
        rows = _CROPS[self.crop]
        border = round((rows.stop - rows.start) * _BORDER)
        return Raw(
            key=f"{named}/{named}_P00{light}.png",
            split="train" if person < self.test_from else "test",
            read=partial(_read, entry, rows),
            source=entry.where,
            identity=named,
            attributes={
                "azimuth": float(azimuth),
                "elevation": float(elevation),
                "angle": angle,
                "subset": float(subset_of(angle)),
            },
            domain=light if self.domains is None or light in self.domains else None,
            read_border=partial(_read_border, entry, rows, border),
            border=(border,) * 4,
        )

    def _counts(self, items: Sequence[Raw]) -> list[str]:
        notes = []
        people = len({raw.identity for raw in items})
        if (len(items), people) != (IMAGES, PEOPLE):
            notes.append(
                f"{len(items):,} images of {people} people are here; the owner's set has {IMAGES:,} "
                f"of {PEOPLE}."
            )
        lacking = sorted((self.domains or frozenset()) - {str(raw.domain) for raw in items})
        if lacking:
            notes.append(f"No image has the light of the domains {', '.join(lacking)}.")
        return notes


def angles_of(light: str) -> tuple[int, int]:
    """Azimuth and elevation in degrees of a light as files name it."""
    match = _LIGHT.fullmatch(light)
    if match is None:
        raise DataError(f"{light!r} is not a light such as A+035E-20.")
    return int(match[1]), int(match[2])


def subset_of(angle: float) -> int:
    """The literature's subset, 1 to 5, by degrees between the light and the camera's axis."""
    return 1 + sum(angle > limit for limit in SUBSETS)


def _reason(name: str) -> str:
    return next((why for pattern, why in _LEFT_OUT if pattern.search(name)), "other files")


def _left_out(counts: Counter[str]) -> Iterable[str]:
    if counts:
        parts = (f"{count:,} {why}" for why, count in sorted(counts.items()))
        yield f"Left out: {', '.join(parts)}."


def _read(entry: Entry, rows: slice) -> UInt8Image:
    return read_image(entry, SIZE)[rows]


def _read_border(entry: Entry, rows: slice, border: int) -> UInt8Image:
    sides = (border, border)
    return np.pad(_read(entry, rows), (sides, sides, (0, 0)), mode="reflect")
