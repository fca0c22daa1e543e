"""E, the latent rule and G together: LR faces to codes to HR faces, all in [-1, 1]."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from facesr_bench.nets.derived import Derived
from facesr_bench.nets.recording import is_recorded
from facesr_bench.nets.stylegan2.folding import Folding
from facesr_bench.priors.loaded import LoadedPrior
from facesr_bench.priors.statistics import code_statistics
from facesr_bench.resize import resize

from .decoder import Phi, images_of, phi_parameters
from .encoder import Encoder
from .frozen_encoder import FrozenEncoder
from .latent import LatentRule


class DAPNetworks(nn.Module):
    """M = (E, G) of Algorithm 1.

    G is a copy of the prior's synthesis: adaptation changes it, and a checkpoint holds it, so that an
    adapted model is one file and no prior is changed behind anybody's back. It never gets a gradient
    outside of :meth:`open`.

    Args:
        prior: gives G and, through its mapping, mu_w and sigma_w.
        encoder: E, for the prior's number and length of codes.
        offset: see :class:`~.latent.LatentRule`.
        samples: codes mapped for mu_w and sigma_w.
    """

    def __init__(
        self, prior: LoadedPrior, encoder: Encoder, *, offset: bool = True, samples: int = 100_000
    ) -> None:
        super().__init__()
        self.family = prior.family
        self.E = encoder
        self.G = copy.deepcopy(prior.network.synthesis).requires_grad_(False)
        self.rule = LatentRule(*code_statistics(prior.network, samples), offset=offset)
        self._frozen_E: Derived[Encoder, FrozenEncoder] = Derived(encoder, FrozenEncoder)
        self._folding = Folding(self.G)

    def codes(self, lr: Tensor) -> Tensor:
        """LR (N, 3, h, w) to codes (N, l, w_dim): Eq. 2."""
        at_rest = self._at_rest(lr)
        if not at_rest:
            self._frozen_E.forget()  # E may be about to learn
        codes: Tensor = self.rule((self._frozen_E.get() if at_rest else self.E)(lr))
        return codes

    def images(self, ws: Tensor) -> Tensor:
        """Codes (N, l, w_dim) to images (N, 3, S, S), which nothing bounds."""
        self._folding.refresh()
        return images_of(self.G, self.family, ws)

    def _at_rest(self, lr: Tensor) -> bool:
        """Whether nothing is learnt, where :class:`~.frozen_encoder.FrozenEncoder` serves."""
        quiet = not (torch.is_grad_enabled() or self.E.training or is_recorded())
        plain = lr.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        return quiet and plain and lr.dtype == torch.float32

    def reduced(self, images: Tensor, side: int) -> Tensor:
        """DS: bicubic with antialiasing to LR of this side, back in [-1, 1]."""
        return resize(images, (side, side)).clamp(-1, 1)

    def phi(self, which: Phi) -> dict[str, nn.Parameter]:
        """The tensors of G that adaptation may change."""
        return phi_parameters(self.G, self.family, which)

    @contextmanager
    def open(self, which: Phi) -> Iterator[dict[str, nn.Parameter]]:
        """Inside, exactly these tensors take gradients, and everything is in eval mode."""
        training = self.training
        frozen = {p: p.requires_grad for p in self.parameters()}
        self.eval().requires_grad_(False)
        phi = self.phi(which)
        for parameter in phi.values():
            parameter.requires_grad_(True)
        try:
            yield phi
        finally:
            for parameter, before in frozen.items():
                parameter.requires_grad_(before)
                parameter.grad = None
            self.train(training)
