"""What is known of a user's own images besides their pixels: a CSV of people and landmarks.

Columns, in any order, others ignored: ``key`` (path relative to the images' folder, with or without
extension), ``identity`` (who it is; may be empty), and ``x0,y0 ... x4,y4``: the eye on the viewer's
left, the other eye, nose tip, mouth corner on the viewer's left, the other corner, in HR pixels with
the centre of the first pixel at 0 (all ten may be empty). Either kind of column may be left out.
"""

import csv
import io
import math
import unicodedata
from dataclasses import dataclass
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
    """

    identity: str | None = None
    landmarks: NDArray[np.float32] | None = None


class FactsTable:
    """Facts by key.

    Args:
        rows: key as written to its facts.
    """

    def __init__(self, rows: dict[str, Facts]) -> None:
        self.rows = rows

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
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{option}={path} does not exist (from {Path.cwd()}).") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{option}={path} cannot be read as UTF-8 text ({error}).") from None
    table = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    names = set(table.fieldnames or ())
    points = names & set(POINTS)
    if "key" not in names or not (points or "identity" in names):
        raise DataError(
            f"{option}={path} must name the column 'key' and 'identity' or 'x0', 'y0' ... 'y4' in its "
            f"first line, but that reads {text.partition(chr(10))[0].strip()!r}."
        )
    if points and len(points) < len(POINTS):
        lacking = ", ".join(name for name in POINTS if name not in points)
        raise DataError(f"{option}={path} lacks the landmark columns {lacking}.")
    rows: dict[str, Facts] = {}
    for row in table:
        where = f"{path}, line {table.line_num}"
        key = unicodedata.normalize("NFC", (row["key"] or "").strip())
        if not key:
            raise DataError(f"{where}: the key is empty.")
        if key in rows:
            raise DataError(f"{where}: the key {key!r} was already given.")
        identity = (row.get("identity") or "").strip() or None
        rows[key] = Facts(identity, _landmarks(row, where) if points else None)
    if not rows:
        raise DataError(f"{option}={path} names no images.")
    return FactsTable(rows)


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
