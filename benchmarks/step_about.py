"""A training step of ours, then the same by a plain loop, and so on in one Lightning run.

Whatever slows the machine down slows both, so the median of the pairs' ratios means something on a
busy one, too. Ours is timed from Lightning's batch start to its batch end. With ``--clock cpu`` the
time is this process's own.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass
class StepAbout(pl.Callback):
    """After each step of ours, the same step by the plain loop.

    Args:
        prepare: method and batch to the plain step's inputs; before the clock starts.
        plain_step: those inputs to its losses, still on the device.
        read: the method, or what ``plain_step`` gave, to numbers that can be compared.
        clock: seconds.
    """

    prepare: Callable[[Any, Any], Sequence[Any]]
    plain_step: Callable[..., Any]
    read: Callable[[Any], Any]
    clock: Callable[[], float] = time.perf_counter
    ours_seconds: list[float] = field(default_factory=list)
    plain_seconds: list[float] = field(default_factory=list)
    ours_losses: list[Any] = field(default_factory=list)
    plain_losses: list[Any] = field(default_factory=list)

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, _: int) -> None:
        """Start the clock."""
        self._inputs = self.prepare(module, batch)
        wait(module.device)
        self._started = self.clock()

    def on_train_batch_end(self, trainer: Any, module: Any, _o: Any, batch: Any, _: int) -> None:
        """Stop the clock on ours, time the plain step."""
        wait(module.device)
        self.ours_seconds.append(self.clock() - self._started)
        module.images_seen += len(batch["hr"])
        started = self.clock()
        losses = self.plain_step(*self._inputs)
        wait(module.device)
        self.plain_seconds.append(self.clock() - started)
        self.plain_losses.append(self.read(losses))
        self.ours_losses.append(self.read(module))

    def summary(self, batch: int, warm_up: int) -> dict[str, float]:
        """Images per second of both, their ratio, and how far losses are apart in steps 1 and 3."""
        ours, plain = self.ours_seconds[warm_up:], self.plain_seconds[warm_up:]
        pairs = list(zip(self.ours_losses, self.plain_losses, strict=True))
        return {
            "ours": batch / statistics.median(ours),
            "plain": batch / statistics.median(plain),
            "ratio": statistics.median(p / o for o, p in zip(ours, plain, strict=True)),
            "apart_1": _apart(*pairs[0]),
            "apart_3": _apart(*pairs[min(2, len(pairs) - 1)]),
        }


def fit(
    method: pl.LightningModule,
    batches: Iterable[Any],
    step_about: StepAbout,
    device: str,
    precision: str = "32-true",
) -> StepAbout:
    """Train a bound method on batches, made before anything is timed."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision=precision,  # type: ignore[arg-type]
            max_epochs=1,
            callbacks=[step_about],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(method, DataLoader(list(batches), batch_size=None))  # type: ignore[arg-type]
    return step_about


def add_options(parser: argparse.ArgumentParser, steps: int) -> None:
    """What all such benchmarks take."""
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument(
        "--clock", default="wall", choices=list(CLOCKS),
        help="cpu: this process's CPU time, for a busy machine and OMP_NUM_THREADS=1",
    )  # fmt: skip


def wait(device: torch.device) -> None:
    """Until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _apart(ours: Any, plain: Any) -> float:
    if isinstance(ours, dict):
        return max(abs(ours[name] - plain[name]) for name in ours)
    return max(abs(a - b) for a, b in zip(ours, plain, strict=True))
