"""CSV for programs: a line for every cell, numbers in full precision, nothing left out."""

import csv
import io
from collections.abc import Sequence

from facesr_bench.leaderboard.model import Cell, Head, Row, Table

COLUMNS = (
    "table", "protocol", "protocol_version", "protocol_hash", "row", "column", "key", "settings",
    "higher_is_better", "state", "value", "ci95_low", "ci95_high", "n", "best", "paper", "difference",
    "division", "status", "marks", "superseded", "reason", "run",
)  # fmt: skip


def comma_separated(tables: Sequence[Table]) -> str:
    """All cells of all tables, under one line of names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for table in tables:
        for row in table.rows:
            for head, cell in zip(table.heads, row.cells, strict=True):
                writer.writerow(map(_safe, _line(table, row, head, cell)))
    return text.getvalue()


def _line(table: Table, row: Row, head: Head, cell: Cell) -> list[object]:
    protocol = table.protocol or {}
    low, high = cell.ci95 or (None, None)
    return [
        table.title, protocol.get("name"), protocol.get("version"), protocol.get("hash"),
        row.name, head.name, head.key, head.settings, head.higher_is_better, cell.state,
        cell.value, low, high, None if cell.metric is None else cell.metric.get("n"), cell.best,
        None if cell.printed is None else cell.printed.value, cell.difference,
        row.division, row.status.name if row.status else None,
        "; ".join(mark.text for mark in (*row.marks, *cell.marks)), row.superseded, cell.reason,
        None if row.folder is None else row.folder.name,
    ]  # fmt: skip


def _safe(value: object) -> object:
    """A name that a spreadsheet would run as a formula gets an apostrophe; None is an empty cell."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value
