"""The finished scores of one run, and the per-image table on disk."""

import csv
import io
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


def write_per_image(path: Path, per_image: PerImage) -> None:
    """Write ``per_image.csv``: a row per image in key order, a column per metric.

    Numbers are written so that reading gives the same bits; where an image has no value for a
    metric its cell is empty.
    """
    keys = sorted({key for column in per_image.values() for key in column})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["key", *per_image])
    for key in keys:
        cells = (column.get(key) for column in per_image.values())
        writer.writerow([key, *("" if cell is None else repr(cell) for cell in cells)])
    write_atomically(path, text.getvalue().encode())


def read_per_image(path: Path) -> PerImage:
    """Read what :func:`write_per_image` wrote.

    Raises:
        DataError: the file is missing or is not such a table.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The per-image table {path} cannot be read ({error}).") from error
    if not rows or rows[0][:1] != ["key"]:
        raise DataError(f"{path} is not a per-image table: its first column must be 'key'.")
    names = rows[0][1:]
    try:
        return {
            name: {row[0]: float(row[column]) for row in rows[1:] if row[column]}
            for column, name in enumerate(names, start=1)
        }
    except (ValueError, IndexError) as error:
        raise DataError(f"The per-image table {path} is damaged ({error}).") from error
