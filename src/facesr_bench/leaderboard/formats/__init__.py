"""Tables as text: terminal, Markdown, CSV, LaTeX and an HTML fragment."""

from collections.abc import Callable, Sequence

from facesr_bench.leaderboard.formats.comma import comma_separated
from facesr_bench.leaderboard.formats.html import html_fragment
from facesr_bench.leaderboard.formats.latex import booktabs
from facesr_bench.leaderboard.formats.markdown import markdown
from facesr_bench.leaderboard.formats.terminal import terminal
from facesr_bench.leaderboard.model import Table

FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": comma_separated,
    "latex": booktabs,
    "html": html_fragment,
}
"""What ``--format`` takes."""
