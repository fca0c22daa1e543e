"""A method that keeps every promise, one that breaks each, and data that cost nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.method import Batch, Method
from facesr_bench.seeding import torch_rng


class Noise(FaceDataset):
    def __init__(self, role: str, count: int) -> None:
        self.keys = [f"{role}/{i}.png" for i in range(count)]

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(sum(self.keys[index].encode()))
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        return Sample(self.keys[index], hr=coarse.repeat(4, 0).repeat(4, 1))


class NoiseFaces(FaceData):
    name = "noise"

    def split(self, role: Role) -> FaceDataset | None:
        count = {"train": 8, "test": 4}.get(role)
        return Noise(role, count) if count else None


class Toy(Method):
    """Pixels repeated, then one learnt kernel."""

    paper = "None, a toy"
    reference = "none, a toy"

    def __init__(self, factor: int = 2, lr: float = 1e-2) -> None:
        super().__init__()
        self.factor, self.lr = factor, lr
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def enlarge(self, lr: Tensor) -> Tensor:
        enlarged = F.interpolate(lr, scale_factor=self.factor, mode="nearest")
        return enlarged + self.conv(enlarged)

    def super_resolve(self, lr: Tensor) -> Tensor:
        return self.enlarge(lr).clamp(0, 1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = F.mse_loss(self.enlarge(batch["lr"]), batch["hr"])
        self.log_losses({"pixel": loss})
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Unnamed(Toy):
    reference = ""


class WholeConfig(Toy):
    def __init__(self, factor: int = 2, cfg: dict[str, Any] | None = None) -> None:
        super().__init__(factor)


class Cropped(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        return super().super_resolve(lr)[:, :, :-1]


class Unclamped(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        return super().super_resolve(lr) * 1.5


class Drawing(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        torch.rand(1)
        return super().super_resolve(lr)


class Counting(Toy):
    calls = 0

    def super_resolve(self, lr: Tensor) -> Tensor:
        self.calls += 1
        return (super().super_resolve(lr) * (1 - 0.01 * (self.calls % 7))).clamp(0, 1)


class Sharing(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        sr = super().super_resolve(lr)
        return (sr + 0.1 * sr.mean((0, 2, 3), keepdim=True)).clamp(0, 1)


class Square(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        return super().super_resolve(lr[:, :, : lr.shape[3]])[..., : 2 * lr.shape[3]]


class Leaking(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        with torch.enable_grad():
            return super().super_resolve(lr)


class Remembering(Toy):
    def __init__(self, factor: int = 2) -> None:
        super().__init__(factor)
        self.register_buffer("seen", torch.zeros(()))

    def super_resolve(self, lr: Tensor) -> Tensor:
        self.seen += 1
        return super().super_resolve(lr)


class Understated(Toy):
    def inference_modules(self) -> list[nn.Module]:
        return []


class Overstated(Toy):
    def __init__(self, factor: int = 2) -> None:
        super().__init__(factor)
        self.critic = nn.Linear(3, 8)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        return loss + self.critic(batch["hr"].mean((2, 3))).square().mean()


class Branching(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        sr = super().super_resolve(lr)
        return torch.stack([(one + 0.1 * one.mean().item()).clamp(0, 1) for one in sr])


class Silent(Toy):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.losses = {}
        return loss


class Forgetful(Toy):
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam([self.conv.weight], lr=self.lr)


class Detached(Toy):
    def __init__(self, factor: int = 2) -> None:
        super().__init__(factor)
        self.shift = nn.Parameter(torch.full((3, 1, 1), 0.01))

    def enlarge(self, lr: Tensor) -> Tensor:
        return super().enlarge(lr) + self.shift.detach()


class Dicing(Toy):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        torch.rand(1)
        return super().training_step(batch, batch_idx)


class Climbing(Toy):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return -super().training_step(batch, batch_idx)


class Coarse(Toy):
    bf16_safe = True

    def enlarge(self, lr: Tensor) -> Tensor:
        enlarged = F.interpolate(lr, scale_factor=self.factor, mode="nearest")
        return enlarged + (self.conv(enlarged) + 300 - 300)


class Pickling(Toy):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["where"] = Path("here")


class Unregistered(Toy):
    def __init__(self, factor: int = 2) -> None:
        super().__init__(factor)
        self.table = torch.rand(3, 1, 1) / 10

    def enlarge(self, lr: Tensor) -> Tensor:
        return super().enlarge(lr) + self.table


class Stateful(Toy):
    steps = 0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.steps += 1
        for group in self.optimizers(use_pl_optimizer=False).param_groups:  # type: ignore[union-attr]
            group["lr"] = self.lr / self.steps
        return super().training_step(batch, batch_idx)


class SameNoise(Toy):
    """The noise of rank 0 on every rank."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        rng = torch_rng(self.context.seed, "noise", self.images_seen)
        noise = torch.randn(len(batch["hr"]), 3, 1, 1, generator=rng)
        loss = F.mse_loss(self.enlarge(batch["lr"]), batch["hr"] + noise)
        self.log_losses({"pixel": loss})
        return loss
