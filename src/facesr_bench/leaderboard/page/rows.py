"""What stands in a row beside its numbers."""

from facesr_bench.leaderboard.model import Row
from facesr_bench.leaderboard.page.html import Html, tag


def marks_of(row: Row) -> list[Html]:
    """A label for each thing a reader must know of the row; its reason shows on hovering."""
    marks = [(mark.text, mark.why) for mark in row.marks]
    if row.superseded:
        marks.append(("superseded", row.superseded))
    return [tag("span", text, class_="mark", title=why) for text, why in marks]


def status_text(row: Row) -> Html | None:
    """How far the method is verified here."""
    if row.status is None:
        return None
    return tag("span", row.status.name, title=row.status.reason)
