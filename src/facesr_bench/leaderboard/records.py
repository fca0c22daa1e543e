"""Finding the records of finished runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.errors import DataError
from facesr_bench.results import read_record


@dataclass(frozen=True)
class Found:
    """Records below some folders, and what could not be read.

    Attributes:
        records: in order of their start, each with its folder.
        unreadable: one sentence for each damaged record.
        unfinished: folders of runs that left no record (still running, stopped or failed).
    """

    records: list[tuple[Path, dict[str, Any]]]
    unreadable: list[str]
    unfinished: list[Path]


def find_records(roots: Iterable[Path]) -> Found:
    """Read every ``result.json`` below the roots; a damaged one costs only itself.

    Raises:
        DataError: a root does not exist.
    """
    records, unreadable, unfinished = [], [], []
    for root in roots:
        if not root.exists():
            raise DataError(
                f"There is no folder {root}. Give the folder your runs write to (runs/)."
            )
        for path in sorted(root.rglob("config.yaml")):
            record = path.parent / "result.json"
            if not record.exists() and (path.parent / "run.log").exists():
                unfinished.append(path.parent)
        for path in sorted(root.rglob("result.json")):
            try:
                records.append((path.parent, read_record(path)))
            except DataError as error:
                unreadable.append(str(error))
    records.sort(key=lambda item: str(item[1]["started"]))
    return Found(records, unreadable, unfinished)


def by_protocol(records: Sequence[tuple[Path, dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Group by the hash of the inputs: only runs that were asked the same share a table."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for _, record in records:
        groups.setdefault(str(record["protocol"]["hash"]), []).append(record)
    return groups
