"""The contract between fine-tuning and what is fine-tuned."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from facesr_bench.adaptation.contract import Exemplars


class Task(ABC):
    """Exemplars and faces to restyle, and a loss of what they became."""

    @abstractmethod
    def parameters(self, exemplars: Exemplars) -> Mapping[str, nn.Parameter]:
        """What may change."""

    @abstractmethod
    def exemplar_inputs(self, exemplars: Exemplars) -> Tensor:
        """What the method gets for each exemplar, to be made before anything changes."""

    @abstractmethod
    def content(self, step: int, number: int) -> tuple[Tensor, Tensor | None]:
        """Source faces (number, 3, H, W) in [0, 1], and what makes them, where LR does not."""

    @abstractmethod
    def inputs(self, restyled: Tensor, made_of: Tensor | None, step: int) -> Tensor:
        """What the method gets for a restyled face."""

    @abstractmethod
    def draft(self, restyled: Tensor, made_of: Tensor | None) -> Tensor:
        """The same through which gradients reach the face, for adversarial moves."""

    @abstractmethod
    def loss(self, inputs: Tensor, hr: Tensor) -> Tensor:
        """A number to descend; HR (N, 3, H, W) in [0, 1]."""
