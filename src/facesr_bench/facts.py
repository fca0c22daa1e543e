"""What is known of a user's own images besides their pixels: a CSV of people, landmarks, attributes.

Columns, in any order: ``key`` (path relative to the images' folder, with or without extension),
``identity`` (who it is; may be empty), and ``x0,y0 ... x4,y4``: the eye on the viewer's left, the other
eye, nose tip, mouth corner on the viewer's left, the other corner, in HR pixels with the centre of the
first pixel at 0 (all ten may be empty). Either kind of column may be left out. Besides them ``domain``
(where the image comes from), and any column of numbers is an attribute of that name (age, glasses ...),
by which scores can be broken down; columns of anything else are ignored.
"""

import csv
import io
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError

POINTS = tuple(f"{axis}{number}" for number in range(5) for axis in "xy")
"""Column names of the landmarks: x0, y0, x1 ... y4."""


@dataclass(frozen=True)
class Facts:
    """One image's row.

    Attributes:
        identity: who it shows, or None.
        landmarks: float32 (5, 2), x and y in HR pixels, or None.
        domain: where it comes from, or None.
        attributes: numbers by name, as far as they are given.
    """

    identity: str | None = None
    landmarks: NDArray[np.float32] | None = None
    domain: str | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)


class FactsTable:
    """Facts by key.

    Args:
        rows: key as written to its facts.
        source: the file they were read from, for messages.
    """

    def __init__(self, rows: dict[str, Facts], source: Path | None = None) -> None:
        self.rows, self.source = rows, source

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, key: str) -> Facts:
        """The facts of an image; empty where the table says nothing of it."""
        found = self.rows.get(key) or self.rows.get(str(PurePosixPath(key).with_suffix("")))
        return found or Facts()


def read_facts(path: Path, option: str) -> FactsTable:
    """Read a CSV of facts.

    Args:
        path: the file, UTF-8.
        option: what named it on the command line, for messages.

    Raises:
        DataError: it is missing, not such a table, or gives a key twice; with the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
    except FileNotFoundError:
        raise DataError(f"{option}={path} does not exist (from {Path.cwd()}).") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{option}={path} cannot be read as UTF-8 text ({error}).") from None
    table = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    names = set(table.fieldnames or ())
    points = names & set(POINTS)
    if "key" not in names or not (points or "identity" in names):
        first = next(iter(text.splitlines()), "")
        raise DataError(
            f"{option}={path} must name the column 'key' and 'identity' or 'x0', 'y0' ... 'y4' in its "
            f"first line, but that reads {first.strip()!r}."
        )
    if points and len(points) < len(POINTS):
        lacking = ", ".join(name for name in POINTS if name not in points)
        raise DataError(f"{option}={path} lacks the landmark columns {lacking}.")
    rows: dict[str, Facts] = {}
    lines = [(table.line_num, row) for row in table]
    numbers = _number_columns(table.fieldnames or (), [row for _, row in lines])
    for line, row in lines:
        where = f"{path}, line {line}"
        key = unicodedata.normalize("NFC", (row["key"] or "").strip())
        if not key:
            raise DataError(f"{where}: the key is empty.")
        if key in rows:
            raise DataError(f"{where}: the key {key!r} was already given.")
        identity = (row.get("identity") or "").strip() or None
        domain = (row.get("domain") or "").strip() or None
        attributes = {name: float(row[name] or "") for name in numbers if (row[name] or "").strip()}
        rows[key] = Facts(identity, _landmarks(row, where) if points else None, domain, attributes)
    if not rows:
        raise DataError(f"{option}={path} names no images.")
    return FactsTable(rows, path)


def _number_columns(names: Sequence[str], rows: Sequence[Mapping[str, str | None]]) -> list[str]:
    """Columns that hold finite numbers and nothing else, besides those that mean something else."""
    known = {"key", "identity", "domain", "", *POINTS}
    found = []
    for name in names:
        cells = [(row.get(name) or "").strip() for row in rows]
        if name not in known and any(cells) and all(_is_number(cell) for cell in cells if cell):
            found.append(name)
    return found


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _landmarks(row: dict[str, str | None], where: str) -> NDArray[np.float32] | None:
    written = [(row.get(name) or "").strip() for name in POINTS]
    if not any(written):
        return None
    try:
        numbers = [float(word) for word in written]
    except ValueError:
        raise DataError(
            f"{where}: the ten landmark columns must all be numbers, or all be empty."
        ) from None
    if not all(math.isfinite(number) for number in numbers):
        raise DataError(f"{where}: a landmark is not a finite number.")
    return np.array(numbers, dtype=np.float32).reshape(5, 2)
