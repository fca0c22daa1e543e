"""Two translations, two critics, both cycles: the networks of CycleGAN and their objectives.

    h --G--> s --F--> S        critic D_L(l, s)
    l --F--> R --G--> c        critic D_H(h, R)

The letters of the images are SCGAN's. Critics judge translations (s, R) only, never what came back
(S, c), and gradients pass through whole cycles.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Self

from torch import Tensor, nn

# The networks are SCGAN's, so that what differs between the two methods is how they are trained.
from ..scgan.building import drawn
from ..scgan.critics import Discriminator
from ..scgan.losses import average_down
from ..scgan.networks import Degrader, Restorer
from .losses import Gan, critic_loss, cycle_l1, generator_term


class Translated(NamedTuple):
    """One unpaired batch and what both cycles made of it; see the module."""

    h: Tensor
    l: Tensor  # noqa: E741  (the paper's letter)
    s: Tensor
    S: Tensor
    R: Tensor
    c: Tensor


class Translation(nn.Module):
    """G: HR -> LR, F: LR -> HR, and their critics.

    Args:
        degrader: builds G.
        restorer: builds F.
        critic: builds a critic for an image side.
        lr_size: side of the LR images.
        gan: hinge (SCGAN's paper) or least squares (CycleGAN's).
    """

    def __init__(
        self,
        *,
        degrader: Callable[[], Degrader],
        restorer: Callable[[], Restorer],
        critic: Callable[[int], Discriminator],
        lr_size: int,
        gan: Gan,
    ) -> None:
        super().__init__()
        self.gan: Gan = gan
        self.G = drawn("G", degrader)
        self.F = drawn("F", restorer)
        self.D_L = drawn("D_L", partial(critic, lr_size))
        self.D_H = drawn("D_H", partial(critic, lr_size * self.F.factor))
        self.F.dead.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Critics never leave train mode: only there does torch's spectral norm iterate."""
        super().train(mode)
        self.D_L.train()
        self.D_H.train()
        return self

    def both_cycles(self, h: Tensor, l: Tensor, z: Tensor) -> Translated:  # noqa: E741
        """All forwards of a step; nothing is detached.

        Args:
            h: (B, 3, H, W) in [-1, 1].
            l: (B, 3, H/factor, W/factor) in [-1, 1], unrelated to h.
            z: (B, *G.noise_shape) standard normal, one draw for both uses of G.
        """
        s = self.G(h, z)
        R = self.F(l)
        return Translated(h, l, s, self.F(s), R, self.G(R, z))

    def critic_losses(self, seen: Translated) -> dict[str, Tensor]:
        """Of D_L and D_H, on real images and detached translations."""
        return {
            "D_L": critic_loss(self.D_L(seen.l), self.D_L(seen.s.detach()), self.gan),
            "D_H": critic_loss(self.D_H(seen.h), self.D_H(seen.R.detach()), self.gan),
        }

    def generator_terms(self, seen: Translated, *, pix: bool) -> dict[str, Tensor]:
        """Unweighted terms of the one objective of G and F, by name."""
        terms = {
            "adv_s": generator_term(self.D_L(seen.s), self.gan),
            "adv_R": generator_term(self.D_H(seen.R), self.gan),
            "cyc_S": cycle_l1(seen.S, seen.h),
            "cyc_c": cycle_l1(seen.c, seen.l),
        }
        if pix:
            terms["pix_s"] = cycle_l1(seen.s, average_down(seen.h, self.F.factor))
        return terms
