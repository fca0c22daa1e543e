"""What is fine-tuned, and by which loss: a method that restores, or a prior that a method searches."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from facesr_bench.adaptation.contract import Exemplars, FineTunes
from facesr_bench.adaptation.source_faces import SourceFaces
from facesr_bench.errors import ConfigError
from facesr_bench.method import Method
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.resize import resize
from facesr_bench.seeding import torch_rng


class Task(ABC):
    """Faces to restyle, and a loss of what they became.

    Attributes:
        takes_pairs: whether exemplars, which have LR and HR, can be trained on as they are.
    """

    takes_pairs: bool

    @abstractmethod
    def parameters(self, exemplars: Exemplars) -> Mapping[str, nn.Parameter]:
        """What may change."""

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


class Reconstruction(Task):
    """LR to HR, by the method's own loss (:class:`~.contract.FineTunes`) or mean squared error.

    Args:
        method: trained, differentiable.
        source: of faces.
    """

    takes_pairs = True

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


class PriorFaces(Task):
    """The prior of a method that searches one (PULSE): the same code is to give the restyled face.

    The affine maps of the synthesis change, as in DAP-FSR. An exemplar has no code, so strategies
    without restyled faces do not apply.

    Args:
        method: holds the prior.
        prior: of the method, changed in place.
        seed: of codes.
    """

    takes_pairs = False
    _AFFINE = (".affine.", ".style_mod.lin.")

    def __init__(self, method: Method, prior: LoadedPrior, seed: int) -> None:
        self._prior, self._seed, self._device = prior, seed, method.device
        self._noise = "const" if prior.family == "stylegan2" else "none"

    def parameters(self, exemplars: Exemplars) -> Mapping[str, nn.Parameter]:
        """The affine maps."""
        named = self._prior.network.synthesis.named_parameters()
        return {name: p for name, p in named if any(part in name for part in self._AFFINE)}

    def content(self, step: int, number: int) -> tuple[Tensor, Tensor | None]:
        """Faces of random codes, and the codes."""
        network = self._prior.network.to(self._device)
        rng = torch_rng(self._seed, "prior-content", step)
        z = torch.randn(number, network.z_dim, generator=rng).to(self._device)
        with torch.no_grad():
            codes = network.mapping(z)[:, None].expand(-1, network.num_codes, -1)
            return self._images(codes).clamp(0, 1), codes

    def inputs(self, restyled: Tensor, made_of: Tensor | None, step: int) -> Tensor:
        """The code of the face as it was."""
        if made_of is None:
            raise ConfigError("A prior is fine-tuned on its own faces, whose codes are known.")
        return made_of

    def draft(self, restyled: Tensor, made_of: Tensor | None) -> Tensor:
        """The same."""
        return self.inputs(restyled, made_of, 0)

    def loss(self, inputs: Tensor, hr: Tensor) -> Tensor:
        """Mean squared error of the faces of these codes."""
        return mse_loss(self._images(inputs), hr)

    def _images(self, codes: Tensor) -> Tensor:
        image: Tensor = self._prior.network.synthesis(codes, self._noise)  # type: ignore[arg-type]
        return image.add(1).div(2)


def task_of(method: Method, source: SourceFaces, seed: int) -> Task:
    """What fine-tuning means for a method.

    Raises:
        ConfigError: nothing of it can be fine-tuned.
    """
    if method.trainable or isinstance(method, FineTunes):
        return Reconstruction(method, source)
    prior = getattr(method, "prior", None)
    if isinstance(prior, LoadedPrior):
        return PriorFaces(method, prior, seed)
    raise ConfigError(
        f"{type(method).__name__} has nothing that could be adapted; choose adaptation.strategy=none "
        "to measure it beside methods that have."
    )
