"""Which printed row a record is of, and which of its metrics a printed column is."""

from collections.abc import Iterator, Mapping
from typing import Any

from facesr_bench.console import is_smoke_test
from facesr_bench.leaderboard.protocols import bare_name
from facesr_bench.papers import (
    Block,
    Paper,
    PaperTable,
    PrintedColumn,
    WhoIs,
    paper_names,
    read_paper,
)

Record = Mapping[str, Any]


CONVENTIONS = frozenset({"bt601"})
"""What follows "@" in a metric's name where it tells how it is defined, not against which set."""


def metric_of(column: PrintedColumn, record: Record) -> tuple[str, Mapping[str, Any]] | None:
    """The first of a printed column's metrics that a record has, with its key.

    A key without "@" matches any reference set; a figure of cost becomes an entry like a metric's.
    Stand-ins never match.
    """
    for key in column.keys:
        if key.startswith("cost."):
            value = (record.get("cost") or {}).get(key.removeprefix("cost."))
            if value is not None:
                return key, _cost_entry(key, float(value), record)
            continue
        for name, metric in record["metrics"].items():
            if _is(name, key) and not is_smoke_test(metric):
                return name, metric
    return None


def _is(name: str, key: str) -> bool:
    """Whether a record's metric is what a printed column names, against whichever reference set."""
    stem, _, where = name.partition("@")
    return name == key or (stem == key and where not in CONVENTIONS)


def why_missing(column: PrintedColumn, record: Record) -> tuple[str, str]:
    """State and reason of a printed column that a record has no value for."""
    for field, state in (("metrics_failed", "failed"), ("metrics_skipped", "not measured")):
        for name, reason in (record.get(field) or {}).items():
            if any(_is(name, key) for key in column.keys):
                return state, str(reason)
    return "missing", f"the run did not measure {' or '.join(column.keys)} (metrics=paper does)"


def on_benchmark(record: Record, block: Block) -> bool:
    """Whether a record's protocol is one of ours for a block; cut down to fewer images, too."""
    name = str(record["protocol"]["name"])
    return name in block.benchmark.protocols or bare_name(name) in block.benchmark.protocols


def printed_rows(record: Record) -> Iterator[tuple[Paper, PaperTable, Block, WhoIs]]:
    """Every printed row, of any paper, that a record is of."""
    for name in paper_names():
        paper = read_paper(name)
        for table in paper.tables.values():
            for block in table.blocks:
                if on_benchmark(record, block):
                    for row in block.rows:
                        if paper.is_row(paper.rows[row], record):
                            yield paper, table, block, paper.rows[row]


def _cost_entry(key: str, value: float, record: Record) -> dict[str, Any]:
    cost, settings = record.get("cost") or {}, dict[str, Any]()
    if "seconds" in key:
        settings["device"] = (record.get("device") or {}).get("name")
    if key == "cost.seconds_mean":
        settings["images_at_once"] = cost.get("timed_batch")
    return {
        "value": value,
        "higher_is_better": False,
        "n": cost.get("timed_images") if "seconds_mean" in key else record["n_images"],
        "settings": settings,
    }
