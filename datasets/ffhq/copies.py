"""Which copy of FFHQ lies there: the owner's folders, a resized copy, a StyleGAN2-ADA archive.

They name the same face differently, number 12,345 being

* ``images1024x1024/12000/12345.png`` in the owner's folders, which hold a thousand each;
* ``00012/img00012345.png`` in an archive of StyleGAN2-ADA's dataset tool, whose folders are counted;
* ``12345.png`` or ``12345.jpg`` in flat copies.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import Literal

from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import Entry, SourceSet

IMAGES = 70_000
ORIGINAL, THUMBNAILS = "images1024x1024", "thumbnails128x128"

Form = Literal["nested", "packed", "flat"]

_FILE = re.compile(r"(?:(\d{5})|img(\d{8}))\.(?:png|jpg|jpeg|webp)", re.IGNORECASE)
_THOUSAND = re.compile(r"\d{5}")


@dataclass(frozen=True)
class Copy:
    """The images of one copy.

    Attributes:
        name: of the folder or archive that holds it ("images1024x1024", "ffhq256").
        form: how its files are named.
        files: by number, in order.
    """

    name: str
    form: Form
    files: dict[int, Entry]

    @property
    def official(self) -> bool:
        """Whether these are the owner's own files, so that the owner's file checksums hold."""
        return self.form == "nested" and self.name in (ORIGINAL, THUMBNAILS)

    def __str__(self) -> str:
        form = {
            "nested": "folders of a thousand, as the owner's",
            "packed": "numbered by StyleGAN2-ADA's dataset tool",
            "flat": "all in one folder",
        }[self.form]
        return f"{self.name} ({len(self.files):,} images, {form})"


def find_copies(sources: SourceSet) -> dict[str, Copy]:
    """All copies there are, by name; the photos before alignment ("in-the-wild-images") left out.

    Raises:
        DataError: a number twice in one copy, a number FFHQ does not have, or a file in the wrong
            folder of a thousand.
    """
    found: defaultdict[tuple[str, Form], dict[int, Entry]] = defaultdict(dict)
    for entry in sources:
        match = _FILE.fullmatch(entry.base)
        if match is None:
            continue
        folders = _folders(entry)
        if any("in-the-wild" in folder.lower() for folder in folders):
            continue
        number = int(match[1] or match[2])
        thousand = _thousand(entry)
        form: Form = "packed" if match[2] else "flat" if thousand is None else "nested"
        _check_number(entry, number, thousand, form)
        name = next((f for f in reversed(folders) if not _THOUSAND.fullmatch(f)), "")
        files = found[name, form]
        if number in files:
            raise DataError(
                f"{files[number].where} and {entry.where} are both image {number} of {name}; only one "
                "of them can be. Give the one folder or archive to use with --src."
            )
        files[number] = entry
    names = [name for name, _ in found]
    return {
        (name if names.count(name) == 1 else f"{name}:{form}"): Copy(
            name, form, dict(sorted(files.items()))
        )
        for (name, form), files in found.items()
    }


def choose(copies: dict[str, Copy], wanted: str, sources: SourceSet) -> Copy:
    """The copy asked for; "auto" takes the owner's 1024x1024, else the only one there is.

    Raises:
        DataError: there is none, none of that name, or several and nobody says which.
    """
    looked = ", ".join(str(path) for path in sources.paths)
    if not copies:
        raise DataError(
            f"There are no FFHQ images (images1024x1024/00000/00000.png ...) in {looked}, where "
            f"{len(sources):,} files were found. Give the folder images1024x1024, thumbnails128x128 or "
            "a resized copy with --src; in-the-wild-images holds the photos before alignment."
        )
    there = "; ".join(str(copy) for copy in copies.values())
    if wanted == "auto":
        official = copies.get(ORIGINAL)
        if official is None and len(copies) > 1:
            raise DataError(
                f"There are {len(copies)} copies of FFHQ in {looked}: {there}. Choose one with "
                f"--set copy=NAME ({', '.join(copies)})."
            )
        chosen = official or next(iter(copies.values()))
    elif wanted in copies:
        chosen = copies[wanted]
    else:
        raise DataError(f"There is no copy of FFHQ called {wanted!r} in {looked}, but {there}.")
    if "aging" in chosen.name.lower():
        raise DataError(
            f"{chosen} looks like FFHQ-Aging, whose images show more around the face than FFHQ's own; "
            "protocols on FFHQ do not hold for it. Give images1024x1024 or a resized copy of it."
        )
    return chosen


def _folders(entry: Entry) -> list[str]:
    """Folder names from the source down to the file; an archive counts by its name."""
    container = PurePath(entry.container.path.resolve())
    name = container.name
    if not entry.container.path.is_dir():
        name = name.partition(".")[0]
    return [*container.parent.parts[-1:], name, *PurePosixPath(entry.name).parts[:-1]]


def _thousand(entry: Entry) -> int | None:
    """The number of the folder the file lies in, where that is one of five digits."""
    parts = PurePosixPath(entry.name).parts
    parent = parts[-2] if len(parts) > 1 else entry.container.path.name.partition(".")[0]
    return int(parent) if _THOUSAND.fullmatch(parent) else None


def _check_number(entry: Entry, number: int, thousand: int | None, form: Form) -> None:
    if number >= IMAGES:
        raise DataError(f"{entry.where} would be image {number}, but FFHQ has {IMAGES:,}.")
    expected = number // 1000 if form == "packed" else number - number % 1000
    if thousand is not None and thousand != expected:
        raise DataError(
            f"{entry.where} lies in the folder {thousand:05d}, but image {number} belongs into "
            f"{expected:05d}; these are not FFHQ's numbers, or files were moved."
        )
