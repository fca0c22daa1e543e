"""SCGAN at smoke size, trained on one batch as the harness trains it."""

from collections.abc import Callable
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from facesr_bench.budget import Budget, Phase
from facesr_bench.method import TrainingContext
from facesr_bench.methods.scgan import SCGAN

SMOKE: dict[str, Any] = {
    "restore_widths": (8, 8, 8),
    "restore_depths": (2, 1),
    "degrade_widths": (8, 8, 16, 32),
    "degrade_head": 4,
    "critic_widths": (8, 8, 8, 8, 16, 16),
    "critic_hidden": 8,
    "noise_dim": 16,
}
BATCH = 4


def build(seed: int = 0, **arguments: Any) -> SCGAN:
    torch.manual_seed(seed)
    method = SCGAN(**SMOKE | arguments)
    budget = Budget([Phase("train", 10_000, BATCH)])
    method.bind(TrainingContext(seed=2020, budget=budget, train_images=100))
    return method


def faces(batch: int = BATCH, hr_size: int = 64, factor: int = 4) -> dict[str, Tensor]:
    """Smooth blobs: HR, and LR of other blobs."""
    generator = torch.Generator().manual_seed(7)

    def blobs() -> Tensor:
        coarse = torch.rand(batch, 3, 4, 4, generator=generator)
        return nn.functional.interpolate(coarse, hr_size, mode="bilinear", align_corners=True)

    return {"hr": blobs(), "lr": nn.functional.avg_pool2d(blobs(), factor)}


class Counter(pl.Callback):
    """What the harness does: count images; and look at the method after every step."""

    def __init__(self, look: Callable[[SCGAN], None] | None = None) -> None:
        self._look = look

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        module.images_seen += BATCH
        if self._look:
            self._look(module)


def fit(
    method: SCGAN, steps: int, look: Callable[[SCGAN], None] | None = None, **trainer: Any
) -> pl.Trainer:
    """Train on one batch, over and over."""
    batch = faces(hr_size=method.hr_size, factor=method.factor or 4)
    loader = DataLoader([{k: v[i] for k, v in batch.items()} for i in range(BATCH)], BATCH)
    run = pl.Trainer(
        max_epochs=steps,
        callbacks=[Counter(look)],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **trainer,
    )
    run.fit(method, loader)
    return run
