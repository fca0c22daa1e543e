"""The columns of a table, and which of their values may be called the best."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from facesr_bench.console import format_value, is_smoke_test
from facesr_bench.metrics.value import settings_hash

FEWEST_TO_RANK = 1000
"""A Fréchet distance of fewer images is printed, but orders no methods."""

_FEW = re.compile(r"_n\d+@")  # of a distance computed with allow_small


@dataclass(frozen=True)
class Column:
    """One metric, measured in one way.

    Attributes:
        key: the metric's.
        settings: their hash; the same key under other settings is another column.
        cells: the metric in each record of the table, None where it is missing.
    """

    key: str
    settings: str
    cells: tuple[Mapping[str, Any] | None, ...]

    @property
    def present(self) -> list[Mapping[str, Any]]:
        """The cells that hold a metric."""
        return [cell for cell in self.cells if cell is not None]

    @property
    def higher_is_better(self) -> bool | None:
        """The direction all cells agree on; None where they do not."""
        directions = {cell.get("higher_is_better") for cell in self.present}
        return directions.pop() if len(directions) == 1 else None

    @property
    def of_too_few(self) -> bool:
        """A distance of too few images to rank by."""
        if _FEW.search(self.key):
            return True
        return self.key.startswith("fd_") and any(
            _smaller_set(cell) < FEWEST_TO_RANK for cell in self.present
        )

    def best(self, may_win: Sequence[bool] | None = None) -> list[bool]:
        """For each cell, whether it is the best of the column.

        A value over fewer images than another's is never the best: a method must not win by losing
        the hard ones. The runner-up is not put in its place, since it is not the best either.

        Args:
            may_win: for each cell, whether it takes part at all; by default all do.
        """
        if may_win is not None:
            taking_part = zip(self.cells, may_win, strict=True)
            cells = tuple(cell if allowed else None for cell, allowed in taking_part)
            return replace(self, cells=cells).best()
        values = [cell["value"] for cell in self.present if cell.get("value") is not None]
        direction = self.higher_is_better
        if not values or direction is None or self.of_too_few:
            return [False] * len(self.cells)
        best = max(values) if direction else min(values)
        most = max(_images(cell) for cell in self.present)
        return [
            cell is not None and cell.get("value") == best and _images(cell) == most
            for cell in self.cells
        ]

    def floor(self) -> str | None:
        """What a perfect method would score; a range where the rows disagree."""
        floors = [cell["floor"] for cell in self.present if cell.get("floor") is not None]
        if not floors:
            return None
        low, high = min(floors), max(floors)
        text = format_value({"value": low})
        if high - low > 1e-6 * max(abs(low), abs(high)):
            text += f" to {format_value({'value': high})}"
        return text


def columns_of(records: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The columns of a table; those of one metric stand together. Smoke tests get none."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for key, metric in record["metrics"].items():
            if not is_smoke_test(metric):
                found.setdefault(key, {})[_hash(metric)] = None
    return [
        Column(key, settings, tuple(_cell(record, key, settings) for record in records))
        for key, hashes in found.items()
        for settings in hashes
    ]


def _cell(record: Mapping[str, Any], key: str, settings: str) -> Mapping[str, Any] | None:
    metric: Mapping[str, Any] | None = record["metrics"].get(key)
    return metric if metric is not None and _hash(metric) == settings else None


def _hash(metric: Mapping[str, Any]) -> str:
    return settings_hash(metric.get("settings", {}))


def _images(cell: Mapping[str, Any]) -> int:
    return int(cell.get("n") or 0)


def _smaller_set(cell: Mapping[str, Any]) -> int:
    """Images on the smaller side of a distance."""
    reference = cell.get("settings", {}).get("n_reference")
    return _images(cell) if reference is None else min(_images(cell), int(reference))
