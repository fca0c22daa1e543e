"""An HTML fragment to paste into a page: a table and its notes, every string escaped, no script."""

from collections.abc import Sequence
from html import escape

from facesr_bench.leaderboard.grid import Entry, Grid, grid_of
from facesr_bench.leaderboard.model import Table


def html_fragment(tables: Sequence[Table]) -> str:
    """The tables one after the other."""
    return "\n".join(_one(grid_of(table)) for table in tables)


def _one(grid: Grid) -> str:
    heads = "".join(
        f"<th{_side(number)}>{escape(head)}</th>"
        for head, number in zip(grid.heads, grid.numbers, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            f"<td{_side(number)}>{_cell(entry)}</td>"
            for entry, number in zip(row, grid.numbers, strict=True)
        )
        + "</tr>"
        for row in grid.rows
    )
    notes = "\n".join(f"<p>{escape(note)}</p>" for note in grid.notes)
    return (
        f"<table>\n<caption>{escape(grid.title)}</caption>\n<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table>\n{notes}\n"
    )


def _cell(entry: Entry) -> str:
    text = escape(entry.text)
    return (f"<strong>{text}</strong>" if entry.bold else text) + escape(entry.tail)


def _side(number: bool) -> str:
    return ' style="text-align:right"' if number else ""
