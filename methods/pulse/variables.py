"""What is searched: a latent and the first noise maps of each image, each on a sphere of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from .losses import NORM_EPS

NoiseType = Literal["zero", "fixed", "trainable"]


@dataclass(frozen=True)
class SearchSpace:
    """Shapes of what is drawn.

    Attributes:
        codes: L, codes one image takes.
        width: of a latent.
        tile: one latent for all L codes (W) instead of one each (W+).
        noise_shapes: (h, w) of each noise map.
        noise_type: "zero", "fixed" or "trainable".
        trainable: how many maps are searched, from the smallest on, where the type is "trainable".
        zeroed: indices of maps that are zero whatever the type.
    """

    codes: int
    width: int
    tile: bool
    noise_shapes: Sequence[tuple[int, int]]
    noise_type: NoiseType
    trainable: int
    zeroed: frozenset[int]

    def is_drawn(self, index: int) -> bool:
        """Whether a noise map is random; the others are zero."""
        return self.noise_type != "zero" and index not in self.zeroed

    def is_searched(self, index: int) -> bool:
        """Whether a noise map is optimised."""
        return self.noise_type == "trainable" and index < self.trainable and self.is_drawn(index)

    def draw(self, generators: Sequence[Generator], device: torch.device) -> "Variables":
        """The starting point of each sample, from its own CPU generator: latent first, then maps."""
        rows = [self._draw_one(generator) for generator in generators]
        latent, *drawn = (torch.stack(parts).to(device) for parts in zip(*rows, strict=True))
        maps = iter(drawn)
        noise = [
            next(maps) if self.is_drawn(index) else torch.zeros(1, 1, *shape, device=device)
            for index, shape in enumerate(self.noise_shapes)
        ]
        searched = [noise[index] for index in range(len(noise)) if self.is_searched(index)]
        return Variables(latent, noise, [latent, *searched])

    def _draw_one(self, generator: Generator) -> list[Tensor]:
        latent = torch.randn(1 if self.tile else self.codes, self.width, generator=generator)
        return [latent] + [
            torch.randn(1, *shape, generator=generator)
            for index, shape in enumerate(self.noise_shapes)
            if self.is_drawn(index)
        ]


@dataclass(frozen=True)
class Variables:
    """One batch in the middle of its search.

    Attributes:
        latent: (N, L or 1, width).
        noise: maps (N, 1, h, w), or (1, 1, h, w) of zeros.
        searched: those of them that are optimised; the latent comes first.
    """

    latent: Tensor
    noise: list[Tensor]
    searched: list[Tensor]

    def snapshot(self) -> list[Tensor]:
        """A copy of what is searched: a few kilobytes an image, where the image has megabytes."""
        return [variable.detach().clone() for variable in self.searched]

    @torch.no_grad()
    def keep(self, where: Tensor, snapshot: list[Tensor]) -> None:
        """Overwrite the samples of a snapshot for which ``where`` (N,) is true."""
        for old, new in zip(snapshot, self.searched, strict=True):
            torch.where(_per_sample(where, new), new, old, out=old)

    @torch.no_grad()
    def restore(self, snapshot: list[Tensor]) -> None:
        """Go back to a snapshot."""
        for variable, then in zip(self.searched, snapshot, strict=True):
            variable.copy_(then)


class Spheres:
    """The sphere each variable starts on: one radius per code and per noise map."""

    def __init__(self, variables: Sequence[Tensor]) -> None:
        self._variables = list(variables)
        self._radii = [_radius(variable.detach()) for variable in variables]

    @torch.no_grad()
    def project(self) -> None:
        """Back to the sphere along the radius, in place."""
        for variable, radius in zip(self._variables, self._radii, strict=True):
            variable.mul_(radius / _radius(variable))


def _radius(variable: Tensor) -> Tensor:
    dimensions = tuple(range(2, variable.ndim))
    return (variable.square().sum(dimensions, keepdim=True) + NORM_EPS).sqrt()


def _per_sample(flags: Tensor, like: Tensor) -> Tensor:
    return flags.reshape(-1, *[1] * (like.ndim - 1))
