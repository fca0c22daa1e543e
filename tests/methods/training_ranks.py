"""Every trainable method, tiny, for some steps on one process or two; see test_training_ranks.py."""

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytorch_lightning as pl
import torch
from hydra.utils import get_class
from torch import Tensor

from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.interrupts import Interrupts
from facesr_bench.method import Method
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.training import fit

SIDE, BATCH = 32, 8
"""Eight images on one process, four on each of two: a whole group of minibatch deviation."""


class Blobs(FaceDataset):
    """Smooth colours, drawn from their number."""

    def __init__(self, side: int) -> None:
        self.keys, self.side = [f"{index:02d}.png" for index in range(24)], side

    def __getitem__(self, index: int) -> Sample:
        coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(index))
        fine = torch.nn.functional.interpolate(coarse, self.side, mode="bicubic").clamp(0, 1)
        return Sample(self.keys[index], hr=(fine[0] * 255).byte().permute(1, 2, 0).numpy())


class Source(FaceData):
    name = "blobs"

    def __init__(self, side: int) -> None:
        self.side = side

    def split(self, role: Role) -> FaceDataset | None:
        return Blobs(self.side) if role == "train" else None


def prior(side: int = SIDE) -> LoadedPrior:
    torch.manual_seed(3)
    network = StyleGAN2(side, 8, 8, 2, 128, 8)
    network.mapping.w_avg.copy_(network.mapping(torch.randn(100, 8)).detach().mean(0))
    return LoadedPrior("small", network)


def scgan(**arguments: Any) -> tuple[Method, dict[str, Any]]:
    small = {
        "hr_size": SIDE, "factor": 2, "restore_widths": (8, 8), "restore_depths": (2,),
        "degrade_widths": (8, 8, 16), "degrade_head": 4, "critic_widths": (8, 8, 8, 8, 8),
        "critic_hidden": 8, "noise_dim": 8,
    }  # fmt: skip
    method = get_class("facesr_bench.methods.scgan.SCGAN")(**small | arguments)
    return method, {"images": 4 * BATCH, "batch_size": BATCH}


def cyclegan(**arguments: Any) -> tuple[Method, dict[str, Any]]:
    small = {
        "hr_size": SIDE, "factor": 2, "restore_widths": (8, 8), "restore_depths": (2,),
        "degrade_widths": (8, 8, 16), "degrade_head": 4, "critic_widths": (8, 8, 8, 8, 8),
        "critic_hidden": 8, "noise_dim": 8,
    }  # fmt: skip
    method = get_class("facesr_bench.methods.cyclegan.CycleGAN")(**small | arguments)
    return method, {"images": 4 * BATCH, "batch_size": BATCH}


def pan(**arguments: Any) -> tuple[Method, dict[str, Any]]:
    small = {
        "hr_size": SIDE, "factor": 2, "channel_base": 128, "channel_max": 8, "ema_half_life": 20,
    }  # fmt: skip
    method = get_class("facesr_bench.methods.pan.PAN")(**small | arguments)
    rows = [(8, False), (16, True), (16, False), (32, True), (32, False)]
    phases = [
        {"name": f"{s}{f}", "images": BATCH, "batch_size": BATCH, "side": s, "fade": f, "lr": 1e-3}
        for s, f in rows
    ]
    return method, {"phases": phases}


def stylegan2(**arguments: Any) -> tuple[Method, dict[str, Any]]:
    """Five steps: both penalties, and a step with path lengths only."""
    small = {
        "hr_size": SIDE, "z_dim": 8, "w_dim": 8, "map_layers": 2, "channel_base": 128,
        "channel_max": 8,
    }  # fmt: skip
    method = get_class("facesr_bench.methods.stylegan2.StyleGAN2Prior")(**small | arguments)
    return method, {"images": 5 * BATCH, "batch_size": BATCH}


def propulse(**arguments: Any) -> tuple[Method, dict[str, Any]]:
    small = {
        "prior": prior(64), "hr_size": 64, "factor": 4, "n_feats": 16, "hidden": 16,
        "perceptual": None, "identity": None,
    }  # fmt: skip
    method = get_class("facesr_bench.methods.propulse.ProPULSE")(**small | arguments)
    return method, {"branches": BATCH, "base": 2 * BATCH, "scale": BATCH, "batch_size": BATCH}


def psp(**arguments: Any) -> tuple[Method, dict[str, Any]]:
    small = {
        "prior": prior(), "hr_size": SIDE, "factor": 2, "input_size": SIDE, "style_width": 8,
        "depths": (1, 1, 1, 1), "body_weights": None, "factors": (1, 2), "lpips": None,
        "identity": None, "loss_size": SIDE,
    }  # fmt: skip
    method = get_class("facesr_bench.methods.psp.PSP")(**small | arguments)
    return method, {"images": BATCH, "batch_size": BATCH}


def dap_fsr(**arguments: Any) -> tuple[Method, dict[str, Any]]:
    small = {
        "prior": prior(), "hr_size": SIDE, "factor": 2, "encoder_side": 64, "width": 4,
        "depths": (1, 1, 1, 1), "lateral": 8, "statistics_samples": 100, "features": "none",
        "adapt": "hard", "target": "exemplar", "backbone_weights": None,
    }  # fmt: skip
    method = get_class("facesr_bench.methods.dap_fsr.DAPFSR")(**small | arguments)
    return method, {"images": 3 * BATCH, "batch_size": BATCH}


METHODS: dict[str, Callable[..., tuple[Method, dict[str, Any]]]] = {
    each.__name__: each for each in (scgan, cyclegan, pan, stylegan2, propulse, psp, dap_fsr)
}


CASES = [*((name, "64-true") for name in METHODS), ("scgan", "32-true")]
"""float32 for the method with most networks: summation order alone moves its parameters."""


class Rows(pl.loggers.logger.DummyLogger):
    """What the harness logs."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        kept = {k: v for k, v in metrics.items() if k != "images_per_second"}
        self.rows.append({**kept, "step": float(step or 0)})


def train(name: str, precision: str, ranks: int, folder: Path) -> dict[str, Any]:
    """The method's state and logged losses after its steps."""
    torch.manual_seed(1)
    method, budget = METHODS[name]()
    logger = Rows()
    side, factor = method.hr_size, method.factor or 2
    data = FaceSRDataModule(
        "blobs", 1, Source(side), Downscale(factor), side, factor, num_workers=0
    )
    trainer = {
        "accelerator": "cpu", "devices": ranks, "precision": precision,
        "strategy": "ddp" if ranks > 1 else "auto",
    }  # fmt: skip
    # Networks widen half precision by .float(), which would narrow float64.
    wide = patch.object(Tensor, "float", Tensor.double) if precision == "64-true" else nullcontext()
    with wide, patch.object(pl.Trainer, "save_checkpoint"):
        fit(
            method, data, method.make_budget(budget), trainer, [logger], folder, 7, Interrupts(),
            None, 1, 10**9, None,
        )  # fmt: skip
    return {"state": method.state_dict(), "losses": logger.rows}


def train_all(rank: int, folder: Path, port: int) -> None:
    """What one of two processes does."""
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank),
        "RANK": str(rank), "WORLD_SIZE": "2", "NODE_RANK": "0",
    }  # fmt: skip
    for name, precision in CASES:
        result = train(name, precision, 2, folder)
        torch.save(result, folder / f"{name}-{precision}-{rank}.pt")
