"""A table as rows of text: what all formats share. Numbers, marks and reasons get their words here."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from facesr_bench.console import format_count, format_value
from facesr_bench.leaderboard.model import Cell, Head, Row, Table

_ARROWS: dict[bool | None, str] = {True: " ↑", False: " ↓"}
_NOT_RANKED = " †"
_WORDS = {
    "missing": "-",
    "failed": "failed",
    "not measured": "not measured",
    "not run": "not run",
    "unfinished": "unfinished",
    "printed": "-",
}


@dataclass(frozen=True)
class Entry:
    """Text in a grid.

    Attributes:
        bold: whether ``text`` is the best of its column.
        tail: set behind it, never in bold.
    """

    text: str
    bold: bool = False
    tail: str = ""


@dataclass(frozen=True)
class Grid:
    """Heads, rows, and what stands below.

    Attributes:
        numbers: for each column, whether it is set to the right.
    """

    title: str
    heads: Sequence[str]
    numbers: Sequence[bool]
    rows: Sequence[Sequence[Entry]]
    notes: Sequence[str] = field(default_factory=tuple)


def grid_of(table: Table) -> Grid:
    """The words of a table."""
    return _paper_grid(table) if table.paper else _run_grid(table)


def _run_grid(table: Table) -> Grid:
    heads = ["method", *map(head_text, table.heads), "params", "s/image", "weights", "status",
             "images trained on"]  # fmt: skip
    numbers = [False, *[True] * (len(table.heads) + 2), False, False, True]
    rows = []
    for row in table.rows:
        cells = [Entry(value_text(cell), cell.best, tail_text(cell)) for cell in row.cells]
        rows.append([Entry(name_text(row)), *cells, *map(Entry, _facts(row))])
    floors = [head.floor for head in table.heads]
    if any(floors):
        rows.append([Entry(text) for text in ("HR (floor)", *(f or "-" for f in floors), *"-----")])
    return Grid(table.title, heads, numbers, rows, [*table.notes, *status_notes(table)])


def _paper_grid(table: Table) -> Grid:
    heads, numbers = ["method"], [False]
    for head in table.heads:
        heads += [f"{head_text(head)} paper", "ours", "Δ"]
        numbers += [True, True, True]
    heads += ["division", "status"]
    numbers += [False, False]
    rows = []
    for row in table.rows:
        entries = [Entry(name_text(row))]
        for head, cell in zip(table.heads, row.cells, strict=True):
            entries += [
                Entry(printed_text(head, cell)),
                Entry(value_text(cell), cell.best, tail_text(cell)),
                Entry(difference_text(head, cell)),
            ]
        entries += [Entry(row.division or "-"), Entry(row.status.name if row.status else "-")]
        rows.append(entries)
    differs: dict[str, list[str]] = {}
    for row in table.rows:
        for reason in row.differs:
            names = differs.setdefault(reason, [])
            if row.name not in names:
                names.append(row.name)
    with_runs = list(dict.fromkeys(row.name for row in table.rows if row.differs))
    told = [
        f"May differ ({'all' if names == with_runs else ', '.join(names)}): {reason}."
        for reason, names in differs.items()
    ]
    hidden = [f"Hidden here: {name}." for name in table.hidden]
    return Grid(
        table.title, heads, numbers, rows, [*told, *table.notes, *status_notes(table), *hidden]
    )


def head_text(head: Head) -> str:
    """The name of a column, its direction, and a dagger where it orders no methods."""
    arrow = _ARROWS.get(head.higher_is_better, "")
    return head.name + arrow + (_NOT_RANKED if head.of_too_few else "")


def value_text(cell: Cell) -> str:
    """A value with its interval, or the word for why there is none."""
    if cell.metric is None or cell.value is None:
        return _WORDS.get(cell.state, "-")
    shown = {"value": cell.value, "ci95": cell.ci95}
    text = format_value(shown)
    spread = cell.metric.get("spread")
    if spread is not None and cell.ci95 is None:
        text += f" ± {format_value({'value': float(spread) * cell.times})}"
    return text


def tail_text(cell: Cell) -> str:
    """What must be known of a value, behind it."""
    lost = (cell.metric or {}).get("not_scored")
    told = f" ({lost} not scored)" if lost else ""
    return told + "".join(f" {mark.text}" for mark in cell.marks)


def printed_text(head: Head, cell: Cell) -> str:
    """The paper's number with its own precision."""
    return cell.printed.text(head.printed) if cell.printed and head.printed else "-"


def difference_text(head: Head, cell: Cell) -> str:
    """Ours minus the paper's, with the paper's precision."""
    if cell.difference is None or head.printed is None:
        return "-"
    text = head.printed.text(cell.difference)
    return text if text.startswith("-") else f"+{text}"


def name_text(row: Row) -> str:
    """What ran, and what must be known of it."""
    words = [mark.text for mark in row.marks] + (["superseded"] if row.superseded else [])
    return row.name + "".join(f" ({word})" for word in words)


def _facts(row: Row) -> list[str]:
    record = row.record or {}
    seconds = (record.get("cost") or {}).get("seconds_per_image")
    trained = sum(entry.get("images", 0) for entry in record.get("trained_on") or ())
    return [
        format_count((record.get("cost") or {}).get("params")),
        "-" if seconds is None else f"{seconds:.4f}",
        str(row.division),
        row.status.name if row.status else "-",
        str(trained) if trained else "-",
    ]


def status_notes(table: Table) -> list[str]:
    """Why each row has its status, rows of one reason together."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in table.rows:
        if row.status is not None:
            names = reasons.setdefault((row.status.name, row.status.reason), [])
            if row.name not in names:
                names.append(row.name)
    return [
        f"{status} ({', '.join(names)}): {reason}." for (status, reason), names in reasons.items()
    ]
