"""The learning rate along one search, and the optimisers one may choose."""

from collections.abc import Callable, Sequence
from typing import Final, Literal

import torch
from torch import Tensor
from torch.optim import SGD, Adam, Adamax, Optimizer

Schedule = Literal["linear1cycledrop", "linear1cycle", "fixed"]
OptimizerName = Literal["adam", "sgd", "sgdm", "adamax"]


def multiplier(schedule: Schedule, step: int, steps: int) -> float:
    """What the learning rate is multiplied by in step ``step`` of ``steps``, counted from 0.

    Both cycles rise from 0.1 to 1 and fall back; "linear1cycledrop" does so within nine tenths of the
    steps and then falls on to 0.001.
    """
    if schedule == "fixed":
        return 1.0
    cycle = 0.9 * steps if schedule == "linear1cycledrop" else steps
    if step < cycle:
        return (9 * (1 - 2 * abs(step / cycle - 0.5)) + 1) / 10
    return 0.1 + (step - cycle) / (0.1 * steps) * (0.001 - 0.1)


def make_optimizer(name: OptimizerName, variables: Sequence[Tensor], lr: float) -> Optimizer:
    """One of the official four, all elementwise: samples of a batch never meet in it."""
    return _MAKERS[name](list(variables), lr)


def _fused(variables: Sequence[Tensor]) -> bool:
    return variables[0].device.type in {"cpu", "cuda"} and variables[0].dtype == torch.float32


_MAKERS: Final[dict[str, Callable[[list[Tensor], float], Optimizer]]] = {
    "adam": lambda v, lr: Adam(v, lr=lr, fused=_fused(v)),
    "sgd": lambda v, lr: SGD(v, lr=lr),
    "sgdm": lambda v, lr: SGD(v, lr=lr, momentum=0.9),
    "adamax": lambda v, lr: Adamax(v, lr=lr),
}
