r"""LaTeX with booktabs (``\usepackage{booktabs}``): best values in bold, notes below the table."""

from collections.abc import Sequence

from facesr_bench.leaderboard.grid import Entry, Grid, grid_of
from facesr_bench.leaderboard.model import Table

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"\dag{}", "‡": r"\ddag{}", "±": r"$\pm$",
    "Δ": r"$\Delta$", "×": r"$\times$", "\n": " ",
}  # fmt: skip


def booktabs(tables: Sequence[Table]) -> str:
    """The tables one after the other, each a ``table`` environment."""
    return "\n".join(_one(grid_of(table)) for table in tables)


def escape(text: str) -> str:
    """Text that LaTeX sets as it reads."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _one(grid: Grid) -> str:
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(grid.title)}}}",
        rf"\begin{{tabular}}{{{''.join('r' if number else 'l' for number in grid.numbers)}}}",
        r"\toprule",
        _line([escape(head) for head in grid.heads]),
        r"\midrule",
        *(_line([_cell(entry) for entry in row]) for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    for note in grid.notes:
        lines.append(rf"\par\footnotesize {escape(note)}")
    return "\n".join([*lines, r"\end{table}", ""])


def _cell(entry: Entry) -> str:
    text = escape(entry.text)
    # Brackets after \\ would be read as its argument; a group keeps them text.
    text = f"{{{text}}}" if text.startswith("[") else text
    return (rf"\textbf{{{text}}}" if entry.bold else text) + escape(entry.tail)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
