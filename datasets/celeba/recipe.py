"""CelebA as its owner distributes it: aligned photos, split, people, attributes, landmarks."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from typing import ClassVar

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image
from facesr_bench.prepare.decoding import read_image
from facesr_bench.prepare.recipe import Landmarks, Plan, Raw, Recipe
from facesr_bench.prepare.sources import Entry, SourceSet

from .crops import ALIGNED, CROPS, Crop
from .joining import Annotations
from .lists import TextList, read_attributes, read_pairs, read_splits, read_table
from .places import one_place

IMAGES = 202_599

_FILE = re.compile(r"(\d{6})\.(?:jpg|jpeg|png)", re.IGNORECASE)


class CelebA(Recipe):
    """CelebA.

    Attributes are 0 or 1 under the owner's names (the file says -1 and 1); all photos are kept, so
    that leaving out Blurry, Eyeglasses and Wearing_Hat, as DAP-FSR does, is a choice of the protocol.

    Args:
        crop: "tdn" (the face of TDN and DAP-FSR, with 30 pixels around it as border), "square" (the
            middle 178x178) or "aligned" (the whole photo). The first and the last are no squares and
            are stretched to one.
    """

    name: ClassVar[str] = "celeba"
    title: ClassVar[str] = "CelebA: 202,599 aligned photos of 10,177 people"
    licence: ClassVar[str] = "non-commercial research only; images may not be passed on"
    where: ClassVar[str] = (
        "mmlab.ie.cuhk.edu.hk/projects/CelebA.html: Img/img_align_celeba.zip, "
        "Eval/list_eval_partition.txt, Anno/*.txt (identity_CelebA.txt on request)"
    )
    expected: ClassVar[tuple[str, ...]] = (
        "img_align_celeba.zip or img_align_celeba/ (000001.jpg to 202599.jpg)",
        "list_eval_partition.txt",
        "list_landmarks_align_celeba.txt (landmarks)",
        "list_attr_celeba.txt (attributes; optional)",
        "identity_CelebA.txt (people; optional)",
    )
    published: ClassVar[Mapping[str, tuple[int | None, str]]] = {
        "img_align_celeba.zip": (1_443_490_838, "00d2c5bc6d35e252742224ab0c1e8fcb"),
    }
    disk: ClassVar[str] = "1.4 GB"
    size: ClassVar[int] = 128

    def __init__(self, crop: str = "tdn") -> None:
        if crop not in CROPS:
            raise ConfigError(f"CelebA's crop is one of {', '.join(CROPS)}, not {crop!r}.")
        self.crop = crop
        self.stretch = crop != "square"
        self.enlarge = crop == "tdn"  # 107 pixels wide become 128

    def plan(self, sources: SourceSet) -> Plan:
        """Join the photos with their lists."""
        crop = CROPS[self.crop]
        files, passed_over = one_place(sources, _FILE, _rank)
        if not files:
            looked = ", ".join(str(path) for path in sources.paths)
            raise DataError(
                f"There are no aligned photos (img_align_celeba/000001.jpg ...) in {looked}, where "
                f"{len(sources):,} files were found. Give img_align_celeba.zip or the folder it "
                "unpacks to with --src; img_celeba holds the photos before alignment, and parts of a "
                "7z must be unpacked first."
            )
        where = {number: entry.where for number, entry in files.items()}
        lists = Annotations(sources)
        splits = lists.required("list_eval_partition", "the official split", read_splits, where)
        people = lists.optional("identity_CelebA", "people", read_pairs, where)
        attributes = lists.optional("list_attr_celeba", "attributes", read_attributes, where)
        points = lists.optional("list_landmarks_align_celeba", "landmarks", _landmarks, where)
        items = [
            Raw(
                key=f"{number:06d}.png",
                split=splits[number],
                read=partial(_read, entry, crop),
                source=entry.where,
                identity=str(people[number]) if people else None,
                attributes=attributes[number] if attributes else {},
                landmarks=crop.move(points[number]) if points else None,
                read_border=partial(_read_border, entry, crop) if crop.border else None,
                border=(crop.border,) * 4,
            )
            for number, entry in files.items()
        ]
        notes = [f"Crop {self.crop}: {crop.about}.", *passed_over, *lists.notes]
        return Plan(items, [*notes, *_counts(files, splits), *people_in_two_splits(items)])


def people_in_two_splits(items: Iterable[Raw]) -> list[str]:
    """A note when the split is not by person, as the owner's is."""
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for item in items:
        if item.identity is not None:
            splits[item.identity].add(item.split)
    shared = sum(len(found) > 1 for found in splits.values())
    if not shared:
        return []
    return [f"{shared:,} people are in more than one split; in the owner's files nobody is."]


def _landmarks(source: TextList) -> dict[int, Landmarks]:
    """Five points in pixels of the photo; "lefteye" is the one on the viewer's left, as in ours."""
    names, table = read_table(source)
    if len(names) != 10 or names[:2] != ["lefteye_x", "lefteye_y"]:
        raise DataError(
            f"{source.entry.where} has the columns {' '.join(names[:4])} ...; expected ten from "
            "lefteye_x on. Get it again."
        )
    return {number: row.reshape(5, 2) for number, row in table.items()}


def _counts(files: Mapping[int, Entry], listed: Mapping[int, object]) -> list[str]:
    absent = [number for number in listed if number not in files]
    if absent:
        return [
            f"{len(absent):,} of the {len(listed):,} photos in list_eval_partition are not there "
            f"(the first is {absent[0]:06d}.jpg) and were left out."
        ]
    return [f"{len(files):,} photos, not all {IMAGES:,}."] if len(files) != IMAGES else []


def _rank(place: str) -> int | None:
    """The owner's folder first; never the photos before alignment, which have the same names."""
    parts = place.lower().split("/")[-3:]
    if any("img_align_celeba_png" in part for part in parts):
        return 1  # the papers used the JPEG files
    if any("img_align_celeba" in part for part in parts):
        return 2
    return None if any(part.partition(".")[0] == "img_celeba" for part in parts) else 0


def _read(entry: Entry, crop: Crop) -> UInt8Image:
    return crop.cut(read_image(entry, ALIGNED))


def _read_border(entry: Entry, crop: Crop) -> UInt8Image:
    return crop.cut_with_border(read_image(entry, ALIGNED))
