"""The table as HTML: it can be read without scripts; a script only sorts it."""

import statistics
from collections.abc import Mapping
from typing import Any

from facesr_bench.console import format_count, format_value
from facesr_bench.leaderboard.columns import Column
from facesr_bench.leaderboard.model import Cell
from facesr_bench.leaderboard.page.board import Board
from facesr_bench.leaderboard.page.html import Html, join, tag
from facesr_bench.leaderboard.page.rows import marks_of, status_text

_WIDTH, _HEIGHT, _PAD = 84, 9, 3  # of the drawing of an interval, in pixels
_BETTER: Mapping[bool | None, tuple[str, str]] = {
    True: ("↑", "higher is better"),
    False: ("↓", "lower is better"),
    None: ("", ""),
}


def table(board: Board) -> Html:
    """Rows are runs, columns metrics, then cost; HR's own scores stand below."""
    heads = [_head("method", "", "text")]
    for metric in board.table.heads:
        arrow, meaning = _BETTER[metric.higher_is_better]
        few = " †" if metric.of_too_few else ""
        heads.append(_head(metric.name, f"{arrow}{few}", "number", meaning))
    heads += [
        _head("parameters", "", "number"),
        _head("FLOPs", "", "number"),
        _head("s / image", "", "number"),
        _head("weights", "", "text"),
        _head("status", "", "text"),
        _head("trained on, images", "", "number"),
    ]
    rows = [_row(board, number) for number in range(len(board.runs))]
    floors = [metric.floor for metric in board.table.heads]
    foot = None
    if any(floors):
        cells = [tag("td", floor or "–", class_="number") for floor in floors]
        head = tag("th", "HR (floor)", scope="row")
        foot = tag("tfoot", tag("tr", head, *cells, *[tag("td")] * 6))
    inside = join(tag("thead", tag("tr", *heads)), tag("tbody", *rows), foot)
    caption = tag("caption", f"{len(rows)} runs, {len(floors)} metrics", class_="hidden")
    grid = tag("table", caption, inside, id="table")
    return join(
        tag("div", grid, class_="scroll", tabindex="0", role="region", aria_label="Table of runs"),
        *(tag("p", note, class_="note") for note in _notes(board)),
    )


def _head(title: str, mark: str, kind: str, meaning: str = "") -> Html:
    button = tag("button", title, tag("span", f" {mark}", class_="arrow") if mark else None,
                 type="button", title=meaning or None)  # fmt: skip
    return tag("th", button, scope="col", class_=kind, data_kind=kind, aria_sort="none")


def _row(board: Board, number: int) -> Html:
    run, row = board.runs[number], board.table.rows[number]
    link = tag("a", run.name, href=f"#run-{number}")
    swatch = tag("i", class_=f"swatch c{number % 8}", aria_hidden="true")
    cells = [tag("th", swatch, link, *marks_of(row), scope="row", data_v=run.name)]
    for column, cell in zip(board.columns, row.cells, strict=True):
        cells.append(_cell(column, cell))
    cost = run.record["cost"] or {}
    seconds = cost.get("seconds_per_image")
    trained = sum(entry.get("images", 0) for entry in run.record["trained_on"] or [])
    status = row.status.name if row.status else None
    cells += [
        _number(cost.get("params"), format_count(cost.get("params"))),
        _number(cost.get("flops"), format_count(cost.get("flops"))),
        _number(seconds, "–" if seconds is None else f"{seconds:.3g}"),
        tag("td", str(row.division), data_v=str(row.division)),
        tag("td", status_text(row), data_v=status),
        _number(trained or None, f"{trained:,}" if trained else "–"),
    ]
    return tag("tr", *cells)


def _number(value: float | None, shown: str) -> Html:
    return tag("td", shown.replace("-", "–") if value is None else shown, class_="number",
               data_v=value)  # fmt: skip


def _cell(column: Column, cell: Cell) -> Html:
    metric, value = cell.metric, cell.value
    if metric is None or value is None:
        word = "failed" if cell.state == "failed" else "–"
        return tag("td", tag("span", word, title=cell.reason or None), class_="number")
    shown = format_value({"value": value})
    interval = format_value(metric).removeprefix(shown).strip(" []").replace(", ", " – ")
    missing = f"{metric['not_scored']} not scored" if metric.get("not_scored") else None
    marks = [tag("abbr", mark.text, title=mark.why) for mark in cell.marks]
    return tag(
        "td",
        tag("strong" if cell.best else "span", shown),
        *marks,
        _whisker(column, metric),
        tag("small", interval) if interval else None,
        tag("small", missing, class_="warn") if missing else None,
        class_="number",
        data_v=repr(value),
    )


def _whisker(column: Column, cell: Mapping[str, Any]) -> Html | None:
    """The interval on the scale that all cells of the column share."""
    scale = _scale(column)
    if not cell.get("ci95") or scale is None or not scale[0] <= cell["value"] <= scale[1]:
        return None
    low, high = scale

    def x(value: float) -> str:
        return f"{_PAD + (value - low) / (high - low) * (_WIDTH - 2 * _PAD):.1f}"

    first, last = (min(max(end, low), high) for end in cell["ci95"])
    middle = f"{_HEIGHT / 2:g}"
    return tag(
        "svg",
        tag("line", x1=_PAD, x2=_WIDTH - _PAD, y1=middle, y2=middle, class_="rail"),
        tag("line", x1=x(first), x2=x(last), y1=middle, y2=middle, class_="bar"),
        tag("circle", cx=x(cell["value"]), cy=middle, r="2.6"),
        width=_WIDTH, height=_HEIGHT, class_="whisker", aria_hidden="true",
    )  # fmt: skip


def _scale(column: Column) -> tuple[float, float] | None:
    """What the drawings of a column span; a value far from all others would hide their differences."""
    cells = [cell for cell in column.present if cell.get("value") is not None]
    values = [float(cell["value"]) for cell in cells]
    if len(values) > 3:
        first, _, third = statistics.quantiles(values, n=4, method="inclusive")
        room = 6 * (third - first)
        near = [c for c in cells if first - room <= float(c["value"]) <= third + room]
        cells = near if len(near) > 1 else cells
    ends = [end for cell in cells for end in (cell["value"], *(cell.get("ci95") or ()))]
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    return (low, high) if high > low else None


def _notes(board: Board) -> list[str]:
    """Sentences a reader needs beside the table: what the drawings are, then what every view says."""
    cells = [cell for column in board.columns for cell in column.present]
    kinds = {str(cell["ci_kind"]) for cell in cells if cell.get("ci_kind")}
    notes = []
    if kinds:
        notes.append(
            f"Small numbers are 95 % intervals ({' or '.join(sorted(kinds))}); their drawings share "
            "one scale within a column, which leaves out values far from all others. Bold is the "
            "best of a column, not by itself a difference."
        )
    notes += board.table.notes
    devices = {str((run.record.get("device") or {}).get("name")) for run in board.runs}
    if len(devices) > 1:
        notes.append(
            "Seconds were measured on different devices and cannot be compared across them."
        )
    return notes
