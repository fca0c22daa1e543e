"""The exponential moving average of a network: what GANs are judged by."""

import copy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def average_of(network: Network) -> Network:
    """A frozen copy that starts where the network stands and shares no storage with it."""
    return copy.deepcopy(network).requires_grad_(False).eval()


def decay_of(images: float, half_life: float) -> float:
    """The weight an average keeps over a step of so many images, to halve after ``half_life``."""
    return float(0.5 ** (images / half_life))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """One step: parameters move by ``1 - decay`` of the way, buffers are copied."""
    pairs = list(zip(average.parameters(), network.parameters(), strict=True))
    torch._foreach_lerp_([a for a, _ in pairs], [n for _, n in pairs], 1 - decay)
    for kept, current in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(current)
