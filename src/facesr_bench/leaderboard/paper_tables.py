"""A printed table beside our runs: every printed row is there, with the reason where ours is not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from facesr_bench.leaderboard.columns import Column
from facesr_bench.leaderboard.differing import why_ours_differs
from facesr_bench.leaderboard.lookup import metric_of, on_benchmark, why_missing
from facesr_bench.leaderboard.model import Cell, Head, Mark, Row, State, Table
from facesr_bench.leaderboard.protocols import superseded
from facesr_bench.leaderboard.provenance import (
    SMOKE,
    SMOKE_SCALE,
    cell_marks,
    division,
    is_smoke,
    row_marks,
)
from facesr_bench.leaderboard.records import Found, Unfinished
from facesr_bench.leaderboard.run_tables import mark_notes
from facesr_bench.leaderboard.status import status_of
from facesr_bench.metrics.value import settings_hash
from facesr_bench.papers import Block, Paper, PaperTable, WhoIs

Record = Mapping[str, Any]
_Measured = tuple[str, str]
"""A metric's key and the hash of its settings: what makes a column."""


def paper_tables(
    paper: Paper, table: PaperTable, found: Found, show_smoke: bool = False
) -> list[Table]:
    """A view for each block and each protocol that runs were made under.

    Args:
        paper: whose table it is.
        table: which.
        found: all runs; those of no row of this table are left out.
        show_smoke: whether runs that only show that the code runs get rows, marked as such; those on
            other data than the paper's stand in views of their own.
    """
    views = [
        view for block in table.blocks for view in _block(paper, table, block, found, show_smoke)
    ]
    smoke: dict[tuple[int, str], list[tuple[Path, Record]]] = {}
    for folder, record in found.records:
        place = _smoke_block(paper, table, record)
        if place is not None:
            key = (place, str(record["protocol"]["hash"]))
            smoke.setdefault(key, []).append((folder, record))
    if smoke and show_smoke:
        for (place, _), group in sorted(smoke.items(), key=lambda item: item[0]):
            block = table.blocks[place]
            ran = [n for n in block.rows if any(paper.is_like(paper.rows[n], r) for _, r in group)]
            alone = replace(block, rows={name: {} for name in ran})
            views.append(_view(paper, table, alone, group, [], elsewhere=True))
    elif smoke:
        records = [record for group in smoke.values() for _, record in group]
        data = ", ".join(sorted({str(record["protocol"]["name"]) for record in records}))
        count = f"{_runs(records)} of this table on {data}, scale=smoke"
        views[0] = replace(views[0], hidden=(*views[0].hidden, count))
    return views


def _runs(records: Sequence[Record]) -> str:
    return f"{len(records)} run{'s' * (len(records) > 1)}"


def _smoke_block(paper: Paper, table: PaperTable, record: Record) -> int | None:
    """The first block with the row that a run at scale=smoke, which is on other data, would have.

    It may be the run of another table of the paper, whose experiment ran first: they share runs.
    """
    asked = (record.get("config") or {}).get("table") or {}
    if asked.get("paper") != paper.name or record.get("scale") != "smoke":
        return None
    if any(on_benchmark(record, block) for block in table.blocks):
        return None
    places = enumerate(table.blocks)
    return next((n for n, block in places if _row_of(paper, block, record)), None)


def _block(
    paper: Paper, table: PaperTable, block: Block, found: Found, show_smoke: bool
) -> list[Table]:
    here = [(f, r) for f, r in found.records if on_benchmark(r, block) and _row_of(paper, block, r)]
    hidden = [] if show_smoke else [record for _, record in here if is_smoke(record)]
    shown = [(folder, record) for folder, record in here if show_smoke or not is_smoke(record)]
    stopped = [run for run in found.stopped if _could_be(paper, block, run)]
    by_hash: dict[str, list[tuple[Path, Record]]] = {}
    for folder, record in shown:
        by_hash.setdefault(str(record["protocol"]["hash"]), []).append((folder, record))
    groups = sorted(by_hash.values(), key=lambda group: _nearness(block, group[0][1])) or [[]]
    tables = [_view(paper, table, block, group, stopped) for group in groups]
    if hidden:
        tables[0] = replace(tables[0], hidden=(f"{_runs(hidden)} of a smoke budget",))
    return tables


def _nearness(block: Block, record: Record) -> tuple[Any, ...]:
    """The protocol nearest to the paper comes first: current, whole, in the order of the block."""
    name = str(record["protocol"]["name"])
    known = list(block.benchmark.protocols)
    place = known.index(name) if name in known else len(known)
    return (superseded(record) is not None, record["n_images"] != block.benchmark.images, place)


