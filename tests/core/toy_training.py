"""A toy that trains in milliseconds, for tests of the fit loop."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.method import Batch, Method


class Squares(FaceDataset):
    def __init__(self, count: int) -> None:
        self.keys = [f"{i}.png" for i in range(count)]

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        return Sample(self.keys[index], hr=rng.integers(0, 256, (8, 8, 3)).astype(np.uint8))


class SquareFaces(FaceData):
    name = "squares"

    def split(self, role: Role) -> FaceDataset | None:
        return Squares(10) if role == "train" else None


class Toy(Method):
    """A 1x1 convolution after nearest neighbour; adds noise, to test that it is reproducible."""

    paper = "none"

    def __init__(self, breaks_at: int | None = None) -> None:
        super().__init__()
        self.factor, self.breaks_at = 4, breaks_at
        self.conv = nn.Conv2d(3, 3, 1)
        self.batches: list[int] = []

    def super_resolve(self, lr: Tensor) -> Tensor:
        return self.conv(lr.repeat_interleave(4, 2).repeat_interleave(4, 3)).clamp(0, 1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.batches.append(len(batch["hr"]))
        noise = self.noise("z", len(batch["hr"]), 3, 8, 8)
        loss = (self.super_resolve(batch["lr"]) + 0.1 * noise - batch["hr"]).square().mean()
        if self.breaks_at is not None and self.images_seen >= self.breaks_at:
            loss = loss * math.inf
        self.log_losses({"pix": loss})
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.01)


def toy() -> Toy:
    torch.manual_seed(0)
    return Toy()


def squares() -> FaceSRDataModule:
    return FaceSRDataModule("squares", 1, SquareFaces(), Downscale(4), hr_size=8)
