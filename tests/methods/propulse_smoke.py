"""Pro-PULSE small enough for tests: a random StyleGAN2 of a few thousand weights, and how to train."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from facesr_bench.faces.recognition import Recogniser
from facesr_bench.method import TrainingContext
from facesr_bench.methods.propulse import ProPULSE
from facesr_bench.nets.identity import IdentityNetwork
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors.loaded import LoadedPrior

BATCH = 4
SMALL: dict[str, Any] = {
    "n_feats": 16,
    "hidden": 16,
    "perceptual": None,
    "identity": None,
}
BUDGET = {"branches": 2 * BATCH, "base": 2 * BATCH, "scale": 2 * BATCH, "batch_size": BATCH}
"""Two steps for each stage."""


def small_prior(resolution: int = 64, seed: int = 3) -> LoadedPrior:
    torch.manual_seed(seed)
    network = StyleGAN2(resolution, 16, 16, 2, 256, 16)
    with torch.no_grad():
        network.mapping.w_avg.copy_(network.mapping(torch.randn(500, 16)).mean(0))
    return LoadedPrior("small", network)


def build(
    seed: int = 0,
    budget: dict[str, Any] | None = None,
    prior: LoadedPrior | None = None,
    eyes: bool = False,
    alone: bool = False,
    **arguments: Any,
) -> ProPULSE:
    """Bound to a budget; with ``eyes`` it has an identity loss, through nobody's weights.

    Stages that the budget leaves out count as trained, unless ``alone``.
    """
    prior = small_prior() if prior is None else prior
    torch.manual_seed(seed)
    sizes = {"hr_size": prior.resolution, "factor": prior.resolution // 16}
    if eyes:
        arguments["identity"] = "mobilefacenet_casia"
    method = ProPULSE(prior=prior, **SMALL | sizes | arguments)
    method.progress.trained = set() if alone else {"branches", "base"}
    phases = method.make_budget(BUDGET if budget is None else budget)
    with patch("facesr_bench.methods.propulse.module.identity_network", lambda _: eye()):
        method.bind(TrainingContext(seed=2020, budget=phases, train_images=100))
    return method


class Eye(nn.Module):
    """Stands for a recognition network: unit vectors of a fixed projection."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.weight = nn.Parameter(torch.randn(3 * 7 * 7, 8, generator=generator))

    def forward(self, crops: Tensor) -> Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(crops, 7).flatten(1)
        return nn.functional.normalize(pooled @ self.weight)


def eye() -> IdentityNetwork:
    return IdentityNetwork(Recogniser("eye", "none", (112, 112), Eye, 127.5, 8), Eye(), {})


def faces(side: int = 64, batch: int = BATCH) -> dict[str, Tensor]:
    """Smooth blobs, and their means as LR."""
    generator = torch.Generator().manual_seed(7)
    coarse = torch.rand(batch, 3, 5, 5, generator=generator)
    hr = nn.functional.interpolate(coarse, side, mode="bilinear", align_corners=True)
    return {"hr": hr, "lr": nn.functional.avg_pool2d(hr, side // 16)}


class Images(pl.Callback):
    """What the harness does: count; and look after each step."""

    def __init__(self, look: Callable[[ProPULSE], None] | None) -> None:
        self._look = look

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        if self._look is not None:
            self._look(module)
        module.images_seen += BATCH


def fit(
    method: ProPULSE,
    steps: int,
    look: Callable[[ProPULSE], None] | None = None,
    checkpoint: Path | None = None,
    batch: dict[str, Tensor] | None = None,
) -> pl.Trainer:
    """Train on one batch, over and over, up to step number ``steps``."""
    batch = faces(method.hr_size) if batch is None else batch
    run = pl.Trainer(
        max_epochs=steps,
        callbacks=[Images(look)],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = DataLoader([{k: v[i] for k, v in batch.items()} for i in range(BATCH)], BATCH)
    run.fit(method, loader, ckpt_path=checkpoint, weights_only=True)
    return run
