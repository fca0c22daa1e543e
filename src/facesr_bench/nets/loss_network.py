"""A network inside a loss: images get gradients through it, and it never changes itself."""

from collections.abc import Callable
from typing import Any

from torch import nn


class LossNetwork(nn.Module):
    """Base of the fixed networks that losses look through.

    The network is kept beside the module tree, not in it: it follows ``.to(...)``, but stays in eval
    mode when its method trains (one batch in train mode would move BatchNorm's statistics), enters no
    optimizer and no parameter count, and is not written into every checkpoint of the method.

    Args:
        network: in whatever mode; frozen here.
        weights: name and hash of its file, as :attr:`~facesr_bench.weights.loading.WeightFile.settings`
            gives them, for records.
    """

    network: nn.Module

    def __init__(self, network: nn.Module, weights: dict[str, str]) -> None:
        super().__init__()
        # Around nn.Module's own __setattr__, which would register it.
        self.__dict__["network"] = network.requires_grad_(False).eval()
        self.weights = weights

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "LossNetwork":
        self.network._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
