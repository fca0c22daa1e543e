"""A small PAN on drawn faces, one stage or several, for the tests of its training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from facesr_bench.budget import Budget, Phase
from facesr_bench.callbacks import ImageCounter
from facesr_bench.method import TrainingContext
from facesr_bench.methods.pan import PAN
from facesr_bench.methods.pan.fade import Stage
from facesr_bench.stream import StreamSampler
from facesr_bench.training import build_trainer

NARROW: dict[str, Any] = {"hr_size": 32, "factor": 2, "channel_base": 128, "channel_max": 8}
RECIPE: dict[str, Any] = {"fade": 16, "stable": 8, "gpus": 1, "batch_per_gpu": {8: 8, 16: 4}}
"""8px (8), 16px-fade (16), 16px (8), 32px-fade (16), 32px (8): 56 images in 13 steps."""


class Faces(Dataset[dict[str, Tensor]]):
    """Smooth blobs by position in the stream; eight of them."""

    def __init__(self, hr_size: int, factor: int, count: int = 8) -> None:
        generator = torch.Generator().manual_seed(7)
        coarse = torch.rand(count, 3, 8, 8, generator=generator)
        self.hr = nn.functional.interpolate(coarse, hr_size, mode="bicubic").clamp(0, 1)
        self.lr = nn.functional.avg_pool2d(self.hr, factor)

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        index = position % len(self.hr)
        return {"hr": self.hr[index], "lr": self.lr[index]}


class Data(pl.LightningDataModule):
    """The harness's stream over those faces."""

    def __init__(self, method: PAN) -> None:
        super().__init__()
        self.method = method

    def train_dataloader(self) -> Any:
        sampler = StreamSampler(self.method.context.budget, self.method.images_seen, 0, 1)
        faces = Faces(self.method.hr_size, self.method.factor or 2)
        return DataLoader(faces, batch_sampler=sampler)


class Look(pl.Callback):
    """Looks at the method after every step; stops the run at a number of images."""

    def __init__(self, look: Callable[[PAN], None] | None, stop_at: int | None) -> None:
        self._look, self._stop_at = look, stop_at

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        if self._look:
            self._look(module)
        if self._stop_at is not None and module.images_seen >= self._stop_at:
            trainer.should_stop = True


def build(seed: int = 0, budget: Budget | None = None, **arguments: Any) -> PAN:
    torch.manual_seed(seed)
    method = PAN(**NARROW | arguments)
    chosen = budget or method.make_budget(RECIPE)
    method.bind(TrainingContext(seed=2020, budget=chosen, train_images=8))
    return method


def one_stage(side: int, fade: bool, images: int = 8, batch: int = 4, lr: float = 1e-3) -> Budget:
    phases = [Phase("stage", images, batch, {"side": side, "fade": fade, "lr": lr})]
    if side != 32:
        phases.append(Phase("end", 1, 4, {"side": 32, "fade": False, "lr": lr}))
    return Budget(phases)


def fit(
    method: PAN,
    stop_at: int | None = None,
    look: Callable[[PAN], None] | None = None,
    resume_from: Path | None = None,
) -> pl.Trainer:
    callbacks = [ImageCounter(method.context.budget), Look(look, stop_at)]
    trainer = build_trainer({"accelerator": "cpu"}, method, [], callbacks, "fit")
    trainer.fit(method, Data(method), ckpt_path=resume_from, weights_only=True)
    return trainer


def with_gradient(network: nn.Module) -> set[str]:
    """Parts of a network, two names deep, in which some parameter has a gradient that is not zero."""
    return {
        ".".join(name.split(".")[:2])
        if not name.startswith(("mid", "head"))
        else name.split(".")[0]
        for name, p in network.named_parameters()
        if p.grad is not None and bool(p.grad.any())
    }


def gradients(method: PAN, stage: Stage) -> tuple[set[str], set[str]]:
    """Parts of G and D that a generator loss reaches."""
    assert method.D is not None
    method.zero_grad()
    x, _ = method.stage_images({"hr": Faces(32, 2).hr, "lr": Faces(32, 2).lr}, stage)
    fake = method.G(x, stage)
    (method.D(fake, stage) + fake.square().mean()).sum().backward()
    return with_gradient(method.G), with_gradient(method.D)


def states(method: PAN) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in method.state_dict().items()}
