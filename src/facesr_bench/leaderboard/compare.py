"""``facesr-bench leaderboard compare RUN_A RUN_B``: is their difference more than chance?

Both runs were tested on the same images, so differences are paired: people (or images) are resampled
together, and of distances between sets the same groups of images are left out of both.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.console import format_value, is_smoke_test
from facesr_bench.errors import ConfigError
from facesr_bench.leaderboard.formats.markdown import grid_as_markdown
from facesr_bench.leaderboard.formats.terminal import grid_as_text
from facesr_bench.leaderboard.grid import Entry, Grid
from facesr_bench.metrics.intervals import Intervals, PairedDifference
from facesr_bench.metrics.pairing import paired
from facesr_bench.metrics.scores import PerImage, read_identities, read_per_image
from facesr_bench.results import read_record

CHANCE = 0.05
"""A difference with a smaller p-value is called real."""


@dataclass(frozen=True)
class Run:
    """A finished run with the values of its images."""

    record: Mapping[str, Any]
    per_image: PerImage
    identities: Mapping[str, str]

    @property
    def label(self) -> str:
        """As tables call it."""
        return str(self.record.get("label") or self.record["method"])


@dataclass(frozen=True)
class Compared:
    """One metric in both runs.

    Attributes:
        difference: a - b; None where the two cannot be paired.
        better: "a", "b" or "neither", None where nothing can be said.
        why_not: why there is no difference, or no verdict.
    """

    key: str
    a: Mapping[str, Any]
    b: Mapping[str, Any]
    difference: PairedDifference | None
    better: str | None
    why_not: str = ""


def read_run(folder: Path) -> Run:
    """A run's record and ``per_image.csv``.

    Raises:
        DataError: there is no record, or a file is damaged.
    """
    record = read_record(folder / "result.json")
    table = folder / "per_image.csv"
    if not table.is_file():
        return Run(record, {}, {})
    return Run(record, read_per_image(table), read_identities(table))


def compare(a: Run, b: Run) -> list[Compared]:
    """Every metric both runs have, stand-ins left out.

    Raises:
        ConfigError: they were not tested on the same images.
    """
    first, second = a.record["protocol"], b.record["protocol"]
    if first["hash"] != second["hash"]:
        raise ConfigError(
            f"{a.label} was tested on {_inputs(first)}, {b.label} on {_inputs(second)}. Only runs on "
            "the same inputs can be compared."
        )
    shared = [key for key in a.record["metrics"] if key in b.record["metrics"]]
    return [_one(key, a, b) for key in shared if not is_smoke_test(a.record["metrics"][key])]


def _inputs(protocol: Mapping[str, Any]) -> str:
    return f"{protocol['name']}@{protocol['version']} (inputs {protocol['hash'][:12]})"


def _one(key: str, a: Run, b: Run) -> Compared:
    first, second = a.record["metrics"][key], b.record["metrics"][key]
    intervals = Intervals(identities={**a.identities, **b.identities})
    try:
        difference = paired(first, second, a.per_image.get(key), b.per_image.get(key), intervals)
    except ConfigError as error:
        return Compared(key, first, second, None, None, str(error))
    if difference.p is None:
        return Compared(key, first, second, difference, None, "too few images or people")
    if first["higher_is_better"] != second["higher_is_better"]:
        return Compared(
            key, first, second, difference, None, "the records disagree on what is better"
        )
    if difference.p >= CHANCE:
        return Compared(key, first, second, difference, "neither")
    higher = difference.value > 0
    return Compared(
        key, first, second, difference, "a" if higher == first["higher_is_better"] else "b"
    )


def grid_of_comparison(a: Run, b: Run) -> Grid:
    """The comparison as rows of text."""
    names = {"a": a.label, "b": b.label}
    if a.label == b.label:
        names = {"a": f"{a.label} (first)", "b": f"{b.label} (second)"}
    rows = []
    notes: dict[str, None] = {}
    for found in compare(a, b):
        known = found.difference
        shown = {"value": known.value, "ci95": known.ci95} if known else {}
        verdict = names.get(found.better or "", found.better or "not known")
        rows.append(
            [
                Entry(found.key + {True: " ↑", False: " ↓"}.get(found.a["higher_is_better"], "")),
                Entry(format_value(found.a)),
                Entry(format_value(found.b)),
                Entry(format_value(shown)),
                Entry("-" if known is None or known.p is None else f"{known.p:.4f}"),
                Entry(str(known.n) if known else "-"),
                Entry(verdict, bold=found.better in ("a", "b")),
            ]
        )
        if found.why_not:
            notes[f"{found.key}: {found.why_not.rstrip('.')}."] = None
    protocol = a.record["protocol"]
    heads = ["metric", names["a"], names["b"], "difference", "p", "images", "better"]
    told = (
        f"Paired on the same images, people resampled where they are known; better: p below {CHANCE}, "
        "each metric for itself."
    )
    return Grid(
        f"{names['a']} - {names['b']} on {protocol['name']}@{protocol['version']}, inputs "
        f"{protocol['hash'][:12]}",
        heads,
        [False, True, True, True, True, True, False],
        rows,
        [told, *notes],
    )


def main(argv: Sequence[str]) -> int:
    """Print the comparison of two runs."""
    parser = argparse.ArgumentParser(
        prog="facesr-bench leaderboard compare",
        description="Differences between two runs on the same images, with intervals and p-values.",
    )
    parser.add_argument("a", type=Path, metavar="RUN_A", help="folder of a finished run")
    parser.add_argument("b", type=Path, metavar="RUN_B", help="folder of another")
    parser.add_argument("--format", choices=["terminal", "markdown"])
    arguments = parser.parse_args(argv)
    grid = grid_of_comparison(read_run(arguments.a), read_run(arguments.b))
    default = "terminal" if sys.stdout.isatty() else "markdown"
    draw = grid_as_markdown if (arguments.format or default) == "markdown" else grid_as_text
    print(draw(grid), end="")
    return 0
