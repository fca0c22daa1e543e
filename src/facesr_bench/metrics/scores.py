"""The finished scores of one run, and the per-image table on disk."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facesr_bench.errors import DataError
from facesr_bench.images import write_atomically
from facesr_bench.metrics.value import MetricValue

PerImage = dict[str, dict[str, float]]
"""Metric name to image key to value."""


@dataclass(frozen=True)
class Scores:
    """What a suite made of a set of images.

    Attributes:
        values: metric name to value.
        per_image: metric name to image key to value, for metrics that score single images.
        skipped: metrics that could not apply to this test set, with the reason.
        failed: metrics that broke, with a sentence about it.
        images: how many different images were scored.
    """

    values: dict[str, MetricValue] = field(default_factory=dict)
    per_image: PerImage = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    images: int = 0

    def to_json(self) -> dict[str, Any]:
        """``metrics`` by name, ``skipped`` and ``failed``, as plain JSON values."""
        return {
            "metrics": {name: value.to_json() for name, value in self.values.items()},
            "skipped": dict(self.skipped),
            "failed": dict(self.failed),
        }


def write_per_image(
    path: Path, per_image: PerImage, identities: Mapping[str, str | None] | None = None
) -> None:
    """Write ``per_image.csv``: a row per image in key order, a column per metric.

    Numbers are written so that reading gives the same bits; where an image has no value for a
    metric its cell is empty. The column ``identity`` says who an image shows, so that two runs can be
    compared later by resampling people.
    """
    people = identities or {}
    keys = sorted({key for column in per_image.values() for key in column} | people.keys())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["key", "identity", *per_image])
    for key in keys:
        cells = (column.get(key) for column in per_image.values())
        numbers = ("" if cell is None else repr(float(cell)) for cell in cells)
        writer.writerow([key, people.get(key) or "", *numbers])
    write_atomically(path, text.getvalue().encode())


def read_per_image(path: Path) -> PerImage:
    """Read the numbers :func:`write_per_image` wrote.

    Raises:
        DataError: the file is missing or is not such a table.
    """
    names, rows = _read_table(path)
    try:
        return {
            name: {row[0]: float(row[column]) for row in rows if row[column]}
            for column, name in enumerate(names)
            if name not in ("key", "identity")
        }
    except (ValueError, IndexError) as error:
        raise DataError(f"The per-image table {path} is damaged ({error}).") from error


def read_identities(path: Path) -> dict[str, str]:
    """Who each image shows, where that is known.

    Raises:
        DataError: as :func:`read_per_image`.
    """
    names, rows = _read_table(path)
    if "identity" not in names:
        return {}
    column = names.index("identity")
    return {row[0]: row[column] for row in rows if len(row) > column and row[column]}


def read_keys(path: Path) -> list[str]:
    """The image keys, a row each.

    Raises:
        DataError: as :func:`read_per_image`.
    """
    _, rows = _read_table(path)
    return [row[0] for row in rows if row]


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:  # only csv knows where a line ends
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The per-image table {path} cannot be read ({error}).") from error
    if not rows or rows[0][:1] != ["key"]:
        raise DataError(f"{path} is not a per-image table: its first column must be 'key'.")
    return rows[0], rows[1:]
