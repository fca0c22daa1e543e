"""Running a table's cells: finished ones are kept, stopped ones go on, those that need others wait."""

from collections.abc import Callable, Sequence
from pathlib import Path

from facesr_bench.experiments.note import read_note, write_note
from facesr_bench.experiments.plan import Cell, key_of
from facesr_bench.leaderboard.records import last_error

_NOT_PART_OF_A_RESULT = (
    "output_dir", "ckpt", "table", "trainer", "logger", "log_every", "save_minutes",
    "preview_every", "data.num_workers", "hydra", "keep_sr", "label", "experiment", "cost_seconds",
    "keep_epochs",
)  # fmt: skip

Launch = Callable[[Sequence[Sequence[str]]], None]
"""Runs jobs, given as overrides each; what became of them is read from their folders."""


class Sweep:
    """One go at a table.

    Args:
        cells: in an order in which those that others need come first.
        launch: runs a batch of jobs that do not depend on each other.
    """

    def __init__(self, cells: Sequence[Cell], launch: Launch) -> None:
        self._cells, self._launch = cells, launch
        self.kept: list[Cell] = []
        self.ran: list[Cell] = []
        self.failed: dict[str, str] = {}
        """Name of a cell to why it has no result."""

    def run(self) -> None:
        """Run what is not finished, in waves: all cells whose needs are met at once."""
        waiting = [cell for cell in self._cells if not self._is_kept(cell)]
        while waiting:
            to_come = {cell.folder for cell in waiting}
            ready = [cell for cell in waiting if not to_come & set(cell.needs)]
            if not ready:
                for cell in waiting:
                    self.failed[cell.name] = "cells need each other in a circle"
                return
            waiting = [cell for cell in waiting if cell not in ready]
            able = [cell for cell in ready if self._can_run(cell)]
            for cell in able:
                write_note(cell.folder, _asked(cell))
            if able:
                self._launch([_words(cell) for cell in able])
            for cell in able:
                if is_finished(cell):
                    self.ran.append(cell)
                else:
                    error = last_error(cell.folder / "run.log")
                    self.failed[cell.name] = error or f"stopped, see {cell.folder / 'run.log'}"

    def summary(self) -> str:
        """What became of the cells, in a few lines."""
        told = [
            f"{len(self._cells)} runs: {len(self.kept)} kept from before, {len(self.ran)} ran, "
            f"{len(self.failed)} without a result."
        ]
        told += [f"  {name}: {reason}" for name, reason in self.failed.items()]
        return "\n".join(told)

    def _is_kept(self, cell: Cell) -> bool:
        if not is_finished(cell):
            return False
        asked = read_note(cell.folder).get("overrides")
        if asked is not None and asked != _asked(cell):
            changed = sorted(set(asked) ^ set(_asked(cell)))
            self.failed[cell.name] = (
                f"{cell.folder} holds a finished run of other settings ({', '.join(changed)}); "
                "delete it, or choose another output_dir"
            )
        else:
            self.kept.append(cell)
        return True

    def _can_run(self, cell: Cell) -> bool:
        for folder in cell.needs:
            there = (folder / "checkpoints" / "last.ckpt").is_file()
            if not there or not (read_note(folder).get("finished") or _has_record(folder)):
                self.failed[cell.name] = f"the run it needs has not ended well: {folder}"
                return False
        return True


def is_finished(cell: Cell) -> bool:
    """By its record, or, of a fit, which leaves none, by its note."""
    if cell.stage == "fit":
        return bool(read_note(cell.folder).get("finished"))
    return _has_record(cell.folder)


def _has_record(folder: Path) -> bool:
    return (folder / "result.json").exists()


def _words(cell: Cell) -> list[str]:
    """The job's overrides, with what other cells left and what an earlier attempt of it left."""
    words = list(cell.overrides)
    if cell.prior is not None:
        path = cell.prior / "checkpoints" / "last.ckpt"
        words += ["prior@method.prior=file", f"method.prior.path={path}"]
    own = cell.folder / "checkpoints" / "last.ckpt"
    if cell.weights is not None:
        words.append(f"ckpt={cell.weights / 'checkpoints' / 'last.ckpt'}")
    elif own.is_file() and cell.stage in ("fit", "fit_test"):
        words.append(f"ckpt={own}")
    return words


def _asked(cell: Cell) -> list[str]:
    """Overrides that a result depends on."""
    return sorted(
        word
        for word in cell.overrides
        if not any(
            key_of(word) == key or key_of(word).startswith(f"{key}.")
            for key in _NOT_PART_OF_A_RESULT
        )
    )
