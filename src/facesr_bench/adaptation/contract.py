"""What a method offers to be adapted: an algorithm of its own, or a loss to be fine-tuned with.

A method that offers neither, but trains and super-resolves in one differentiable pass, is fine-tuned
with :class:`~facesr_bench.adaptation.finetuning.Reconstruction`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Exemplars:
    """K pairs of the target domain: all that a method sees of it before it is tested.

    Attributes:
        keys: of the pairs, for the record.
        lr: (K, 3, h, w), RGB in [0, 1].
        hr: (K, 3, H, W), the same.
        degrade: the protocol's degradation, for faces that a method makes while it adapts: HR
            (N, 3, H, W) in [0, 1] and the number of the call to LR (N, 3, h, w), the same; None where
            no protocol is at hand.
    """

    keys: tuple[str, ...]
    lr: Tensor
    hr: Tensor
    degrade: Callable[[Tensor, int], Tensor] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device) -> "Exemplars":
        """The same on another device."""
        return Exemplars(self.keys, self.lr.to(device), self.hr.to(device), self.degrade)


@runtime_checkable
class AdaptsItself(Protocol):
    """A method with an adaptation algorithm of its own."""

    @property
    def adaptation_steps(self) -> int:
        """How often ``done`` is called, for the progress bar."""
        ...

    def adapt(self, exemplars: Exemplars, seed: int, done: Callable[[], None]) -> dict[str, float]:
        """Change the method in place.

        Args:
            exemplars: on the method's device.
            seed: all draws follow from it.
            done: to be called after each step.

        Returns:
            Numbers for the record.
        """
        ...


@runtime_checkable
class FineTunes(Protocol):
    """A method that says what of it may be fine-tuned on pairs, and by which loss."""

    def adaptation_parameters(self, exemplars: Exemplars) -> Mapping[str, nn.Parameter]:
        """The tensors that may change, by name; the others stay as they are, to the bit."""
        ...

    def adaptation_loss(self, lr: Tensor, hr: Tensor) -> Tensor:
        """A number to descend, of LR (N, 3, h, w) and HR (N, 3, H, W) in [0, 1]."""
        ...