def _row_of(paper: Paper, block: Block, record: Record) -> WhoIs | None:
    """The row a record stands at: it is that row, or like it with other switches."""
    return next((paper.rows[n] for n in block.rows if paper.is_like(paper.rows[n], record)), None)


def _could_be(paper: Paper, block: Block, run: Unfinished) -> bool:
    record = run.as_record()
    return on_benchmark(record, block) and _row_of(paper, block, record) is not None


def _view(
    paper: Paper,
    table: PaperTable,
    block: Block,
    group: Sequence[tuple[Path, Record]],
    stopped: Sequence[Unfinished],
    elsewhere: bool = False,
) -> Table:
    columns = _columns(paper, block, [record for _, record in group])
    heads = [_head(paper, name, measured, columns) for name, measured in columns]
    rows = [
        row for name in block.rows for row in _rows(paper, block, name, columns, group, stopped)
    ]
    if elsewhere:
        rows = [replace(row, marks=_smoke_marks(row)) for row in rows]
    heads, rows = _crowned(heads, rows)
    where = "smoke runs on other data" if elsewhere else block.title
    title = f"{paper.title}, Table {table.number}: {table.title}; {where}"
    protocol = group[0][1]["protocol"] if group else None
    notes = []
    if protocol is not None:
        title += (
            f" ({protocol['name']}@{protocol['version']}, {group[0][1]['n_images']:,} images, "
            f"inputs {protocol['hash'][:12]})"
        )
    else:
        notes.append(f"No run of this block was found; to run it: {_command(table)}.")
    notes += [f"Paper: {note}" for note in paper.notes]
    notes += [f"{head.name}: ours is {head.key}." for head in heads if head.key]
    notes += [*mark_notes(rows), *_absent(rows)]
    return Table(title, heads, rows, notes, protocol, paper.name)


def _absent(rows: Sequence[Row]) -> list[str]:
    """Why printed rows have no run, rows of one reason together."""
    names: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for state, reason in dict.fromkeys((cell.state, cell.reason) for cell in row.cells):
            if state in ("not run", "printed"):
                names.setdefault((state, reason), []).append(row.name)
    words = {"printed": "the paper's alone"}
    return [f"{words.get(s, s)} ({', '.join(n)}): {why}." for (s, why), n in names.items()]


def _smoke_marks(row: Row) -> list[Mark]:
    """With the mark of a smoke run, which a method without a budget has not."""
    marks = [mark for mark in row.marks if mark.text not in (SMOKE, SMOKE_SCALE)]
    return [Mark(SMOKE, "scale=smoke: it shows that the code runs"), *marks]


def _command(table: PaperTable) -> str:
    return f"python -m facesr_bench -m experiment={table.experiment}"


def _columns(
    paper: Paper, block: Block, records: Sequence[Record]
) -> list[tuple[str, _Measured | None]]:
    """A printed column splits where runs measured it in several ways."""
    columns: list[tuple[str, _Measured | None]] = []
    for name in block.columns:
        ways: dict[_Measured, None] = {}
        for record in records:
            found = metric_of(paper.columns[name], record)
            if found is not None:
                ways[_way(found)] = None
        columns += [(name, way) for way in ways] or [(name, None)]
    return columns


def _way(found: tuple[str, Mapping[str, Any]]) -> _Measured:
    return found[0], settings_hash(dict(found[1].get("settings") or {}))


def _head(
    paper: Paper,
    name: str,
    measured: _Measured | None,
    columns: Sequence[tuple[str, _Measured | None]],
) -> Head:
    column = paper.columns[name]
    shown = name
    if measured and sum(other == name for other, _ in columns) > 1:
        shown += f" ({measured[0]}, {measured[1][:6]})"
    key, settings = measured or (None, None)
    return Head(shown, key, settings, column.higher_is_better, printed=column)


