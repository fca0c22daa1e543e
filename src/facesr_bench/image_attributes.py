"""``attributes.csv``: what a data set knows of its test images, so that a page can break scores down.

Columns: ``key``, ``domain`` (may be empty), then one for each attribute; a cell is empty where an image
has no such attribute. The file is left out where the data set knows nothing.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.errors import DataError
from facesr_bench.images import write_atomically

if TYPE_CHECKING:
    from facesr_bench.protocol import TestSet

_FIRST = ("key", "domain")


@dataclass(frozen=True)
class ImageAttributes:
    """Facts of the images of one test set.

    Attributes:
        domains: image key to where it comes from, as far as known.
        attributes: name to image key to number, as far as known.
    """

    domains: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def write_attributes(
    path: Path,
    keys: Sequence[str],
    domains: Sequence[str | None],
    attributes: Sequence[Mapping[str, float]],
) -> bool:
    """Write the table, a row per key in the order given; reading gives the same bits.

    Returns:
        Whether there was anything to write.
    """
    names = sorted({name for facts in attributes for name in facts} - set(_FIRST))
    if not names and not any(domains):
        return False
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FIRST, *names])
    for key, domain, facts in zip(keys, domains, attributes, strict=True):
        numbers = (facts.get(name) for name in names)
        cells = ["" if n is None or math.isnan(n) else repr(float(n)) for n in numbers]
        writer.writerow([key, domain or "", *cells])
    write_atomically(path, text.getvalue().encode())
    return True


Facts = Mapping[str, tuple[str | None, Mapping[str, float]]]
"""Image key to domain and attributes."""


def facts_of(test_set: "TestSet") -> Facts:
    """What a test set knows of its images."""
    facts = zip(test_set.domains, test_set.attributes, strict=True)
    return dict(zip(test_set.keys, facts, strict=True))


def write_facts(path: Path, facts: Facts) -> bool:
    """:func:`write_attributes` of the images of several test sets, in the order of their keys."""
    keys = sorted(facts)
    domains, attributes = [facts[k][0] for k in keys], [facts[k][1] for k in keys]
    return write_attributes(path, keys, domains, attributes)


def read_attributes(path: Path) -> ImageAttributes:
    """Read the table; empty where there is none, as in records of older versions.

    Raises:
        DataError: it is there and is damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        return ImageAttributes()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The attributes {path} cannot be read ({error}).") from error
    if not rows or tuple(rows[0][:2]) != _FIRST:
        raise DataError(f"{path} is not a table of attributes: it must begin with key, domain.")
    names = rows[0][2:]
    domains: dict[str, str] = {}
    attributes: dict[str, dict[str, float]] = {name: {} for name in names}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise DataError(f"{path}, line {number}: {len(row)} cells, not {len(rows[0])}.")
        if row[1]:
            domains[row[0]] = row[1]
        for name, cell in zip(names, row[2:], strict=True):
            if cell:
                attributes[name][row[0]] = _number(cell, path, number)
    return ImageAttributes(domains, attributes)


def _number(cell: str, path: Path, line: int) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{path}, line {line}: {cell!r} is not a finite number.")
    return number
