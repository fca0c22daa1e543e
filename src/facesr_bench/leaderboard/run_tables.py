"""Tables of all finished runs: one for each protocol, a row for each run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facesr_bench.console import is_smoke_test
from facesr_bench.leaderboard.baseline import missing_baseline
from facesr_bench.leaderboard.columns import FEWEST_TO_RANK, Column, columns_of
from facesr_bench.leaderboard.model import Cell, Head, Row, Status, Table
from facesr_bench.leaderboard.protocols import superseded
from facesr_bench.leaderboard.provenance import cell_marks, division, row_marks
from facesr_bench.leaderboard.status import status_of

Record = Mapping[str, Any]
Found = tuple[Path, Record]
"""A run's folder and its record."""


def run_tables(records: Sequence[Found]) -> list[Table]:
    """One table for each protocol hash, in the order of their first runs."""
    groups: dict[str, list[Found]] = {}
    for folder, record in records:
        groups.setdefault(str(record["protocol"]["hash"]), []).append((folder, record))
    return [_table(group) for group in groups.values()]


def _table(group: Sequence[Found]) -> Table:
    records = [record for _, record in group]
    first, protocol = records[0], records[0]["protocol"]
    columns = columns_of(records)
    bare = [_row(folder, record, number, columns) for number, (folder, record) in enumerate(group)]
    best = [
        column.best([_may_win(row, place) for row in bare]) for place, column in enumerate(columns)
    ]
    rows = [
        _crowned(
            row, [flags[number] for flags in best], status_of(row.record) if row.record else None
        )
        for number, row in enumerate(bare)
    ]
    title = (
        f"{protocol['name']}@{protocol['version']}: {first['n_images']} images, "
        f"inputs {protocol['hash'][:12]}"
    )
    return Table(title, _heads(columns), rows, _notes(records, rows, columns), protocol)


def _row(folder: Path, record: Record, number: int, columns: Sequence[Column]) -> Row:
    cells = [cell_of(record, column.key, column.cells[number]) for column in columns]
    return Row(
        str(record.get("label") or record["method"]),
        cells,
        record,
        folder,
        division(record),
        None,
        row_marks(record),
        superseded(record),
    )


def cell_of(record: Record, key: str, metric: Mapping[str, Any] | None, times: float = 1) -> Cell:
    """The cell of a record's metric, or why it has none."""
    if metric is not None:
        return Cell("measured", metric, times, marks=cell_marks(key, record))
    failed, skipped = record.get("metrics_failed") or {}, record.get("metrics_skipped") or {}
    if key in failed:
        return Cell("failed", reason=str(failed[key]))
    if key in skipped:
        return Cell("not measured", reason=str(skipped[key]))
    if key in record["metrics"]:
        return Cell(
            "missing", reason=f"{key} was measured with other settings, see its other column"
        )
    return Cell("missing", reason=f"the run did not measure {key}")


def _may_win(row: Row, place: int) -> bool:
    return row.may_be_best and not any(mark.disqualifies for mark in row.cells[place].marks)


def _crowned(row: Row, best: Sequence[bool], status: Status | None) -> Row:
    cells = [replace(cell, best=flag) for cell, flag in zip(row.cells, best, strict=True)]
    return replace(row, cells=cells, status=status)


def _heads(columns: Sequence[Column]) -> list[Head]:
    names = [column.key for column in columns]
    return [
        Head(
            column.key + (f" ({column.settings[:6]})" if names.count(column.key) > 1 else ""),
            column.key,
            column.settings,
            column.higher_is_better,
            column.of_too_few,
            column.floor(),
        )
        for column in columns
    ]


def _notes(records: Sequence[Record], rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Sentences a reader needs beside this table."""
    notes = []
    if any(column.of_too_few for column in columns):
        notes.append(
            f"†: fewer than {FEWEST_TO_RANK:,} images, too few to rank methods by this distance, so "
            "nothing is in bold."
        )
    if any(cell.get("not_scored") for column in columns for cell in column.present):
        notes.append(
            "Not scored: images that are not in the value (no face found, no second photo, flat). "
            "Nothing is in bold where the best value is over fewer images than another."
        )
    if any(column.floor() for column in columns):
        notes.append(
            "HR (floor): what HR itself would score in SR's place; for FD, FID and KID, real faces "
            "that the other half of the reference set does not show."
        )
    smoke = {key for r in records for key, metric in r["metrics"].items() if is_smoke_test(metric)}
    if smoke:
        notes.append(f"Left out, a smoke test and not a result: {', '.join(sorted(smoke))}.")
    notes += mark_notes(rows)
    missing = missing_baseline(records)
    return [*notes, f"{missing}."] if missing else notes


def mark_notes(rows: Sequence[Row]) -> list[str]:
    """A sentence for every mark, for superseded rows, and for cells that failed or were skipped."""
    notes: dict[str, None] = {}
    for row in rows:
        for mark in (*row.marks, *(mark for cell in row.cells for mark in cell.marks)):
            tail = "; such a value is never called the best" if mark.disqualifies else ""
            notes[f"{mark.text} ({row.name}): {mark.why}{tail}."] = None
        if row.superseded:
            notes[f"superseded ({row.name}): {row.superseded}."] = None
    by_reason: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for cell in row.cells:
            if cell.state in ("failed", "not measured", "unfinished"):
                names = by_reason.setdefault((cell.state, cell.reason), [])
                if row.name not in names:
                    names.append(row.name)
    for (state, reason), names in by_reason.items():
        notes[f"{state} ({', '.join(names)}): {reason.rstrip('.')}."] = None
    return list(notes)
