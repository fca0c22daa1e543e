"""Fine-tuning a prior that a method searches (PULSE): a code's face is to become another."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from facesr_bench.adaptation.contract import Exemplars
from facesr_bench.adaptation.task import Task
from facesr_bench.errors import ConfigError
from facesr_bench.method import Method
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.priors.statistics import code_statistics
from facesr_bench.resize import resize
from facesr_bench.seeding import torch_rng


class PriorFaces(Task):
    """The prior of a method that searches one (PULSE): the same code is to give the restyled face.

    The affine maps of the synthesis change, as in DAP-FSR. The code of an exemplar is looked for
    first: the one whose face, reduced, is the exemplar's LR, as at test time; then it is to give the
    HR. The paper does not say how a prior is fine-tuned; this is ours.

    Args:
        method: holds the prior.
        prior: of the method, changed in place.
        seed: of codes.
        search: steps that look for an exemplar's code.
    """

    _AFFINE = (".affine.", ".style_mod.lin.")
    _RATE = 0.1

    def __init__(self, method: Method, prior: LoadedPrior, seed: int, search: int) -> None:
        self._prior, self._seed, self._device = prior, seed, method.device
        self._noise = "const" if prior.family == "stylegan2" else "none"
        self._search = search

    def parameters(self, exemplars: Exemplars) -> Mapping[str, nn.Parameter]:
        """The affine maps."""
        named = self._prior.network.synthesis.named_parameters()
        return {name: p for name, p in named if any(part in name for part in self._AFFINE)}

    def exemplar_inputs(self, exemplars: Exemplars) -> Tensor:
        """Codes (K, l, w_dim): Adam on offsets from the mean, none longer than codes usually are."""
        network = self._prior.network.to(self._device)
        mean, spread = (x.to(self._device) for x in code_statistics(network, 10_000))
        size = (exemplars.lr.shape[-2], exemplars.lr.shape[-1])
        offsets = torch.zeros(
            len(exemplars), network.num_codes, network.w_dim, device=self._device
        ).requires_grad_(True)
        adam, longest = Adam([offsets], lr=self._RATE), network.w_dim**0.5
        frozen = [p for p in network.synthesis.parameters() if p.requires_grad]
        for parameter in frozen:
            parameter.requires_grad_(False)
        with torch.enable_grad():
            for _ in range(self._search):
                made = resize(self._images(mean + spread * offsets), size)
                loss = mse_loss(made, exemplars.lr)
                adam.zero_grad()
                loss.backward()
                adam.step()
                with torch.no_grad():
                    length = offsets.norm(dim=-1, keepdim=True).clamp(min=longest)
                    offsets.mul_(longest / length)
        for parameter in frozen:
            parameter.requires_grad_(True)
        return (mean + spread * offsets).detach()

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
        """Mean squared error of the faces of these codes, reduced where the prior's are larger."""
        made = self._images(inputs)
        size = (hr.shape[-2], hr.shape[-1])
        return mse_loss(made if made.shape[-2:] == size else resize(made, size), hr)

    def _images(self, codes: Tensor) -> Tensor:
        image: Tensor = self._prior.network.synthesis(codes, self._noise)  # type: ignore[arg-type]
        return image.add(1).div(2)
