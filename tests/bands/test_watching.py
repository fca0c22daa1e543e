"""What is watched of a training, told step by step without one."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facesr_bench.bands.plan import Plan, Statistic
from facesr_bench.bands.watching import Watch
from facesr_bench.budget import Budget, Phase
from facesr_bench.method import Method


class Toy(Method):
    """A prior of one weight, and its average."""

    restores = False

    def __init__(self) -> None:
        super().__init__()
        self.net, self.kept = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        for layer, value in ((self.net, 3.0), (self.kept, 4.0)):
            nn.init.constant_(layer.weight, value)
        self.kept.requires_grad_(False)

    def super_resolve(self, lr: Tensor) -> Tensor:
        return lr

    def preview(self) -> Tensor:
        return torch.full((2, 3, 4, 4), 0.5)


def watch(method: Toy) -> Watch:
    plan = Plan("toy", (), 8, 2, (1, 2), (Statistic("movement", 0.1),), average=("net", "kept"))
    face = SimpleNamespace(hr=np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8))
    data = SimpleNamespace(required=lambda role: [face, face])
    return Watch(method, cast(Any, data), plan, Budget([Phase("train", 8, 2)]))


def test_losses_are_means_since_the_point_before() -> None:
    watched = watch(Toy())
    for seen, loss in ((2, 1.0), (4, 3.0), (6, 5.0), (8, 9.0)):
        watched.log_metrics({"pix": loss, "images_per_second": 1.0}, step=seen)
    assert watched.images == [4, 8]
    assert watched.values["loss.pix"] == (2.0, 7.0)
    assert "loss.images_per_second" not in watched.values


def test_lengths_are_relative_to_the_network_and_to_where_it_began() -> None:
    method = Toy()
    watched = watch(method)
    nn.init.constant_(method.net.weight, 2.0)
    watched.log_metrics({}, step=4)
    assert watched.values["average_gap"] == (pytest.approx((4 - 2) / 2),)
    assert watched.values["movement"] == (pytest.approx((3 - 2) / 3),)
