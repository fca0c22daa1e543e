"""What InsightFace puts into records: images with labels, and at the end the range of every person.

``train.idx`` has a line "key, tab, offset" for each record. Images are the records 1 .. N and people
N+1 .. N+K. Record 0 has two labels, the first person's key and the one after the last; those of a
person are the first image and the one after the last. ``train.lst`` lists the images before packing.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import Entry

from .recordio import RecordFile

_HEAD = struct.Struct("<IfQQ")
"""Number of labels that follow (0: the float is the label), label, id, second id."""
_MAX_LABELS = 1024


@dataclass(frozen=True)
class RecordImage:
    """One image.

    Attributes:
        key: of its record.
        label: the person's number.
        offset: of its record in the file.
    """

    key: int
    label: int
    offset: int


def parse(content: bytes, where: str) -> tuple[tuple[float, ...], int]:
    """Labels of a record, and where its JPEG begins.

    Raises:
        DataError: it is too short for what it says it holds.
    """
    if len(content) >= _HEAD.size:
        flag, label, _, _ = _HEAD.unpack_from(content)
        end = _HEAD.size + 4 * flag
        if flag <= _MAX_LABELS and end <= len(content):
            labels = struct.unpack_from(f"<{flag}f", content, _HEAD.size) if flag else (label,)
            return labels, end
    raise DataError(f"{where} is no image record: its {len(content)} bytes lack the head.")


def read_index(entry: Entry) -> dict[int, int]:
    """Key to offset.

    Raises:
        DataError: with the line that is not two numbers, or a key given twice.
    """
    found: dict[int, int] = {}
    for number, line in enumerate(entry.text("ascii").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or not all(word.isdecimal() for word in words):
            raise DataError(f"{entry.where}, line {number}: expected 'key offset', not {line!r}.")
        key, offset = map(int, words)
        if key in found:
            raise DataError(f"{entry.where}, line {number}: the key {key} was already given.")
        found[key] = offset
    if not found:
        raise DataError(f"{entry.where} is empty. Get it again.")
    return found


def read_images(records: RecordFile, index: Mapping[int, int]) -> list[RecordImage]:
    """All images in the order of their keys; every record's head is looked at.

    Raises:
        DataError: a record is damaged, or the people's ranges do not fit the labels.
    """
    name = records.path.name

    def labels(key: int) -> tuple[float, ...]:
        if key not in index:
            raise DataError(f"The index of {name} lacks the record {key}, which must exist.")
        where = f"{name}, record {key},"
        head = records.head(index[key])
        try:
            return parse(head, where)[0]
        except DataError:  # more labels than the first bytes hold
            return parse(records.read(index[key]), where)[0]

    first = labels(0) if 0 in index else ()
    if len(first) < 2:  # packed without people
        return [RecordImage(key, _whole(labels(key)[0], key), index[key]) for key in sorted(index)]
    people = range(_whole(first[0], 0), _whole(first[1], 0))
    images = [
        RecordImage(key, _whole(labels(key)[0], key), index[key]) for key in range(1, people.start)
    ]
    at = 1
    for key in people:
        bounds = labels(key)
        low = _whole(bounds[0], key)
        high = _whole(bounds[1], key) if len(bounds) > 1 else low
        of_person = {image.label for image in images[low - 1 : high - 1]}
        if low != at or not low < high <= people.start or len(of_person) != 1:
            raise DataError(
                f"{name}: the person of record {key} has the images from {low} to before {high}, with "
                f"{len(of_person)} labels, where those from {at} with one label must follow. The files "
                "do not belong together; get all again."
            )
        at = high
    if at != people.start:
        raise DataError(f"{name}: the images {at} to {people.start - 1} belong to no person.")
    return images


def read_list(entry: Entry) -> list[tuple[str, int]]:
    """Path and label of every line; boxes and landmarks refer to photos nobody has.

    Raises:
        DataError: with the line that is of another form.
    """
    found = []
    for number, line in enumerate(entry.text().splitlines(), 1):
        words = line.rstrip().split("\t")
        if words == [""]:
            continue
        try:
            found.append((words[1], int(float(words[2]))))
        except (IndexError, ValueError, OverflowError):
            raise DataError(
                f"{entry.where}, line {number}: expected 'aligned, path, label' with tabs, not "
                f"{line[:80]!r}."
            ) from None
    return found


def _whole(number: float, key: int) -> int:
    if not number.is_integer() or number < 0:
        raise DataError(f"The record {key} has the label {number}, which is no whole number.")
    return int(number)
