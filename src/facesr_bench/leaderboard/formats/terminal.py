"""For the terminal: aligned columns; the best in bold, or with a star where nothing can be bold."""

import io
import sys
from collections.abc import Sequence

from facesr_bench.leaderboard.grid import Grid, grid_of
from facesr_bench.leaderboard.model import Table


def terminal(tables: Sequence[Table]) -> str:
    """The tables one after the other, as wide as they need."""
    return "\n".join(grid_as_text(grid_of(table)) for table in tables)


def grid_as_text(grid: Grid) -> str:
    """One table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    file, colours = io.StringIO(), sys.stdout.isatty()
    # Numbers must not be cut, so it is as wide as it needs to be; a terminal wraps.
    console = Console(file=file, width=10_000, force_terminal=colours, soft_wrap=True)
    console.print(Text(grid.title, style="bold"))
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for head, number in zip(grid.heads, grid.numbers, strict=True):
        drawn.add_column(Text(head), justify="right" if number else "left", no_wrap=True)
    for row in grid.rows:
        # Text: names may hold brackets, which rich would take for markup.
        cells = [Text(entry.text, "bold" if entry.bold else "") for entry in row]
        for cell, entry in zip(cells, row, strict=True):
            cell.append(("*" if entry.bold and not colours else "") + entry.tail, "")
        drawn.add_row(*cells)
    console.print(drawn)
    for note in grid.notes:
        console.print(Text(note, style="dim"))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
