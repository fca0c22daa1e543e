"""CelebA's annotation files: text with CRLF, several blanks, and a count where the owner put one.

Copies with LF, with a header line or as CSV are read too. A file that is not the owner's own is said
so in a note; one that is cut short or contradicts itself is an error.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError
from facesr_bench.prepare.recipe import SplitName
from facesr_bench.prepare.sources import Entry, SourceSet, refuse_placeholder

PUBLISHED = {
    "list_eval_partition": (2_836_386, "d32c9cbf5e040fd4025c592c306e6668"),
    "identity_CelebA": (3_424_458, "32bd1bd63d3c78cd57e08160ec5ed1e2"),
    "list_attr_celeba": (26_721_026, "75e246fa4810816ffd6ee81facbd244c"),
    "list_landmarks_align_celeba": (12_156_055, "cc24ecafdb5b50baae59b03474781f8c"),
}
"""Bytes and md5 of the owner's files, which end their lines in CRLF."""

SPLITS: Mapping[int, SplitName] = {0: "train", 1: "val", 2: "test"}
"""Codes of list_eval_partition.txt."""

_IMAGE = re.compile(r"(\d+)\.(?:jpg|png)", re.IGNORECASE)


class Row(Mapping[str, float]):
    """One image's numbers by name, kept as a row of one shared table: 200,000 dicts would not do."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: Mapping[str, int], values: NDArray[np.float32]) -> None:
        self._names, self._values = names, values

    def __getitem__(self, name: str) -> float:
        return float(self._values[self._names[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class TextList:
    """One annotation file.

    Attributes:
        entry: where it lies.
        text: its content.
        note: how it differs from what the owner publishes, or None.
    """

    entry: Entry
    text: str
    note: str | None

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and words of every line that has any."""
        for number, line in enumerate(self.text.splitlines(), start=1):
            words = line.replace(",", " ").split()
            if words:
                yield number, words

    def fault(self, number: int, what: str) -> DataError:
        """An error that names the file and the line."""
        return DataError(f"{self.entry.where}, line {number}: {what}")


def find_list(sources: SourceSet, name: str) -> TextList | None:
    """An annotation file by its name without extension; None when it is not there.

    Raises:
        DataError: there are several that differ, or it is a web page, a pointer or no text.
    """
    found = sources.find(f"{name}.txt") or sources.find(f"{name}.csv")
    if not found:
        return None
    contents = [entry.read() for entry in found]
    if any(content != contents[0] for content in contents):
        sources.one(found[0].base, "its copies differ")  # raises, naming the places
    entry, content = found[0], contents[0]
    refuse_placeholder(content, entry.where)
    return TextList(entry, entry.text(), _compare(entry, content, name))


def read_pairs(source: TextList) -> dict[int, int]:
    """A file of "000001.jpg 2" lines: a number for each image number.

    Raises:
        DataError: a line of another form (the file was cut short there), or an image named twice.
    """
    pairs: dict[int, int] = {}
    for line, words in source.rows():
        match = _IMAGE.fullmatch(words[0])
        if match is None and line == 1:
            continue  # "image_id partition": some copies have a header
        if match is None or len(words) != 2 or not words[1].isdecimal():
            raise source.fault(
                line,
                f"expected an image and a number, found {' '.join(words)!r}. Most often the file was "
                "cut short; get it again.",
            )
        number = int(match[1])
        if number in pairs:
            raise source.fault(line, f"{words[0]} was already given.")
        pairs[number] = int(words[1])
    if not pairs:
        raise DataError(f"{source.entry.where} names no image; get it again.")
    return pairs


def read_table(source: TextList) -> tuple[list[str], dict[int, NDArray[np.float32]]]:
    """A file of a count, a line of column names and one line of numbers for each image.

    Returns:
        The names, and a row of numbers for each image number.

    Raises:
        DataError: it has fewer rows than it says, a row of another length, or an image twice.
    """
    rows = source.rows()
    line, words = next(rows, (1, [""]))
    count = int(words[0]) if len(words) == 1 and words[0].isdecimal() else None
    if count is not None:
        line, words = next(rows, (2, [""]))
    names = words[1:] if words[0].lower() == "image_id" else words
    table: dict[int, NDArray[np.float32]] = {}
    for line, words in rows:
        match = _IMAGE.fullmatch(words[0])
        if match is None or len(words) != len(names) + 1:
            raise source.fault(
                line,
                f"expected an image and {len(names)} numbers, found {len(words)} words from "
                f"{words[0]!r} on. Most often the file was cut short; get it again.",
            )
        number = int(match[1])
        if number in table:
            raise source.fault(line, f"{words[0]} was already given.")
        try:
            table[number] = np.array([float(word) for word in words[1:]], dtype=np.float32)
        except ValueError as error:
            raise source.fault(line, f"{error}.") from None
    if not table or (count is not None and len(table) != count):
        raise DataError(
            f"{source.entry.where} says that it has {count} rows, but has {len(table)}: it was cut "
            "short. Get it again."
            if count is not None
            else f"{source.entry.where} has no rows; get it again."
        )
    return names, table


def read_attributes(source: TextList) -> dict[int, Row]:
    """list_attr_celeba.txt, or CelebA-HQ's file of the same form: 1 where it holds, else 0."""
    names, table = read_table(source)
    columns = {name: column for column, name in enumerate(names)}
    return {number: Row(columns, np.maximum(values, 0)) for number, values in table.items()}


def read_splits(source: TextList) -> dict[int, SplitName]:
    """list_eval_partition.txt: the official split by image number.

    Raises:
        DataError: a split the owner does not know.
    """
    codes = read_pairs(source)
    for number, code in codes.items():
        if code not in SPLITS:
            raise DataError(
                f"{source.entry.where} puts image {number} into split {code}; the owner's file knows "
                "0 (train), 1 (val) and 2 (test). Get it again."
            )
    return {number: SPLITS[code] for number, code in codes.items()}


def _compare(entry: Entry, content: bytes, name: str) -> str | None:
    if name not in PUBLISHED:
        return None
    size, md5 = PUBLISHED[name]
    # Copies that went through a text editor or git end lines in LF; nothing else differs.
    original = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if len(original) != size:
        return f"{entry.base} has {len(original):,} bytes, not the published {size:,}."
    found = hashlib.md5(original, usedforsecurity=False).hexdigest()
    if found != md5:
        return f"{entry.base} has the published size but md5 {found}, not {md5}: it was changed."
    return None
