"""Training as a run trains, watched step by step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.interrupts import Interrupts
from facesr_bench.method import Method, TrainingContext
from facesr_bench.seeding import torch_rng
from facesr_bench.training import build_trainer, fit

ON_CPU = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": "32-true"}

State = dict[str, Tensor]


@dataclass
class Learnt:
    """What a training left.

    Attributes:
        method: as it ended.
        checkpoint: its last checkpoint.
        losses: of each step, by name.
        before: parameters before the first step, by name.
        random_steps: steps that drew from torch's global generator.
        batch: the first training batch, as the method saw it.
    """

    method: Method
    checkpoint: Path
    losses: list[dict[str, float]] = field(default_factory=list)
    before: State = field(default_factory=dict)
    random_steps: int = 0
    batch: dict[str, Tensor] = field(default_factory=dict)

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Those of the training."""
        found = self.method.optimizers(use_pl_optimizer=False)
        return list(found) if isinstance(found, list) else [found]  # type: ignore[list-item]


def learn(
    method: Method,
    data: FaceSRDataModule,
    budget: Mapping[str, Any],
    folder: Path,
    seed: int,
    *,
    stop_in_step: int | None = None,
    resume_from: Path | None = None,
    trainer: Mapping[str, Any] | None = None,
) -> Learnt:
    """Train by the harness's own :func:`~facesr_bench.training.fit`.

    Args:
        method: trained in place.
        data: serves it.
        budget: block of the method's YAML.
        folder: gets the checkpoint.
        seed: of the run.
        stop_in_step: ask to stop during this step, counted from 1, as Ctrl-C would.
        resume_from: a checkpoint to go on from.
        trainer: options of Lightning's Trainer instead of one process on the CPU.
    """
    interrupts = Interrupts()
    found = Learnt(method, folder / "checkpoints" / "last.ckpt")
    state: dict[str, Tensor] = {}

    def before(batch: Any, index: int) -> None:
        if len(found.losses) + 1 == stop_in_step:
            interrupts.requested = True
        if not found.batch:
            found.batch = {name: value.clone() for name, value in batch.items()}
            found.before = {n: p.detach().clone() for n, p in method.named_parameters()}
        state["random"] = torch.get_rng_state()

    def after(outputs: Any, batch: Any, index: int) -> None:
        found.random_steps += not torch.equal(state["random"], torch.get_rng_state())
        found.losses.append({name: float(value) for name, value in method.losses.items()})
        method.losses = {}

    _watch(method, "on_train_batch_start", before)
    _watch(method, "on_train_batch_end", after)
    with interrupts.listening():
        fit(
            method, data, method.make_budget(budget), trainer or ON_CPU, [], folder, seed, interrupts,
            resume_from, None, 10**12, None,
        )  # fmt: skip
    return found


def steps_on_one_batch(
    method: Method,
    batch: Mapping[str, Tensor],
    budget: Mapping[str, Any],
    train_images: int,
    steps: int,
    precision: str = "32-true",
) -> list[dict[str, float]]:
    """Losses of several steps on the very same batch, at the very same place of the schedule.

    Args:
        method: fresh; trained in place.
        batch: as training hands it out.
        budget: block of the method's YAML.
        train_images: images in the training split.
        steps: how many.
        precision: Lightning's.
    """
    losses: list[dict[str, float]] = []

    def after(outputs: Any, batch: Any, index: int) -> None:
        losses.append({name: float(value) for name, value in method.losses.items()})

    method.bind(TrainingContext(2020, method.make_budget(budget), train_images, {}))
    method.train()
    _watch(method, "on_train_batch_end", after)
    options = {**ON_CPU, "precision": precision}
    trainer = build_trainer(options, method, [], [], "fit")
    repeated: Any = [dict(batch)] * steps
    trainer.fit(method, train_dataloaders=DataLoader(repeated, batch_size=None))
    return losses


def probe(shape: tuple[int, ...], role: str) -> Tensor:
    """Noise in [0, 1] of a shape, the same each time."""
    return torch.rand(shape, generator=torch_rng(0, "check", role))


def _watch(method: Method, hook: str, seen: Callable[..., None]) -> None:
    """Call ``seen`` before the method's own hook of that name."""
    own = getattr(method, hook)

    def both(*args: Any) -> Any:
        seen(*args)
        return own(*args)

    setattr(method, hook, both)
