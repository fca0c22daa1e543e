"""The images SCGAN's authors trained and tested on, from the zip their README links to."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Literal

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image
from facesr_bench.prepare.decoding import read_image
from facesr_bench.prepare.recipe import Plan, Raw, Recipe, SplitName
from facesr_bench.prepare.sources import Entry, SourceSet

TESTS = ("LS3D-w_balanced", "FFHQ", "Widerface", "WebFace")
"""The test folders of the README; keys, domains and the argument spell them so."""
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})


class SCGANZip(Recipe):
    """``imgs_train/{HIGH,LOW}`` and ``imgs_test/*``, image by image as they are.

    HIGH is HR to train on, LOW real LR to train on, unpaired. The test folders hold LR only (HR of
    the synthetic ones was never published), each a domain of the split "test". Transparency is
    dropped, as the authors' cv2 and PIL calls do. The names of the files inside are not documented, so
    any image in those folders counts.

    Args:
        tests: which test folders; None takes all four.
        train: whether HIGH and LOW are taken.
        hr_size: side that HIGH must have, in pixels; None takes them as they are.
        lr_size: side that LOW and the test images must have; None takes them as they are.
        allow_incomplete: go on when a folder is missing.
    """

    name = "scgan_zip"
    title = "SCGAN's own images"
    licence = "None stated; the repository's README allows academic research only."
    where = (
        "https://github.com/HaoHou-98/SCGAN, the Google Drive link of the README "
        "(id 12FURoPwr6G1j3DOOsgIYQSnXxg8mR0qU; no checksum is published)"
    )
    expected = ("the zip, with imgs_train/{HIGH,LOW} and imgs_test/{LS3D-w_balanced,FFHQ,...}",)
    disk = "not stated by the owner"
    size = 64
    operator = "box"

    def __init__(
        self,
        tests: Sequence[str] | None = None,
        train: bool = True,
        hr_size: int | None = 64,
        lr_size: int | None = 16,
        allow_incomplete: bool = False,
    ) -> None:
        unknown = [name for name in tests or () if name not in TESTS]
        if unknown or isinstance(tests, str):
            raise ConfigError(
                f"tests={tests!r} must be a list of {', '.join(TESTS)}, or null for all of them."
            )
        self.tests = TESTS if tests is None else tuple(tests)
        self.train, self.hr_size, self.lr_size = train, hr_size, lr_size
        self.allow_incomplete = allow_incomplete

    def plan(self, sources: SourceSet) -> Plan:
        """List the folders."""
        notes: list[str] = []
        missing: list[str] = []
        items: dict[str, Raw] = {}
        for folder, split, role in self._folders():
            found = 0
            for raw in self._images(sources, folder, split, role, notes):
                if raw.key in items:
                    raise DataError(
                        f"{items[raw.key].source} and {raw.source} would both become {raw.key}. Remove "
                        "one, or give only one of the archives with --src."
                    )
                items[raw.key] = raw
                found += 1
            if found:
                notes.append(f"{folder}: {found:,} images.")
            else:
                missing.append(folder)
        if missing:
            sentence = (
                f"There are no images in {', '.join(missing)} of {', '.join(map(str, sources.paths))}, "
                f"where {len(sources):,} files were found"
            )
            if not items or not self.allow_incomplete:
                raise DataError(
                    f"{sentence}. Give the authors' zip or the folder it unpacks to with --src; --set "
                    "train=false or --set tests=[Widerface] asks for less."
                )
            notes.append(f"{sentence}.")
        return Plan(sorted(items.values(), key=lambda raw: raw.key), notes)

    def _folders(self) -> Iterator[tuple[str, SplitName, Literal["hr", "lr"]]]:
        if self.train:
            yield "imgs_train/HIGH", "train", "hr"
            yield "imgs_train/LOW", "train", "lr"
        for name in self.tests:
            yield f"imgs_test/{name}", "test", "lr"

    def _images(
        self,
        sources: SourceSet,
        folder: str,
        split: SplitName,
        role: Literal["hr", "lr"],
        notes: list[str],
    ) -> Iterator[Raw]:
        entries = sources.find(f"{folder}/*")
        images = [e for e in entries if _is_image(e)]
        others = [e for e in entries if not _is_image(e)]
        if others:
            notes.append(
                f"{folder}: {len(others):,} of {len(entries):,} files are no images and left out "
                f"({others[0].base})."
            )
        if split == "test":
            # The authors' test.py asks for "*.png"; on Linux that is not "*.PNG".
            unseen = [e for e in images if not e.name.endswith(".png")]
            if unseen:
                notes.append(
                    f"{folder}: {len(unseen):,} of {len(images):,} images do not end in .png "
                    f"({unseen[0].base}); the authors' test.py does not see them, they are taken."
                )
        for entry in images:
            yield Raw(
                key=f"{folder}/{PurePosixPath(entry.name).stem}.png",
                split=split,
                read=partial(_read, entry, self.hr_size if role == "hr" else self.lr_size),
                source=entry.where,
                domain=PurePosixPath(folder).name if split == "test" else None,
                role=role,
            )


def _is_image(entry: Entry) -> bool:
    return PurePosixPath(entry.name).suffix.lower() in IMAGES


def _read(entry: Entry, side: int | None) -> UInt8Image:
    return read_image(entry, None if side is None else (side, side))