def _rows(
    paper: Paper,
    block: Block,
    name: str,
    columns: Sequence[tuple[str, _Measured | None]],
    group: Sequence[tuple[Path, Record]],
    stopped: Sequence[Unfinished],
) -> list[Row]:
    """The rows of one printed row: one for each run, or one that says why there is none."""
    who, printed = paper.rows[name], block.rows[name]
    if who.hr:
        return [_truth(who, paper, block, columns, [record for _, record in group])]
    rows: list[Row] = []
    others: list[Row] = []
    for folder, record in group:
        if not paper.is_like(who, record):
            continue
        other = paper.departures(who, record)
        cells = []
        for column, measured in columns:
            cell = _measured(paper, column, measured, record)
            cells.append(cell if other else replace(cell, printed=printed.get(column)))
        label = str(record.get("label") or record["method"])
        shown = who.prints if label in (who.prints, record["method"]) else f"{who.prints}: {label}"
        marks = _marks(paper, record)
        if other:
            shown = f"{record['method']} with {', '.join(other)}"
            marks.append(_other(who, other))
        (others if other else rows).append(
            Row(
                shown, cells, record, folder, division(record), status_of(record),
                marks, superseded(record), why_ours_differs(record, block),
            )
        )  # fmt: skip
    for run in stopped:
        if paper.is_row(who, run.as_record()):
            state, why = (
                ("failed", run.error)
                if run.error
                else ("unfinished", f"{run.folder.name}: no record yet")
            )
            rows.append(_empty(who, cast("State", state), str(why), columns, printed))
    if rows:
        return [*rows, *others]
    if others:
        reason = "no run has the switches of this row; the next rows have others"
        return [_empty(who, "not run", reason, columns, printed), *others]
    if who.method is None:
        reason = "another system; score its images with label=NAME, as the row (+method=images)"
        reason = f"{who.why}; {reason}" if who.why else reason
        return [_empty(who, "printed", reason, columns, printed)]
    return [_empty(who, "not run", "no run was found", columns, printed)]


def _marks(paper: Paper, record: Record) -> list[Mark]:
    """A record's own, and what the paper's file says all rows of its method lack."""
    lacks = (Mark(lack.mark, lack.why) for lack in paper.lacking(record))
    return [*row_marks(record), *lacks]


def _other(who: WhoIs, switches: Sequence[str]) -> Mark:
    names = ", ".join(switch.partition("=")[0] for switch in switches)
    return Mark("other switches", f"not the paper's {who.prints}, which differs in {names}")


def _empty(
    who: WhoIs,
    state: State,
    reason: str,
    columns: Sequence[tuple[str, _Measured | None]],
    printed: Mapping[str, Any],
) -> Row:
    cells = [Cell(state, reason=reason, printed=printed.get(column)) for column, _ in columns]
    return Row(who.prints, cells)


def _measured(paper: Paper, name: str, measured: _Measured | None, record: Record) -> Cell:
    column = paper.columns[name]
    found = metric_of(column, record)
    if found is None:
        state, reason = why_missing(column, record)
        return Cell(cast("State", state), reason=reason)
    if measured is None or _way(found) != measured:
        return Cell("missing", reason=f"measured with other settings ({found[0]})")
    return Cell("measured", found[1], column.times, marks=cell_marks(found[0], record))


def _truth(
    who: WhoIs,
    paper: Paper,
    block: Block,
    columns: Sequence[tuple[str, _Measured | None]],
    records: Sequence[Record],
) -> Row:
    """The row of the ground truth: what HR itself scores, as the runs measured it."""
    cells = []
    for name, measured in columns:
        printed = block.rows[who.name].get(name)
        floors = [
            found[1]["floor"]
            for record in records
            if (found := metric_of(paper.columns[name], record)) is not None
            and measured == _way(found)
            and found[1].get("floor") is not None
        ]
        entry = {"value": floors[0], "higher_is_better": None} if floors else None
        state: State = "measured" if floors else "not run"
        times = paper.columns[name].times
        cells.append(Cell(state, entry, times, "" if floors else "no run says it", printed=printed))
    return Row(who.prints, cells)


def _crowned(heads: Sequence[Head], rows: Sequence[Row]) -> tuple[list[Head], list[Row]]:
    """Mark the best of each column among our runs; the paper's numbers take no part."""
    shown, flags = [], []
    for place, head in enumerate(heads):
        metrics = tuple(row.cells[place].metric if row.record else None for row in rows)
        column = Column(head.key or "", head.settings or "", metrics)
        winners = [
            row.may_be_best
            and not any(m.disqualifies for m in row.cells[place].marks)
            and not any(m.text in (SMOKE, SMOKE_SCALE) for m in row.marks)
            for row in rows
        ]
        flags.append(column.best(winners))
        shown.append(replace(head, of_too_few=column.of_too_few))
    crowned = [
        replace(
            row,
            cells=[replace(c, best=flags[place][n]) for place, c in enumerate(row.cells)],
        )
        for n, row in enumerate(rows)
    ]
    return shown, crowned
