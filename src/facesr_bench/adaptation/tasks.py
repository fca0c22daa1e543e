"""What is fine-tuned, and by which loss: a method that restores; for priors see ``prior_task``."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from facesr_bench.adaptation.contract import Exemplars, FineTunes
from facesr_bench.adaptation.prior_task import PriorFaces
from facesr_bench.adaptation.source_faces import SourceFaces
from facesr_bench.adaptation.task import Task
from facesr_bench.errors import ConfigError
from facesr_bench.method import Method
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.resize import resize


class Reconstruction(Task):
    """LR to HR, by the method's own loss (:class:`~.contract.FineTunes`) or mean squared error.

    Args:
        method: trained, differentiable.
        source: of faces.
    """

    def __init__(self, method: Method, source: SourceFaces) -> None:
        self._method, self._source = method, source
        self._lr_side = 0

    def parameters(self, exemplars: Exemplars) -> Mapping[str, nn.Parameter]:
        """The method's choice, or everything that runs at test time."""
        self._lr_side = exemplars.lr.shape[-1]
        if isinstance(self._method, FineTunes):
            return self._method.adaptation_parameters(exemplars)
        modules = self._method.inference_modules()
        return {
            f"{number}.{name}": parameter
            for number, module in enumerate(modules)
            for name, parameter in module.named_parameters()
        }

    def exemplar_inputs(self, exemplars: Exemplars) -> Tensor:
        """Their LR."""
        return exemplars.lr

    def content(self, step: int, number: int) -> tuple[Tensor, Tensor | None]:
        """The next of the training split."""
        return self._source.hr(step * number, number), None

    def inputs(self, restyled: Tensor, made_of: Tensor | None, step: int) -> Tensor:
        """LR by the protocol's degradation."""
        return self._source.lr_of(restyled, step)

    def draft(self, restyled: Tensor, made_of: Tensor | None) -> Tensor:
        """LR by bicubic reduction."""
        return resize(restyled, (self._lr_side, self._lr_side)).clamp(0, 1)

    def loss(self, inputs: Tensor, hr: Tensor) -> Tensor:
        """See the class."""
        if isinstance(self._method, FineTunes):
            return self._method.adaptation_loss(inputs, hr)
        return mse_loss(self._method.super_resolve(inputs), hr)


def task_of(method: Method, source: SourceFaces, seed: int, search: int) -> Task:
    """What fine-tuning means for a method.

    Args:
        method: to be adapted.
        source: of faces.
        seed: of all draws.
        search: steps that look for an exemplar's code, where a prior is fine-tuned.

    Raises:
        ConfigError: nothing of it can be fine-tuned.
    """
    if method.trainable or isinstance(method, FineTunes):
        return Reconstruction(method, source)
    prior = getattr(method, "prior", None)
    if isinstance(prior, LoadedPrior):
        return PriorFaces(method, prior, seed, search)
    raise ConfigError(
        f"{type(method).__name__} has nothing that could be adapted; choose adaptation.strategy=none "
        "to measure it beside methods that have."
    )
