"""Statistics of a training, read between its steps without touching it.

PSNR of a few faces moves by a decibel between seeds. These move by hundredths: training losses are
means over all images since the point before, errors are means over many fixed faces, and distances
between weights are sums over all of them.

    loss.NAME     mean of a logged training loss since the point before
    error         mean absolute error of the held-out faces
    mean_face     mean absolute difference between the mean of the made faces and that of the true ones
    spread        standard deviation of the made faces about their mean, over that of the true ones
    movement      how far the trained weights are from where they began, relative to their length there
    average_gap   how far a network is from its average, relative to its length
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import numpy as np
import torch
from pytorch_lightning.loggers.logger import Logger
from torch import Tensor

from facesr_bench.bands.plan import Plan
from facesr_bench.budget import Budget
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.images import to_float
from facesr_bench.method import Method

FACES = 64
BATCH = 16
SMALLEST = 1e-12
"""A logarithm of nothing is not asked for."""


class Watch(Logger):
    """Takes every step's losses from the harness's log; at each point it looks at the rest.

    Args:
        method: being trained.
        data: gives the held-out faces (of a prior, which restores nothing, training faces).
        plan: says how many points, and what is averaged.
        budget: of this training.
    """

    def __init__(self, method: Method, data: FaceSRDataModule, plan: Plan, budget: Budget) -> None:
        super().__init__()
        self._method, self._plan, self._budget = method, plan, budget
        self._faces = _Faces(method, data)
        self._start = {
            name: p.detach().clone() for name, p in method.named_parameters() if p.requires_grad
        }
        self._sums: dict[str, tuple[float, int]] = {}
        self.images: list[int] = []
        self._values: dict[str, list[float]] = {}

    @property
    def name(self) -> str:
        """Lightning asks for one."""
        return "bands"

    @property
    def version(self) -> str:
        """The same."""
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to keep."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """One step's losses; ``step`` counts images seen."""
        for name, value in metrics.items():
            if name in ("images_per_second", "phase"):
                continue
            total, steps = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value, steps + 1)
        seen = int(step or 0)
        due = self._budget.images * (len(self.images) + 1) / self._plan.points
        if seen < due and not self._budget.finished(seen):
            return
        found = {f"loss.{name}": total / steps for name, (total, steps) in self._sums.items()}
        found |= self._faces.measure() | {"movement": self._movement()}
        if self._plan.average is not None:
            found["average_gap"] = self._average_gap(*self._plan.average)
        self._sums.clear()
        self.images.append(seen)
        points = len(self.images)
        for name, value in found.items():
            values = self._values.setdefault(name, [math.nan] * (points - 1))
            values += [math.nan] * (points - 1 - len(values)) + [value]

    @property
    def values(self) -> dict[str, tuple[float, ...]]:
        """Every statistic at every point, judged or not; NaN where a phase does not have that loss."""
        points = len(self.images)
        return {n: (*v, *[math.nan] * (points - len(v))) for n, v in self._values.items()}

    def _movement(self) -> float:
        now = dict(self._method.named_parameters())
        return _relative((now[name], start) for name, start in self._start.items())

    def _average_gap(self, network: str, average: str) -> float:
        live, kept = (self._method.get_submodule(name) for name in (network, average))
        return _relative(zip(kept.parameters(), live.parameters(), strict=True))


def _relative(pairs: Iterator[tuple[Tensor, Tensor]]) -> float:
    """Length of the difference over the length of the second."""
    apart = length = 0.0
    for one, other in pairs:
        apart += float((one.detach() - other.detach()).double().square().sum())
        length += float(other.detach().double().square().sum())
    return max(SMALLEST, math.sqrt(apart / max(length, SMALLEST)))


class _Faces:
    """Fixed faces, and what a method makes of them."""

    def __init__(self, method: Method, data: FaceSRDataModule) -> None:
        self._method = method
        if method.restores:
            test = data.test_set
            chosen = range(min(FACES, len(test)))
            self._keys = [test.keys[i] for i in chosen]
            self._hr = _stacked([test.hr(i) for i in chosen])
            self._lr = _stacked([test.lr[i] for i in chosen])
        else:
            split = data.required("train")
            self._hr = _stacked([split[i].hr for i in range(len(split))])

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Statistics of the made faces."""
        with _left_alone(self._method):
            made = self._made()
        found = {
            "mean_face": float((made.mean(0) - self._hr.mean(0)).abs().mean()),
            "spread": float(_spread(made) / _spread(self._hr)),
        }
        if self._method.restores:
            found["error"] = float((made - self._hr).abs().mean())
        return {name: max(SMALLEST, value) for name, value in found.items()}

    def _made(self) -> Tensor:
        if not self._method.restores:
            shown = self._method.preview()
            return torch.zeros(1, *self._hr.shape[1:]) if shown is None else shown
        parts = range(0, len(self._lr), BATCH)
        return torch.cat(
            [
                self._method.restore(self._lr[at : at + BATCH], self._keys[at : at + BATCH])
                for at in parts
            ]
        )


def _spread(faces: Tensor) -> Tensor:
    return (faces - faces.mean(0)).square().mean().sqrt()


def _stacked(images: list[Any]) -> Tensor:
    return to_float(torch.from_numpy(np.stack(images)))


@contextmanager
def _left_alone(method: Method) -> Iterator[None]:
    """Eval mode inside; the mode of every module and the generators as they were afterwards."""
    modes = [(module, module.training) for module in method.modules()]
    with torch.random.fork_rng(devices=[]):
        method.eval()
        yield
    for module, training in modes:
        module.training = training
