"""The four losses of a step, as functions of what was drawn."""

from collections.abc import Callable

import torch
from torch import Tensor

from facesr_bench.nets.stylegan2 import Discriminator, StyleGAN2
from facesr_bench.nets.stylegan2.layers import exact
from facesr_bench.nets.stylegan2.losses import (
    logistic_discriminator,
    logistic_generator,
    path_lengths,
    path_penalty,
    r1,
)

from .draws import Mixed


class Losses:
    """Non-saturating logistic loss, R1 and path length.

    Args:
        generator: trained.
        discriminator: trained.
        path_weight: of the path length penalty.
    """

    def __init__(
        self, generator: StyleGAN2, discriminator: Discriminator, path_weight: float
    ) -> None:
        self._generator, self._discriminator = generator, discriminator
        self._path_weight = path_weight

    def generator(self, drawn: Mixed, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The generator's loss, and the codes (N, w_dim) of the first z, detached."""
        codes = self._generator.mapping(drawn.z)
        images = self._generator.synthesis(self._layers(codes, drawn), maps)
        return logistic_generator(self._discriminator(images)), codes.detach()

    def discriminator(self, drawn: Mixed, maps: list[Tensor], real: Tensor) -> Tensor:
        """The discriminator's loss; no gradient reaches the generator."""
        with torch.no_grad():
            codes = self._generator.mapping(drawn.z)
            fake = self._generator.synthesis(self._layers(codes, drawn), maps)
        return logistic_discriminator(self._discriminator(real), self._discriminator(fake))

    def path(
        self,
        drawn: Mixed,
        maps: list[Tensor],
        average: Tensor,
        directions: Tensor,
        gather: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Path length penalty times its weight, and the new running average of lengths.

        Args:
            drawn: z of half a batch.
            maps: noise.
            average: of lengths so far.
            directions: normal noise, shaped like the images.
            gather: rows of all processes, with gradients.
        """
        ws = self._layers(self._generator.mapping(drawn.z), drawn)
        images = self._generator.synthesis(ws, maps)
        lengths = gather(path_lengths(images.float(), ws, directions))
        penalty, average = path_penalty(lengths, average)
        return self._path_weight * penalty, average

    def r1(self, real: Tensor, gamma: float) -> Tensor:
        """Half of gamma times the squared gradient at the real images."""
        real = real.detach().requires_grad_()
        logits = self._discriminator(real)
        with exact(real):
            return gamma / 2 * r1(logits, real)

    def _layers(self, codes: Tensor, drawn: Mixed) -> Tensor:
        number = self._generator.num_codes
        ws = codes[:, None].expand(-1, number, -1)
        if drawn.other is None:
            return ws
        others = self._generator.mapping(drawn.other)[:, None].expand(-1, number - drawn.cut, -1)
        return torch.cat([ws[:, : drawn.cut], others], dim=1)
