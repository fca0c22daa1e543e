"""LS3D-W balanced: draw, cut out the square around the landmarks, hand over five of them."""

import math
from functools import partial
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image
from facesr_bench.prepare.decoding import read_image
from facesr_bench.prepare.recipe import Landmarks, Plan, Raw, Recipe
from facesr_bench.prepare.sources import Entry, SourceSet, refuse_placeholder

from .torch7 import read_matrix

FACES = 7200
YAW = {1: "yaw-00-30", 2: "yaw-30-60", 0: "yaw-60-90"}
"""Domain by the remainder of the number: degrees away from frontal."""
Square = tuple[int, int, int]
"""Left, top, side."""


class LS3DW(Recipe):
    """The 7,200 faces of LS3D-W balanced, or a draw of them, all in the split "test".

    The square has ``margin`` times the longer side of the box of all 68 landmarks and its centre.
    Where it leaves the photo, the photo's edge pixels are repeated, so that every face keeps its
    place and scale. The five landmarks handed on are the means of the six points of each eye, the
    tip of the nose and the mouth corners.

    Args:
        count: how many are drawn (SCGAN tests on 1,000); None takes all.
        margin: side of the square over the longer side of the landmarks' box.
        smallest: faces whose square has fewer pixels a side are passed over: enlarged, they would be
            no ground truth.
        seed: of the draw, ``RandomState(seed).permutation`` of all numbers, ascending.
        allow_incomplete: go on when faces or their landmarks are missing. Then the draw differs from
            everybody else's.
    """

    name = "ls3dw"
    title = "LS3D-W balanced"
    licence = "No licence text; collected from other data sets for research. Do not redistribute."
    where = "https://www.adrianbulat.com/face-alignment (LS3D-W-balanced-20-03-2017.zip)"
    expected = ("LS3D-W-balanced-20-03-2017.zip with new_dataset/N.jpg and N.t7, N = 1 to 7200",)
    disk = "not stated by the owner"
    size = 64
    operator = "box"

    def __init__(
        self,
        count: int | None = 1000,
        margin: float = 1.3,
        smallest: int = 64,
        seed: int = 2020,
        allow_incomplete: bool = False,
    ) -> None:
        if count is not None and count < 1:
            raise ConfigError(f"count={count} must be at least 1, or null for all faces.")
        if not margin >= 1:
            raise ConfigError(f"margin={margin} must be at least 1: the landmarks' box itself.")
        self.count, self.margin, self.smallest, self.seed = count, margin, smallest, seed
        self.allow_incomplete = allow_incomplete

    def plan(self, sources: SourceSet) -> Plan:
        """Pair photos and landmarks, then go through them in the order of the draw."""
        notes: list[str] = []
        photos, points = _numbered(sources, "jpg"), _numbered(sources, "t7")
        if not photos:
            raise DataError(
                f"There is no new_dataset/N.jpg in {', '.join(map(str, sources.paths))}, where "
                f"{len(sources)} files were found. Give LS3D-W-balanced-20-03-2017.zip with --src."
            )
        pool = sorted(photos.keys() & points.keys())
        lonely = sorted(photos.keys() ^ points.keys())
        if lonely:
            first = (photos.get(lonely[0]) or points[lonely[0]]).where
            what = "landmarks (.t7)" if lonely[0] in photos else "photo (.jpg)"
            self._incomplete(
                f"{len(lonely):,} of {len(photos.keys() | points.keys()):,} faces lack a file; the "
                f"first is {first}, without its {what}.",
                notes,
            )
        if len(pool) != FACES:
            self._incomplete(f"{len(pool):,} faces were found, not the owner's {FACES:,}.", notes)
        return Plan(self._draw(pool, photos, points, notes), notes)

    def _draw(
        self,
        pool: list[int],
        photos: dict[int, Entry],
        points: dict[int, Entry],
        notes: list[str],
    ) -> list[Raw]:
        wanted = len(pool) if self.count is None else self.count
        drawn: list[Raw] = []
        small = 0
        for i in np.random.RandomState(self.seed).permutation(len(pool)):
            raw = self._raw(pool[i], photos[pool[i]], points[pool[i]])
            if raw is None:
                small += 1
            else:
                drawn.append(raw)
            if len(drawn) == wanted:
                break
        too_small = f"{small:,} passed over whose square has under {self.smallest} pixels a side"
        if self.count is not None and len(drawn) < wanted:
            raise DataError(
                f"{wanted:,} faces are to be drawn, but there are {len(drawn):,} ({too_small}). "
                "--set count=null takes all."
            )
        drawn_how = "" if self.count is None else f" drawn with seed {self.seed}"
        notes.append(f"{len(drawn):,} of {len(pool):,} faces{drawn_how}; {too_small}.")
        return sorted(drawn, key=lambda raw: raw.key)

    def _incomplete(self, sentence: str, notes: list[str]) -> None:
        if not self.allow_incomplete:
            raise DataError(
                f"{sentence} Get the archive again, or take what is there, with faces drawn that "
                "nobody else has: --set allow_incomplete=true."
            )
        notes.append(f"{sentence} The faces drawn are therefore not those of the whole set.")

    def _raw(self, number: int, photo: Entry, points: Entry) -> Raw | None:
        content = points.read()
        refuse_placeholder(content, points.where)
        landmarks = check_points(read_matrix(content, points.where), points.where)
        left, top, side = square_around(landmarks, self.margin)
        if side < self.smallest:
            return None
        return Raw(
            key=f"{number:04d}.png",
            split="test",
            read=partial(_read, photo, (left, top, side)),
            source=photo.where,
            landmarks=five_of(landmarks) - np.array([left, top], np.float32),
            domain=YAW[number % 3],
        )


