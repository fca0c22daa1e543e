"""LSUN cat: list the images of the database or of its export, hold some out, cut the centre square."""

import re
from collections.abc import Iterator
from functools import partial

import numpy as np

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image, read_rgb
from facesr_bench.prepare.recipe import Plan, Raw, Recipe, SplitName
from facesr_bench.prepare.sources import Entry, FolderContainer, SourceSet, image_of

from .database import Database, open_database

IMAGES = 1_657_264
"""In the owner's database, beside two empty entries."""

_EXPORTED = re.compile(r"([0-9a-f]{40})\.(?:webp|jpe?g)")
_Images = dict[str, Entry | Database]


class LSUNCat(Recipe):
    """LSUN's category cat, which shows whether a method needs faces. PAN does so at 64 to 256.

    These are no faces: nobody has an identity, nothing is aligned, and metrics that look for faces or
    landmarks do not apply.

    Read from the database, as a folder with ``data.mdb``, or from the files that LSUN's own export
    script makes of it (``a/b/c/d/e/f/<key>.webp``, or all in one folder). The owner has no split, so
    the last keys in order are held out as "test". The shorter side of LSUN's images is 256 pixels.

    Args:
        held_out: how many images become the split "test".
        train: how many of the others are drawn; None takes all.
        seed: of that draw, ``RandomState(seed).permutation`` of their keys in order.
    """

    name = "lsun_cat"
    title = "LSUN cat: 1,657,264 photos of cats, no faces"
    licence = "No licence text; photos from the web, for research. Do not redistribute."
    where = "http://dl.yf.io/lsun/objects/cat.zip (checksum: cat.zip.md5), to be unpacked"
    expected = ("cat/ with data.mdb (and lock.mdb)", "or the exported files <40 hex digits>.webp")
    disk = "42 GB, twice with cat.zip"
    size = 256

    def __init__(self, held_out: int = 10_000, train: int | None = None, seed: int = 2020) -> None:
        if held_out < 1:
            raise ConfigError(
                f"held_out={held_out} must be at least 1: there is no other test set."
            )
        if train is not None and train < 0:
            raise ConfigError(f"train={train} must be a number of images, or null for all.")
        self.held_out, self.train, self.seed = held_out, train, seed

    def plan(self, sources: SourceSet) -> Plan:
        """List the keys, leave empty images out, hold out the last, draw from the others."""
        notes = ["These are cats: metrics that look for faces, people or landmarks do not apply."]
        sizes, images = self._find(sources, notes)
        keys = sorted(key for key, size in sizes.items() if size)
        if len(keys) != IMAGES:
            notes.append(
                f"{len(keys):,} images are here, the owner's database has {IMAGES:,}, so the split "
                "is not that of the whole set."
            )
        if len(keys) < len(sizes):
            notes.append(f"Left out: {len(sizes) - len(keys):,} entries without a single byte.")
        if len(keys) <= self.held_out:
            raise DataError(
                f"{self.held_out:,} images are to be held out for testing, but there are only "
                f"{len(keys):,}. Take fewer with --set held_out=N."
            )
        rest, test = keys[: -self.held_out], keys[-self.held_out :]
        items = [self._raw(key, "train", images[key]) for key in self._draw(rest, notes)]
        items += [self._raw(key, "test", images[key]) for key in test]
        return Plan(items, notes)

    def _find(self, sources: SourceSet, notes: list[str]) -> tuple[dict[str, int], _Images]:
        databases = sources.find("data.mdb")
        open_ones = [e for e in databases if isinstance(e.container, FolderContainer)]
        exported = dict(_exported(sources))
        looked = ", ".join(map(str, sources.paths))
        if len(open_ones) + bool(exported) > 1:
            places = [entry.where for entry in open_ones]
            places += [entry.where for entry in list(exported.values())[:1]]
            raise DataError(
                f"The images were found more than once in {looked}: {', '.join(places)}. Give only one "
                "database, or only the exported files, with --src."
            )
        if databases and not open_ones and not exported:
            raise DataError(
                f"{databases[0].where} is a database inside an archive, which cannot be read there: "
                f"LMDB maps its file. Unpack {databases[0].container.path.name} and give the folder "
                "that holds data.mdb with --src."
            )
        if open_ones:
            entry = open_ones[0]
            database = open_database((entry.container.path / entry.name).parent)
            sizes = database.sizes()
            return sizes, dict.fromkeys(sizes, database)
        if exported:
            notes.append("The images were read from exported files, not from the database.")
            sizes = {key: entry.container.size(entry.name) for key, entry in exported.items()}
            return sizes, dict(exported)
        raise DataError(
            f"There is neither data.mdb nor <40 hex digits>.webp in {looked}, where {len(sources):,} "
            "files were found. Unpack cat.zip and give the folder cat with --src."
        )

    def _draw(self, keys: list[str], notes: list[str]) -> list[str]:
        if self.train is None:
            return keys
        if len(keys) < self.train:
            raise DataError(
                f"{self.train:,} training images are to be drawn, but there are {len(keys):,}. --set "
                "train=null takes all."
            )
        order = np.random.RandomState(self.seed).permutation(len(keys))[: self.train]
        notes.append(f"train: {self.train:,} of {len(keys):,} drawn with seed {self.seed}.")
        return [keys[i] for i in sorted(order.tolist())]

    def _raw(self, key: str, split: SplitName, image: Entry | Database) -> Raw:
        where = (
            image.where if isinstance(image, Entry) else f"{image.file.parent.name}/data.mdb:{key}"
        )
        return Raw(
            # 4,096 folders: file systems and people dislike a million files in one.
            key=f"{key[:3]}/{key}.png",
            split=split,
            read=partial(_read, image, key, where),
            source=where,
        )


def _exported(sources: SourceSet) -> Iterator[tuple[str, Entry]]:
    found: dict[str, Entry] = {}
    for entry in sources:
        match = _EXPORTED.fullmatch(entry.base.lower())
        if match is None:
            continue
        key = match[1]
        if key in found:
            raise DataError(
                f"The image {key} was found twice: {found[key].where} and {entry.where}. Give only one "
                "of the two with --src."
            )
        found[key] = entry
        yield key, entry


def _read(image: Entry | Database, key: str, where: str) -> UInt8Image:
    content = image_of(image) if isinstance(image, Entry) else image.read(key)
    # What the value is says its content alone: WebP in the owner's cats, JPEG in other categories.
    if not (content[:4] == b"RIFF" and content[8:12] == b"WEBP") and content[:3] != b"\xff\xd8\xff":
        raise DataError(f"{where} is neither WebP nor JPEG (it starts with {content[:8]!r}).")
    try:
        pixels = read_rgb(content, orientation="stored")
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]
