"""Constants computed from a network's weights, and computed anew when these have changed."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)
Made = TypeVar("Made")


class Derived(Generic[Module, Made]):
    """Something made of a module's weights: folded kernels, a network laid out for inference.

    It notices loaded weights, most optimisers' steps, another device and another memory format, by the
    versions PyTorch counts of every tensor. What is written past that count it does not see: a step of
    a *fused* optimiser, ``parameter.data.add_``, layers that come later. So whoever owns it calls
    :meth:`forget` where weights are about to learn.

    Args:
        module: whose weights.
        make: from the module; called without gradients.
    """

    def __init__(self, module: Module, make: Callable[[Module], Made]) -> None:
        self._module, self._make = module, make
        parts = [part for each in module.modules() for part in (each._parameters, each._buffers)]
        self._parts: list[dict[str, Any]] = [part for part in parts if part]
        self._made: Made | None = None
        self._of: list[tuple[int, int]] = []
        self._held: list[Tensor] = []

    def tensors(self) -> list[Tensor]:
        """The module's parameters and buffers as they are now; shared ones more than once."""
        return [t for part in self._parts for t in part.values() if t is not None]

    def get(self) -> Made:
        """What belongs to the weights the module has now."""
        tensors = self.tensors()
        now = [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        if self._made is None or now != self._of:
            # Not inside Lightning's inference mode: a later training may want gradients through it.
            with torch.inference_mode(False), torch.no_grad():
                self._made, self._of = self._make(self._module), now
                # Memory that is held is not given to other weights: an address stays a name.
                self._held = [tensor.detach() for tensor in tensors]
        return self._made

    def forget(self) -> None:
        """Let go of it."""
        self._made, self._of, self._held = None, [], []

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """A copy is of the copied module, with nothing made yet; also in another process."""
        return type(self), (self._module, self._make)
