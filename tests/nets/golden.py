"""Weights and inputs that every implementation can make for itself, to compare forward values.

The fill depends on a parameter's shape and role only, never on its name or place, so that two layouts
of one network get the same numbers.

Golden values are computed in float64: the order of a processor's sums moves the last digits of float32,
in a deep network by 2e-3, and those of float64 not within any digit that is written down. A test that
compares with one says "golden" in its name or its file's, by which ``make test-isa`` finds it.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)

EXACT = 1e-6
"""Of golden values with six decimals: one in the last."""


def pat(shape: tuple[int, ...], a: float) -> Tensor:
    """float32 sin(a t + 1e-4 t^2) over the flat index t."""
    t = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(a * t + 1e-4 * t * t).float().view(shape)


def spread(shape: torch.Size) -> Tensor:
    """float64 values in [-1, 1) that look random over the flat index."""
    t = torch.arange(shape.numel(), dtype=torch.float64)
    y = torch.sin(12.9898 * (t + 1) + 78.233) * 43758.5453
    return (2 * (y - torch.floor(y)) - 1).view(shape)


def in_mapping(name: str) -> bool:
    return name.startswith("mapping.")


def adds_one(name: str) -> bool:
    return name.endswith("affine.bias")


@torch.no_grad()
def fill(
    network: M,
    *,
    equalised: Callable[[str], bool] = lambda name: True,
    hundredfold: Callable[[str], bool] = in_mapping,
    about_one: Callable[[str], bool] = adds_one,
) -> M:
    """Fill every parameter of ``network`` and hand it back.

    Args:
        network: its buffers stay as they are.
        equalised: parameters with more than one dimension whose layer scales them at run time, and
            constant inputs; the others get an ordinary layer's spread.
        hundredfold: parameters of a mapping network (learning rate multiplier 0.01).
        about_one: biases of modulations that start at one (StyleGAN2).
    """
    for name, parameter in network.named_parameters():
        values = spread(parameter.shape)
        if parameter.ndim > 1:
            fan_in = parameter[0].numel()
            values *= math.sqrt(3) if equalised(name) else math.sqrt(1.5 / fan_in)
        else:
            values *= 0.05
        if hundredfold(name):
            values *= 100
        if about_one(name):
            values += 1
        parameter.copy_(values)
    return network


def summary(x: Tensor, first: int = 3) -> list[float]:
    """Mean, population standard deviation and the first values, as the golden tables print them."""
    x = x.detach().double()
    return [float(x.mean()), float(x.std(correction=0)), *x.flatten()[:first].tolist()]
