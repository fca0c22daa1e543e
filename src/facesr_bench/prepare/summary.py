"""What a finished preparation says: ``prepared.json`` and the table on the terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN_LEFT_OUT = 5


class Tally:
    """Counts over the rows of a manifest, fed one row at a time."""

    def __init__(self) -> None:
        self.images: Counter[tuple[str, str]] = Counter()
        self.sizes: Counter[str] = Counter()
        self.domains: Counter[str] = Counter()
        self.landmarks: Counter[str] = Counter()
        self.people: set[str] = set()
        self.with_identity = self.borders = self.bytes = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row."""
        self.images[row["split"], row["role"]] += 1
        self.sizes[f"{row['height']}x{row['width']}"] += 1
        self.landmarks[row["landmarks_from"] or "none"] += 1
        self.borders += row["border"] is not None
        self.bytes += row["bytes"]
        if row["identity"] is not None:
            self.with_identity += 1
            self.people.add(row["identity"])
        if row["domain"] is not None:
            self.domains[row["domain"]] += 1

    def content(self) -> dict[str, Any]:
        """As plain JSON values."""
        splits: dict[str, dict[str, int]] = {}
        for (split, role), count in sorted(self.images.items()):
            splits.setdefault(split, {})[role] = count
        return {
            "images": sum(self.images.values()),
            "splits": splits,
            "sizes": dict(sorted(self.sizes.items())),
            "people": len(self.people),
            "with_identity": self.with_identity,
            "landmarks": dict(sorted(self.landmarks.items())),
            "domains": dict(sorted(self.domains.items())),
            "borders": self.borders,
            "image_bytes": self.bytes,
        }


def summary_table(facts: Mapping[str, Any], folder: str, seconds: float) -> Any:
    """The rich table a preparation ends with.

    Args:
        facts: the content of ``prepared.json``.
        folder: where it lies.
        seconds: how long this call took.
    """
    from rich.table import Table

    counts = facts["counts"]
    table = Table(title=f"{facts['title']} in {folder}", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", overflow="fold")
    for split, roles in counts["splits"].items():
        table.add_row(split, ", ".join(f"{n:,} {role.upper()}" for role, n in roles.items()))
    table.add_section()
    table.add_row("sizes", ", ".join(f"{n:,} of {size}" for size, n in _few(counts["sizes"])))
    if counts["people"]:
        table.add_row("people", f"{counts['people']:,} in {counts['with_identity']:,} images")
    if counts["domains"]:
        table.add_row("domains", ", ".join(f"{name} {n:,}" for name, n in _few(counts["domains"])))
    origins = {"owner": "from the owner", "yunet": "found by YuNet", "none": "without"}
    table.add_row(
        "landmarks", ", ".join(f"{n:,} {origins[how]}" for how, n in counts["landmarks"].items())
    )
    if counts["borders"]:
        table.add_row("with border", f"{counts['borders']:,}")
    packed = sum(pack["bytes"] for pack in facts["packs"])
    table.add_row(
        "disk", f"{counts['image_bytes'] / 1e6:,.1f} MB PNG, {packed / 1e6:,.1f} MB packed"
    )
    table.add_row("time", f"{seconds:,.1f} s")
    for note in facts["notes"]:
        table.add_row("note", note)
    left = facts["left_out"]
    for problem in left[:SHOWN_LEFT_OUT]:
        table.add_row("left out", f"{problem['source']}: {problem['reason']}")
    if len(left) > SHOWN_LEFT_OUT:
        table.add_row("left out", f"{len(left):,} in all, see prepared.json")
    return table


def _few(counts: Mapping[str, int], limit: int = 12) -> Sequence[tuple[str, int]]:
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
    rest = sum(counts.values()) - sum(number for _, number in shown)
    return [*shown, ("others", rest)] if rest else shown
