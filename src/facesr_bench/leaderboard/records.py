"""Finding the records of finished runs, and what became of runs that left none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from facesr_bench.errors import DataError
from facesr_bench.results import read_record

_LAST_BYTES = 20_000  # of a log, in which an error that ended the run is told


@dataclass(frozen=True)
class Unfinished:
    """A run without a record.

    Attributes:
        folder: where it wrote.
        config: its resolved configuration; empty where that cannot be read.
        error: what ended it, as its log says; None for one that runs, or was stopped or killed.
    """

    folder: Path
    config: Mapping[str, Any]
    error: str | None

    def as_record(self) -> dict[str, Any]:
        """As much of a record as tells which row it would have been."""
        config = self.config
        method, data = config.get("method") or {}, config.get("data") or {}
        name = str(data.get("name"))
        adaptation: dict[str, Any] | None = None
        if config.get("stage") == "adapt":
            wanted = config.get("adaptation") or {}
            adaptation = {"strategy": wanted.get("strategy"), "seeds": [], "conditions": []}
            name += f"-{wanted.get('k')}shot"
        return {
            "method": method.get("name"),
            "label": config.get("label") or method.get("name"),
            "config": config,
            "adaptation": adaptation,
            "protocol": {"name": name},
        }


@dataclass(frozen=True)
class Found:
    """Records below some folders, and what could not be read.

    Attributes:
        records: in order of their start, each with its folder.
        unreadable: one sentence for each damaged record.
        stopped: runs that left no record (still running, stopped or failed).
    """

    records: list[tuple[Path, dict[str, Any]]]
    unreadable: list[str] = field(default_factory=list)
    stopped: list[Unfinished] = field(default_factory=list)

    @property
    def unfinished(self) -> list[Path]:
        """Folders of runs that left no record."""
        return [run.folder for run in self.stopped]


def find_records(roots: Iterable[Path]) -> Found:
    """Read every ``result.json`` below the roots; a damaged one costs only itself.

    Raises:
        DataError: a root does not exist.
    """
    records, unreadable, stopped = [], [], []
    for root in roots:
        if not root.exists():
            raise DataError(
                f"There is no folder {root}. Give the folder your runs write to (runs/)."
            )
        for path in sorted(root.rglob("config.yaml")):
            record = path.parent / "result.json"
            log = path.parent / "run.log"
            if not record.exists() and log.exists():
                stopped.append(Unfinished(path.parent, _config(path), last_error(log)))
        for path in sorted(root.rglob("result.json")):
            try:
                records.append((path.parent, read_record(path)))
            except DataError as error:
                unreadable.append(str(error))
    records.sort(key=lambda item: str(item[1]["started"]))
    return Found(records, unreadable, stopped)


def _config(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def last_error(log: Path) -> str | None:
    """The error a failed run ended with, as its log has it; None of a run that was only stopped."""
    if not log.is_file():
        return None
    with log.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _LAST_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    starts = [n for n, line in enumerate(lines) if "The run failed." in line]
    if not starts:
        return None
    tail = [line for line in lines[starts[-1] + 1 :] if line[:1].strip()]
    told = next((line for line in tail if not line.startswith(("Traceback", "The above"))), None)
    name, _, message = (told or "").partition(": ")
    if name.rsplit(".", 1)[-1] == "RunInterrupted":
        return None
    return f"{name.rsplit('.', 1)[-1]}: {message}" if told else "the log does not say why"
