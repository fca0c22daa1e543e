"""One traced training: values against images seen."""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import pytorch_lightning as pl
import torch

from facesr_bench.bands.plan import Plan
from facesr_bench.bands.watching import Watch
from facesr_bench.check.composing import Composer
from facesr_bench.check.learning import ON_CPU
from facesr_bench.config import build_data, build_method
from facesr_bench.interrupts import Interrupts
from facesr_bench.method import Method
from facesr_bench.training import fit

FACES = (
    "+data=tiny",
    "data.source.identities={train: 64, train_lr: 64, val: 2, test: 32}",
    "data.source.shipped_test=null",
)
"""256 faces to train on, 128 to make LR of, 64 held out; drawn, never downloaded."""


@dataclass(frozen=True)
class Curve:
    """What one training with one seed showed.

    Attributes:
        seed: of weights, order and noise.
        images: images seen at each point.
        values: of each statistic, one a point; NaN where that phase does not have it.
        cpu_seconds: of the training, watching included.
    """

    seed: int
    images: tuple[int, ...]
    values: dict[str, tuple[float, ...]]
    cpu_seconds: float

    def as_json(self) -> dict[str, Any]:
        """Six digits are more than a band can see."""
        return {
            "seed": self.seed,
            "images": list(self.images),
            "values": {
                name: [float(f"{x:.6g}") if math.isfinite(x) else None for x in values]
                for name, values in self.values.items()
            },
            "cpu_seconds": round(self.cpu_seconds, 1),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Curve":
        """The other way."""
        values = {
            name: tuple(math.nan if x is None else x for x in found)
            for name, found in content["values"].items()
        }
        return cls(content["seed"], tuple(content["images"]), values, content["cpu_seconds"])


def trace(plan: Plan, seed: int, changes: Sequence[str] = ()) -> Curve:
    """Train by the harness's own :func:`~facesr_bench.training.fit`, and watch.

    Args:
        plan: what to train.
        seed: of the run.
        changes: overrides on top of the plan's: a fault.
    """
    words = (f"+method={plan.method}", *FACES, *plan.words, *changes)
    settings = Composer(words).at("smoke")
    torch.set_num_threads(1)
    pl.seed_everything(seed, workers=True, verbose=False)
    data = build_data(settings["data"])
    method: Method = build_method(settings["method"])
    method.check_sizes((data.lr_size, data.lr_size), (data.hr_size, data.hr_size))
    budget = method.make_budget(settings["method"]["budget"], plan.images)
    watch = Watch(method, data, plan, budget)
    interrupts = Interrupts()
    began = time.process_time()
    with tempfile.TemporaryDirectory(prefix="facesr-bands-") as folder, interrupts.listening():
        fit(
            method, data, budget, ON_CPU, [watch], Path(folder), seed, interrupts,
            None, 1, 10**12, None,
        )  # fmt: skip
    spent = time.process_time() - began
    return Curve(seed, tuple(watch.images), watch.values, spent)
