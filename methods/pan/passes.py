"""The generator's two passes of a step: one for the discriminator to learn from, one for itself.

StyleGAN runs the generator anew for its own step. Its weights are the same in both passes, so all
that comes before the first noise is, too: it is computed once, and where there is no noise (every
stage up to the LR side) the second pass costs nothing. The numbers are those of two full passes.
"""

import torch
from torch import Tensor

from .fade import Stage
from .generator import Generator, NoiseMaps


class TwoPasses:
    """SR faces for D and for G from the same LR faces, with noise of their own.

    Args:
        G: must not change between the two passes.
        x: (B, 3, s, s), s = min(stage.side, LR side).
        stage: side and fade-in.
        noise_d: of the pass for D.
        noise_g: of the pass for G.
    """

    def __init__(
        self, G: Generator, x: Tensor, stage: Stage, noise_d: NoiseMaps, noise_g: NoiseMaps
    ) -> None:
        self._G, self._x, self._stage, self._noise = G, x, stage, noise_g
        if G.noise == "all":
            with torch.no_grad():
                self.for_discriminator = G(x, stage, noise_d)
            return
        self._features = G.unet(x, stage)
        if G.noisy_above(stage):
            with torch.no_grad():
                self.for_discriminator = G.enlarge(self._features, stage, noise_d)
        else:
            self._fake = G.enlarge(self._features, stage)
            self.for_discriminator = self._fake.detach()

    def for_generator(self) -> Tensor:
        """(B, 3, r, r) with a gradient to all parameters that the stage uses."""
        G, stage = self._G, self._stage
        if G.noise == "all":
            fake: Tensor = G(self._x, stage, self._noise)
            return fake
        if G.noisy_above(stage):
            return G.enlarge(self._features, stage, self._noise)
        return self._fake
