"""Markdown: best values in bold, notes as paragraphs."""

from collections.abc import Iterable, Sequence

from facesr_bench.leaderboard.grid import Entry, Grid, grid_of
from facesr_bench.leaderboard.model import Table


def markdown(tables: Sequence[Table]) -> str:
    """The tables one after the other."""
    return "\n".join(grid_as_markdown(grid_of(table)) for table in tables)


def grid_as_markdown(grid: Grid) -> str:
    """One table."""
    lines = [f"### {grid.title}", "", _line(map(_safe, grid.heads))]
    lines.append(f"|{'|'.join('---:' if number else '---' for number in grid.numbers)}|")
    lines += [_line(map(_cell, row)) for row in grid.rows]
    for note in grid.notes:
        lines += ["", note]
    return "\n".join(lines) + "\n"


def _cell(entry: Entry) -> str:
    return _safe((f"**{entry.text}**" if entry.bold else entry.text) + entry.tail)


def _safe(text: str) -> str:
    """A bar or a line break inside a cell would end it."""
    return text.replace("|", "\\|").replace("\n", " ")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
