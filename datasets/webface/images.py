"""The images of either form as one list: key, person, and how to get the bytes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import (
    Entry,
    FolderContainer,
    SourceSet,
    image_of,
    refuse_placeholder,
)

from .insightface import parse, read_images, read_index, read_list
from .recordio import RecordFile

_PERSON = re.compile(r"[0-9]{7}")
_IMAGES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True)
class Found:
    """One image of the owner.

    Attributes:
        key: of the prepared image.
        person: folder, or label in the records.
        source: for the manifest.
        content: reads the encoded image.
    """

    key: str
    person: str
    source: str
    content: Callable[[], bytes]


def from_folders(sources: SourceSet) -> list[Found]:
    """``0000045/001.jpg``: a folder of seven digits for each person.

    Raises:
        DataError: two files would get one key.
    """
    found: dict[str, Found] = {}
    for entry in sources:
        path = PurePosixPath(entry.container.path.resolve().name, entry.name)
        person = path.parent.name
        if not _PERSON.fullmatch(person) or path.suffix.lower() not in _IMAGES:
            continue
        key = f"{person}/{path.stem}.png"
        if key in found:
            raise DataError(
                f"{found[key].source} and {entry.where} would both become {key}. Remove one, or give "
                "only one of the copies with --src."
            )
        found[key] = Found(key, person, entry.where, partial(image_of, entry))
    return [found[key] for key in sorted(found)]


def records_of(sources: SourceSet) -> list[Entry]:
    """Record files: those that lie on disk if there are any, else those in archives."""
    found = sources.find("*.rec")
    return [e for e in found if isinstance(e.container, FolderContainer)] or found


def from_records(sources: SourceSet, notes: list[str]) -> list[Found]:
    """``train.rec`` with ``train.idx`` and, if it is there, ``train.lst``.

    Raises:
        DataError: they lie in an archive, the index is missing, or a file is damaged.
    """
    entries = records_of(sources)
    if len(entries) != 1:
        places = ", ".join(entry.where for entry in entries[:5]) or "none"
        raise DataError(f"One .rec file is needed, but there are {len(entries)}: {places}.")
    entry = entries[0]
    if not isinstance(entry.container, FolderContainer):
        raise DataError(
            f"{entry.where} lies in an archive, where single records cannot be reached. Unpack it "
            "and give the folder with --src."
        )
    records = RecordFile(entry.container.path / entry.name)
    with records.path.open("rb") as file:
        refuse_placeholder(file.read(512), entry.where)
    beside = {e.name: e for e in sources if e.container is entry.container}
    stem = entry.name.removesuffix(PurePosixPath(entry.name).suffix)
    if f"{stem}.idx" not in beside:
        raise DataError(f"{records.path} has no index beside it ({stem}.idx). Add it.")
    images = read_images(records, read_index(beside[f"{stem}.idx"]))
    paths: list[str] = []
    if f"{stem}.lst" in beside:
        listed = read_list(beside[f"{stem}.lst"])
        if [label for _, label in listed] == [image.label for image in images]:
            paths = [path for path, _ in listed]
        else:
            notes.append(
                f"{stem}.lst lists {len(listed):,} images whose labels are not those of the "
                f"{len(images):,} records; it is not used."
            )
    return [
        Found(
            key=f"{image.label:05d}/{image.key:07d}.png",
            person=f"{image.label:05d}",
            source=f"{entry.where}#{image.key}"
            + (f" ({'/'.join(PurePosixPath(paths[i]).parts[-2:])})" if paths else ""),
            content=partial(_content, records, image.key, image.offset),
        )
        for i, image in enumerate(images)
    ]


def _content(records: RecordFile, key: int, offset: int) -> bytes:
    content = records.read(offset)
    where = f"{records.path.name}, record {key},"
    image = content[parse(content, where)[1] :]
    if not image:
        raise DataError(f"{where} holds no image.")
    return image
