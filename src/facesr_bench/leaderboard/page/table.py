"""The table as HTML: it can be read without scripts; a script only sorts it."""

from collections.abc import Mapping, Sequence
from typing import Any

from facesr_bench.console import format_count, format_value, is_smoke_test
from facesr_bench.leaderboard.columns import FEWEST_TO_RANK, Column
from facesr_bench.leaderboard.page.board import Board
from facesr_bench.leaderboard.page.html import Html, join, tag
from facesr_bench.leaderboard.page.rows import marks_of

_WIDTH, _HEIGHT, _PAD = 84, 9, 3  # of the drawing of an interval, in pixels
_BETTER: Mapping[bool | None, tuple[str, str]] = {
    True: ("↑", "higher is better"),
    False: ("↓", "lower is better"),
    None: ("", ""),
}


def table(board: Board) -> Html:
    """Rows are runs, columns metrics, then cost; HR's own scores stand below."""
    columns = board.columns
    heads = [_head("method", "", "text")]
    for column, title in zip(columns, board.titles(), strict=True):
        arrow, meaning = _BETTER[column.higher_is_better]
        few = " †" if column.of_too_few else ""
        heads.append(_head(title, f"{arrow}{few}", "number", meaning))
    heads += [
        _head("parameters", "", "number"),
        _head("FLOPs", "", "number"),
        _head("s / image", "", "number"),
        _head("weights", "", "text"),
        _head("trained on, images", "", "number"),
    ]
    best = [column.best() for column in columns]
    rows = [_row(board, number, best) for number in range(len(board.runs))]
    floors = [column.floor() for column in columns]
    foot = None
    if any(floors):
        cells = [tag("td", floor or "–", class_="number") for floor in floors]
        head = tag("th", "HR (floor)", scope="row")
        foot = tag("tfoot", tag("tr", head, *cells, *[tag("td")] * 5))
    inside = join(tag("thead", tag("tr", *heads)), tag("tbody", *rows), foot)
    caption = tag("caption", f"{len(rows)} runs, {len(columns)} metrics", class_="hidden")
    grid = tag("table", caption, inside, id="table")
    return join(
        tag("div", grid, class_="scroll", tabindex="0", role="region", aria_label="Table of runs"),
        *(tag("p", note, class_="note") for note in _notes(board)),
    )


def _head(title: str, mark: str, kind: str, meaning: str = "") -> Html:
    button = tag("button", title, tag("span", f" {mark}", class_="arrow") if mark else None,
                 type="button", title=meaning or None)  # fmt: skip
    return tag("th", button, scope="col", class_=kind, data_kind=kind, aria_sort="none")


def _row(board: Board, number: int, best: Sequence[Sequence[bool]]) -> Html:
    run = board.runs[number]
    notes = [tag("span", mark, class_="mark") for mark in marks_of(run.record)]
    link = tag("a", run.name, href=f"#run-{number}")
    swatch = tag("i", class_=f"swatch c{number % 8}", aria_hidden="true")
    cells = [tag("th", swatch, link, *notes, scope="row", data_v=run.name)]
    for column, bold in zip(board.columns, best, strict=True):
        cells.append(_cell(column, number, bold[number]))
    cost = run.record["cost"] or {}
    seconds = cost.get("seconds_per_image")
    trained = sum(entry.get("images", 0) for entry in run.record["trained_on"] or [])
    cells += [
        _number(cost.get("params"), format_count(cost.get("params"))),
        _number(cost.get("flops"), format_count(cost.get("flops"))),
        _number(seconds, "–" if seconds is None else f"{seconds:.3g}"),
        tag("td", str(run.record["origin"]), data_v=str(run.record["origin"])),
        _number(trained or None, f"{trained:,}" if trained else "–"),
    ]
    return tag("tr", *cells)


def _number(value: float | None, shown: str) -> Html:
    return tag("td", shown.replace("-", "–") if value is None else shown, class_="number",
               data_v=value)  # fmt: skip


def _cell(column: Column, number: int, bold: bool) -> Html:
    cell = column.cells[number]
    if cell is None or cell.get("value") is None:
        return tag("td", "–", class_="number")
    value = cell["value"]
    shown = format_value({"value": value})
    interval = format_value(cell).removeprefix(shown).strip(" []").replace(", ", " – ")
    missing = f"{cell['not_scored']} not scored" if cell.get("not_scored") else None
    return tag(
        "td",
        tag("strong" if bold else "span", shown),
        _whisker(column, cell),
        tag("small", interval) if interval else None,
        tag("small", missing, class_="warn") if missing else None,
        class_="number",
        data_v=repr(float(value)),
    )


def _whisker(column: Column, cell: Mapping[str, Any]) -> Html | None:
    """The interval on the scale that all cells of the column share."""
    ends = [
        end
        for other in column.present
        if other.get("value") is not None
        for end in (other["value"], *(other.get("ci95") or ()))
    ]
    low, high = min(ends), max(ends)
    if not cell.get("ci95") or high <= low:
        return None

    def x(value: float) -> str:
        return f"{_PAD + (value - low) / (high - low) * (_WIDTH - 2 * _PAD):.1f}"

    first, last = cell["ci95"]
    middle = f"{_HEIGHT / 2:g}"
    return tag(
        "svg",
        tag("line", x1=_PAD, x2=_WIDTH - _PAD, y1=middle, y2=middle, class_="rail"),
        tag("line", x1=x(first), x2=x(last), y1=middle, y2=middle, class_="bar"),
        tag("circle", cx=x(cell["value"]), cy=middle, r="2.6"),
        width=_WIDTH, height=_HEIGHT, class_="whisker", aria_hidden="true",
    )  # fmt: skip


def _notes(board: Board) -> list[str]:
    """Sentences a reader needs beside the table."""
    cells = [cell for column in board.columns for cell in column.present]
    kinds = {str(cell["ci_kind"]) for cell in cells if cell.get("ci_kind")}
    notes = []
    if kinds:
        notes.append(
            f"Small numbers are 95 % intervals ({' or '.join(sorted(kinds))}); their drawings share "
            "one scale within a column. Bold is the best of a column, not by itself a difference."
        )
    if any(column.of_too_few for column in board.columns):
        notes.append(
            f"†: fewer than {FEWEST_TO_RANK:,} images, too few to rank methods by this distance, so "
            "nothing is in bold."
        )
    if any(cell.get("not_scored") for cell in cells):
        notes.append(
            "Not scored: images that are not in the value. Nothing is in bold where the best value is "
            "over fewer images than another."
        )
    if any(column.floor() for column in board.columns):
        notes.append("HR (floor): what HR itself would score in SR's place.")
    records = [run.record for run in board.runs]
    smoke = {key for r in records for key, metric in r["metrics"].items() if is_smoke_test(metric)}
    if smoke:
        notes.append(f"Left out, a smoke test and not a result: {', '.join(sorted(smoke))}.")
    if len({str((r.get("device") or {}).get("name")) for r in records}) > 1:
        notes.append(
            "Seconds were measured on different devices and cannot be compared across them."
        )
    return notes
