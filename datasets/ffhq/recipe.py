"""FFHQ: the owner's folders, archives and copies, with split and landmarks of the owner's JSON."""

import hashlib
from functools import partial
from typing import ClassVar

import numpy as np

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image
from facesr_bench.prepare.recipe import Landmarks, Plan, Raw, Recipe, SplitName
from facesr_bench.prepare.sources import Entry, SourceSet, image_of
from facesr_bench.resize import Kernel

from .copies import IMAGES, ORIGINAL, THUMBNAILS, Copy, choose, find_copies
from .pixels import decode, square_side
from .records import FILE, TRAINING, Record, read_records


class FFHQ(Recipe):
    """Flickr-Faces-HQ.

    The split is the owner's: 60,000 train, 10,000 val. StyleGAN saw all of them, so val is no hold-out
    for a prior. SCGAN's own draws are shipped as lists of keys.

    Args:
        copy: which copy to read: the name of its folder or archive ("images1024x1024"), or "auto".
        verify_md5: compare every image with the owner's checksum (needs the JSON): of the file for the
            owner's folders, of the pixels for other copies at 1024x1024.
    """

    name: ClassVar[str] = "ffhq"
    title: ClassVar[str] = "FFHQ: 70,000 aligned faces at 1024x1024"
    licence: ClassVar[str] = (
        "CC BY-NC-SA 4.0 (NVIDIA); the photos have licences of their own, named in the JSON"
    )
    where: ClassVar[str] = (
        "github.com/NVlabs/ffhq-dataset: images1024x1024 (or thumbnails128x128) and "
        "ffhq-dataset-v2.json"
    )
    expected: ClassVar[tuple[str, ...]] = (
        "images1024x1024/00000/00000.png to 69000/69999.png",
        "or thumbnails128x128/ with the same folders, a StyleGAN2-ADA zip, a flat copy",
        "ffhq-dataset-v2.json (landmarks, split, checksums; optional)",
    )
    disk: ClassVar[str] = "89 GB (thumbnails 2 GB)"
    size: ClassVar[int] = 64
    # SCGAN's operator is not published; whole factors of 1024 are plain means.
    operator: Kernel = "box"

    def __init__(self, copy: str = "auto", verify_md5: bool = False) -> None:
        self.copy, self.verify_md5 = copy, verify_md5

    def plan(self, sources: SourceSet) -> Plan:
        """Choose the copy and join it with the JSON."""
        chosen = choose(find_copies(sources), self.copy, sources)
        records, notes = read_records(sources)
        side, resized = _side(chosen)
        if self.verify_md5:
            _check_verifiable(chosen, records, side)
        items = []
        for number, entry in chosen.files.items():
            record = None
            if records is not None:
                record = records.get(number)
                if record is None:
                    raise DataError(
                        f"{FILE} has {len(records):,} records but none for {entry.where}; it is not "
                        "the owner's whole file. Get it again."
                    )
            by_number: SplitName = "train" if number < TRAINING else "val"
            items.append(
                Raw(
                    key=f"{number:05d}.png",
                    split=record.split if record else by_number,
                    read=partial(_read, entry, side, chosen, record if self.verify_md5 else None),
                    source=entry.where,
                    landmarks=_scaled(record.points, side) if record else None,
                )
            )
        return Plan(items, [f"Read from {chosen}.", *resized, *_counts(chosen), *notes])


def _side(chosen: Copy) -> tuple[int, list[str]]:
    if chosen.official and chosen.name == THUMBNAILS:
        return 128, [
            "The owner's thumbnails were made with a filter nobody documents: numbers on them are not "
            "those of images reduced from 1024x1024."
        ]
    return (1024, []) if chosen.official else square_side(chosen.files.values(), 1024)


def _counts(chosen: Copy) -> list[str]:
    count = len(chosen.files)
    if count == IMAGES:
        return []
    notes = [f"{count:,} of FFHQ's {IMAGES:,} images."]
    if chosen.form == "packed":
        notes.append(
            "The dataset tool numbers what it is given: in a part of FFHQ these may not be the owner's "
            "numbers, and then split, landmarks and lists of keys are wrong."
        )
    return notes


def _check_verifiable(chosen: Copy, records: dict[int, Record] | None, side: int) -> None:
    if records is None:
        raise DataError(f"verify_md5 needs {FILE}; add the folder that holds it with --src.")
    if not chosen.official and side != 1024:
        raise DataError(
            f"verify_md5 cannot be done on {chosen}: the owner publishes checksums of {ORIGINAL} and "
            f"{THUMBNAILS} only."
        )


def _scaled(points: Landmarks, side: int) -> Landmarks:
    """Points of the 1024x1024 in a smaller image; pixel centres count from 0."""
    scaled: Landmarks = (points + np.float32(0.5)) * np.float32(side / 1024) - np.float32(0.5)
    return scaled


def _read(entry: Entry, side: int, copy: Copy, record: Record | None) -> UInt8Image:
    content = image_of(entry)
    if record is not None and copy.official:
        _compare(entry, "", content, record.files[copy.name])
    image = decode(content, side, entry.where)
    if record is not None and not copy.official:
        _compare(entry, " of its pixels", image.tobytes(), record.pixels[ORIGINAL])
    return image


def _compare(entry: Entry, what: str, content: bytes, expected: str) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != expected:
        raise DataError(
            f"{entry.where}: the md5{what} is {found}, but the owner's JSON has {expected}; the file "
            "was damaged or changed. Get it again."
        )
