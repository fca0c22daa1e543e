"""A synthesis that is folded while it is frozen, whoever changes its weights in between."""

from torch import nn

from facesr_bench.nets.derived import Derived
from facesr_bench.nets.recording import is_recorded
from facesr_bench.nets.stylegan2.folded import fold, unfold
from facesr_bench.nets.stylegan2.frozen_synthesis import freeze


class Folding:
    """Call :meth:`refresh` before each use of the synthesis.

    Args:
        synthesis: of any family; only a StyleGAN2's of shared kernels is ever changed, and of that
            nothing but how its numbers are computed.
    """

    def __init__(self, synthesis: nn.Module) -> None:
        self._synthesis = synthesis
        self._constants: Derived[nn.Module, nn.ModuleList] = Derived(synthesis, _fold_and_freeze)

    def refresh(self) -> None:
        """Constants of the weights as they are now; none while a weight takes gradients."""
        if is_recorded():
            return  # a graph that is to be kept holds the weights, see FoldedConv
        if any(tensor.requires_grad for tensor in self._constants.tensors()):
            unfold(self._synthesis)
            self._constants.forget()
        else:
            self._constants.get()


def _fold_and_freeze(synthesis: nn.Module) -> nn.ModuleList:
    folded = fold(synthesis)
    if all(tensor.device.type == "cpu" for tensor in synthesis.parameters()):
        freeze(synthesis)
    return folded