def check_points(points: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """68 landmarks that span a face.

    Raises:
        DataError: another shape, numbers that are not finite, or all of them in one place.
    """
    if points.shape != (68, 2):
        raise DataError(f"{where} has a matrix of {points.shape}, not 68 landmarks (68, 2).")
    if not np.isfinite(points).all() or np.abs(points).max() > 1e5:
        raise DataError(f"{where} has landmarks that are not finite or lie far off any photo.")
    if np.ptp(points, axis=0).max() < 4:
        raise DataError(f"{where} has all landmarks within four pixels; that is no face.")
    return points


def five_of(points: NDArray[np.float64]) -> Landmarks:
    """Eye on the viewer's left, the other eye, nose tip, mouth corners in the same order."""
    eyes = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    return np.array([*eyes, points[30], points[48], points[54]], dtype=np.float32)


def square_around(points: NDArray[np.float64], margin: float) -> Square:
    """The square of ``margin`` times the longer side of the landmarks' box, about its centre."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = math.floor(margin * float((high - low).max()) + 0.5)
    # Landmarks count from the centre of the first pixel, squares from its outer edge.
    left, top = (math.floor(float(c) + 0.5 - side / 2 + 0.5) for c in (low + high) / 2)
    return left, top, side


def _read(entry: Entry, square: Square) -> UInt8Image:
    photo = read_image(entry)
    left, top, side = square
    height, width, _ = photo.shape
    if left + side <= 0 or top + side <= 0 or left >= width or top >= height:
        raise DataError(f"{entry.where} is {width}x{height} pixels, and its landmarks lie outside.")
    rows = np.arange(top, top + side).clip(0, height - 1)
    columns = np.arange(left, left + side).clip(0, width - 1)
    square_of_photo: UInt8Image = photo[rows[:, None], columns]
    return square_of_photo


def _numbered(sources: SourceSet, extension: str) -> dict[int, Entry]:
    """Files called N.extension, preferably of new_dataset/, by N.

    Raises:
        DataError: two files have the same number.
    """
    found: dict[int, Entry] = {}
    for entry in sources.find(f"*.{extension}"):
        stem = PurePosixPath(entry.name).stem
        if not (stem.isascii() and stem.isdecimal()):
            continue
        number = int(stem)
        if number in found:
            raise DataError(
                f"The face {number} was found twice: {found[number].where} and {entry.where}. Give "
                "only one of the two with --src."
            )
        found[number] = entry
    return found
