"""What happens around a training step: counting, logging, saving, stopping."""

import logging
import sys
import time
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import pytorch_lightning as pl
import torch
from tqdm import tqdm

from facesr_bench.budget import Budget
from facesr_bench.finite import FiniteGuard
from facesr_bench.interrupts import Interrupts
from facesr_bench.method import Method
from facesr_bench.save_times import SaveTimes

log = logging.getLogger(__name__)


class ImageCounter(pl.Callback):
    """Counts images of the global batch; must be the first callback, the others read its count."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        if isinstance(pl_module, Method):
            pl_module.images_seen += self._budget.batch_at(pl_module.images_seen)


class LossLog(pl.Callback):
    """Writes losses against images seen, and keeps the progress bar moving.

    Losses are read from the device only every ``every`` images and at the end of each phase (one
    transfer for all of them), so logging costs no synchronisation in between. They are means over
    all processes. Where there are several phases, ``phase`` is the number, from 1, of the one that the
    step belonged to; ``run.log`` names them. A loss that is not finite ends the run.
    """

    def __init__(self, budget: Budget, every: int, guard: FiniteGuard) -> None:
        self._budget, self._every, self._guard = budget, max(1, every), guard
        self._next = 0
        self._step_started_at = 0
        self._bar: Any = None
        self._started = (0.0, 0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        seen = pl_module.images_seen
        self._next = self._step_started_at = seen
        self._started = (time.perf_counter(), seen)
        if len(self._budget.phases) > 1:
            names = [f"{n} {phase.name}" for n, phase in enumerate(self._budget.phases, 1)]
            log.info("Phases: %s.", ", ".join(names))
        if trainer.is_global_zero:
            self._bar = tqdm(
                total=self._budget.images,
                initial=seen,
                unit="img",
                unit_scale=True,
                desc=self._budget.phase_at(seen)[0].name,
                dynamic_ncols=True,
                mininterval=0.5 if sys.stderr.isatty() else 20.0,
                file=sys.stderr,
            )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        seen = pl_module.images_seen
        last = self._budget.finished(seen)
        if self._bar is not None:
            self._bar.update(min(seen, self._budget.images) - self._bar.n)
        number = self._budget.number_at(self._step_started_at)
        self._step_started_at = seen
        phase_ends = last or self._budget.number_at(seen) != number
        if seen < self._next and not phase_ends:
            return
        self._next = seen - seen % self._every + self._every
        if not pl_module.losses:
            return
        names = list(pl_module.losses)
        stacked = torch.stack([pl_module.losses[name].float() for name in names])
        values = trainer.strategy.reduce(stacked, reduce_op="mean").tolist()
        losses = dict(zip(names, values, strict=True))
        self._guard.check_losses(losses, seen)
        seconds = time.perf_counter() - self._started[0]
        speed = (seen - self._started[1]) / max(seconds, 1e-9)
        if self._bar is not None:
            self._bar.set_description(self._budget.phases[number - 1].name, refresh=False)
            shown = sorted(losses.items(), key=lambda item: not item[0].startswith("pix"))[:3]
            self._bar.set_postfix({k: f"{v:.3f}" for k, v in shown}, refresh=False)
        row = {**losses, "images_per_second": speed}
        if len(self._budget.phases) > 1:
            row["phase"] = number
        for logger in trainer.loggers:
            logger.log_metrics(row, step=seen)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class SpeedNotice(pl.Callback):
    """On a CPU, says at the start how long the paper's budget would take, and what else there is.

    Args:
        budget: what the run is to train on.
        hint: what to propose ("scale=slim trains in minutes").
    """

    STEPS = 2
    """Timed after a first step, which also allocates."""

    def __init__(self, budget: Budget, hint: str) -> None:
        self._budget, self._hint = budget, hint
        self._steps, self._mark = 0, (0.0, 0)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        self._steps += 1
        seen = pl_module.images_seen
        if self._steps == 1:
            self._mark = (time.perf_counter(), seen)
        elif self._steps == 1 + self.STEPS and trainer.is_global_zero:
            seconds = (time.perf_counter() - self._mark[0]) / max(1, seen - self._mark[1])
            left = seconds * (self._budget.images - seen)
            log.info(
                "At this speed the %s images of this run take about %s on this CPU. %s",
                f"{self._budget.images:,}", _duration(left), self._hint,
            )  # fmt: skip


def _duration(seconds: float) -> str:
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


class Checkpointing(pl.Callback):
    """Saves ``last.ckpt`` every so many images or minutes, at the end, and when asked to stop.

    Weights that are not finite are never saved over good ones.

    Several processes must do so in the same step. They count the same images; for the rest, the clock
    of the first one and whether any was asked to stop, they look together every few steps.

    Args:
        path: the file.
        budget: tells when the end has come.
        every: images between two saves.
        interrupts: asks to stop.
        guard: looks at the weights before they are saved.
        times: minutes between two saves, whichever comes first.
    """

    def __init__(
        self,
        path: Path,
        budget: Budget,
        every: int,
        interrupts: Interrupts,
        guard: FiniteGuard,
        times: SaveTimes,
    ) -> None:
        self._path, self._budget, self._every = path, budget, max(1, every)
        self._interrupts, self._guard, self._times = interrupts, guard, times
        self._saved_at = 0
        self._steps, self._look_after = 0, 1
        self.stopped = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        # Lightning puts its own handlers in when fit starts; ours save between steps.
        self._interrupts.install()
        self._interrupts.waiting = True
        self._saved_at = pl_module.images_seen
        self._times.begin()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        seen = pl_module.images_seen
        self.stopped, due = self._look(trainer)
        end = self._budget.finished(seen)
        if self.stopped or end or due or seen - self._saved_at >= self._every:
            self._guard.check_weights(pl_module, seen)
            trainer.save_checkpoint(self._path)
            self._saved_at = seen
            self._times.saved()
        if self.stopped:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._interrupts.waiting = False

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._interrupts.waiting = False

    def _look(self, trainer: pl.Trainer) -> tuple[bool, bool]:
        """Whether somebody asked to stop, and whether a save is due by the clock."""
        asked = self._interrupts.requested
        if trainer.world_size == 1:
            return asked, self._times.due()
        self._steps += 1
        if self._steps < self._look_after:
            return False, False
        said = [int(asked), 0, 0]
        if trainer.is_global_zero:
            said[1:] = int(self._times.due()), self._times.steps_until_look(self._steps)
        votes = torch.tensor(said, device=trainer.strategy.root_device)
        stop, due, look_after = trainer.strategy.reduce(votes, reduce_op="sum").tolist()
        self._steps, self._look_after = 0, look_after
        return stop > 0, due > 0
