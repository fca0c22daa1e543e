"""Everything random in a step, drawn from (seed, role, images seen)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from facesr_bench.seeding import torch_rng

if TYPE_CHECKING:
    from .module import StyleGAN2Prior


@dataclass(frozen=True)
class Mixed:
    """What codes are made of: z for all layers, or another z from one layer on."""

    z: Tensor
    other: Tensor | None
    cut: int


@dataclass(frozen=True)
class Draws:
    """The draws of one step for this process's share of the batch.

    Args:
        method: gives noise by role.
        samples: of this process.
        mixing: probability that the batch mixes two z.
    """

    method: StyleGAN2Prior
    samples: int
    mixing: float

    def half(self) -> Draws:
        """For half of the batch, at least one: path lengths need twice the memory."""
        return Draws(self.method, max(1, self.samples // 2), self.mixing)

    def codes(self, role: str) -> Mixed:
        """Z of the batch; the cut is one for all of it, as in the official code."""
        generator = self.method.generator
        z = self.method.noise(f"z-{role}", self.samples, generator.z_dim)
        rng = self._rng(f"mixing-{role}")
        chance, place = torch.rand((), generator=rng), torch.rand((), generator=rng)
        if chance >= self.mixing:
            return Mixed(z, None, generator.num_codes)
        other = self.method.noise(f"other-z-{role}", self.samples, generator.z_dim)
        return Mixed(z, other, 1 + int(place * (generator.num_codes - 1)))

    def maps(self, role: str) -> list[Tensor]:
        """Noise maps of the synthesis."""
        shapes = self.method.generator.noise_shapes
        return [
            self.method.noise(f"map{index}-{role}", self.samples, 1, *shape, on_device=True)
            for index, shape in enumerate(shapes)
        ]

    def directions(self) -> Tensor:
        """Where path lengths are measured, in image space."""
        side = self.method.hr_size
        return self.method.noise("directions", self.samples, 3, side, side, on_device=True)

    def mirrored(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) with each image mirrored or not."""
        context = self.method.context
        coins = torch.rand(self.samples * context.world_size, generator=self._rng("mirror"))
        own = context.share(coins)[:, None, None, None] < 0.5
        return torch.where(own.to(images.device), images.flip(3), images)

    def _rng(self, role: str) -> torch.Generator:
        return torch_rng(self.method.context.seed, role, self.method.images_seen)
