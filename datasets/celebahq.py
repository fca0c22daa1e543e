"""CelebA-HQ as CelebAMask-HQ distributes it, with CelebA's split joined through the mapping file."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from facesr_bench.errors import DataError
from facesr_bench.prepare.decoding import read_image
from facesr_bench.prepare.recipe import Plan, Raw, Recipe
from facesr_bench.prepare.sources import Entry, SourceSet

from .celeba.hq_mapping import IMAGES, compare_with_published, find_mapping, read_mapping
from .celeba.joining import Annotations
from .celeba.lists import Row, TextList, read_attributes, read_pairs, read_splits, read_table
from .celeba.places import one_place
from .celeba.recipe import people_in_two_splits

OFFICIAL = {"train": 24_183, "val": 2_993, "test": 2_824}
"""What the join gives on the owners' files."""
SIZE = (1024, 1024)
"""Of every image; copies of other sizes were made with operators nobody knows."""
DEFECTS = {70: "defective", 2110: "misaligned", 2815: "defective"}
"""Known to users; kept, since every paper kept them."""
TWICE = (234, 3329, 5162, 6770, 7384, 7561, 12444, 12885, 13825, 15506, 19199, 20134, 24646)
"""Each shows the same photo as the image after it (issue 84 of CelebAMask-HQ); kept likewise."""

_FILE = re.compile(r"(\d{1,5})\.(?:jpg|jpeg|png)", re.IGNORECASE)


class CelebAHQ(Recipe):
    """CelebA-HQ.

    The official split is CelebA's own: an image belongs where its photo of CelebA belongs. Keys are the
    image numbers with five digits, so that their order is the numbers' order (PAN's "first 5,000" are
    keys 00000.png to 04999.png). Attributes are 0 or 1 under the owner's names, and ``yaw``, ``pitch``,
    ``roll`` in degrees where the pose file is there.
    """

    name: ClassVar[str] = "celebahq"
    title: ClassVar[str] = "CelebA-HQ (CelebAMask-HQ): 30,000 photos of CelebA at 1024x1024"
    licence: ClassVar[str] = "non-commercial research and education only"
    where: ClassVar[str] = (
        "github.com/switchablenorms/CelebAMask-HQ: CelebAMask-HQ.zip; from CelebA "
        "(mmlab.ie.cuhk.edu.hk/projects/CelebA.html) Eval/list_eval_partition.txt for the split"
    )
    expected: ClassVar[tuple[str, ...]] = (
        "CelebAMask-HQ.zip or CelebAMask-HQ/ (CelebA-HQ-img/0.jpg to 29999.jpg)",
        "CelebA-HQ-to-CelebA-mapping.txt (inside it)",
        "list_eval_partition.txt (CelebA's: the split)",
        "CelebAMask-HQ-attribute-anno.txt, CelebAMask-HQ-pose-anno.txt (inside it; optional)",
        "identity_CelebA.txt (CelebA's: people; optional)",
    )
    disk: ClassVar[str] = "3 GB"
    size: ClassVar[int] = 1024

    def plan(self, sources: SourceSet) -> Plan:
        """Join the images with the mapping, and through it with CelebA's lists."""
        files, notes = one_place(sources, _FILE, _rank)
        if not files:
            looked = ", ".join(str(path) for path in sources.paths)
            raise DataError(
                f"There are no images (CelebA-HQ-img/0.jpg ...) in {looked}, where {len(sources):,} "
                "files were found. Give CelebAMask-HQ.zip or the folder it unpacks to with --src (some "
                "unzip programs on Windows lose folders of it)."
            )
        mapping = find_mapping(sources)
        photos = read_mapping(mapping)
        _refuse_other_numbering(files, photos, mapping)
        images = {number: entry.where for number, entry in files.items()}
        originals = {photos[number]: where for number, where in images.items()}
        lists = Annotations(sources)
        why = "the official split: an image belongs where its photo of CelebA belongs"
        splits = lists.required("list_eval_partition", why, read_splits, originals)
        people = lists.optional("identity_CelebA", "people", read_pairs, originals)
        attributes = lists.optional(
            "CelebAMask-HQ-attribute-anno", "attributes", read_attributes, images
        )
        poses = lists.optional("CelebAMask-HQ-pose-anno", "poses", _poses, images)
        items = [
            Raw(
                key=f"{number:05d}.png",
                split=splits[photos[number]],
                read=partial(read_image, entry, SIZE),
                source=entry.where,
                identity=str(people[photos[number]]) if people else None,
                attributes={
                    **(attributes[number] if attributes else {}),
                    **(poses[number] if poses else {}),
                },
            )
            for number, entry in files.items()
        ]
        published = compare_with_published(photos)
        notes += [*([published] if published else []), *lists.notes]
        notes += _counts(files, photos, Counter(item.split for item in items))
        return Plan(items, [*notes, *people_in_two_splits(items)])


def _refuse_other_numbering(
    files: Mapping[int, Entry], photos: Mapping[int, int], mapping: TextList
) -> None:
    """Copies numbered from 1 would get their neighbour's split and attributes."""
    unknown = [number for number in files if number not in photos]
    if not unknown:
        return
    first = files[unknown[0]].where
    raise DataError(
        f"{first} has no row in {mapping.entry.where}, which has {len(photos):,}"
        + (
            ". The images seem to be numbered from 1 (there is no 0.jpg); such copies are about, and "
            "every one of them would get its neighbour's split. Get CelebAMask-HQ.zip, whose images "
            "are numbered from 0 to 29999."
            if 0 not in files and 0 in photos
            else "; either the mapping was cut short or the image belongs to another set."
        )
    )


def _poses(source: TextList) -> dict[int, Row]:
    """The owner's columns are yaw, pitch and roll (spelt "Raw" in its header), in degrees."""
    names, table = read_table(source)
    if len(names) != 3:
        raise DataError(f"{source.entry.where} has {len(names)} columns of numbers, not 3.")
    columns = {"yaw": 0, "pitch": 1, "roll": 2}
    return {number: Row(columns, values) for number, values in table.items()}


def _counts(
    files: Mapping[int, Entry], photos: Mapping[int, int], found: Mapping[str, int]
) -> list[str]:
    notes = []
    absent = [number for number in photos if number not in files]
    if absent:
        notes.append(
            f"{len(absent):,} of the {len(photos):,} images in the mapping are not there (the first is "
            f"{absent[0]}.jpg) and were left out."
        )
    elif len(files) == IMAGES and dict(found) != OFFICIAL:
        counts = ", ".join(f"{found.get(name, 0):,} {name}" for name in OFFICIAL)
        expected = ", ".join(f"{count:,} {name}" for name, count in OFFICIAL.items())
        raise DataError(
            f"Joining the mapping with list_eval_partition.txt gives {counts}, but the owners' files "
            f"give {expected}: one of the two is not the owner's. Get both again."
        )
    known = [f"{number} ({what})" for number, what in DEFECTS.items() if number in files]
    if known:
        notes.append(f"Known to be poor, and kept as in every paper: {', '.join(known)}.")
    twice = [f"{n}/{n + 1}" for n in TWICE if n in files and n + 1 in files]
    if twice:
        notes.append(f"Said by users to show one photo twice, and kept: {', '.join(twice)}.")
    return notes


def _rank(place: str) -> int | None:
    """The owner's folder first; never the segmentation masks, which are numbered the same."""
    parts = place.lower().split("/")
    inner = parts[-2:]
    if any("-mask" in part for part in inner) or parts[-1].isdecimal():
        return None
    return 1 if "celeba-hq-img" in inner else 0
