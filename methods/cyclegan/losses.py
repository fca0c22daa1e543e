"""The terms of CycleGAN's objective (Zhu et al., Eqs. 1 to 3), with a choice of the GAN's.

Critics give (B, 1) logits. Every mean runs over all elements.
"""

from typing import Literal

from torch import Tensor
from torch.nn import functional

from ..scgan.losses import critic_hinge, generator_hinge

Gan = Literal["hinge", "least_squares"]


def critic_loss(real: Tensor, fake: Tensor, gan: Gan) -> Tensor:
    """What a critic minimises: SCGAN's hinge, or ``mean (D(real) - 1)^2 + mean D(fake)^2``."""
    if gan == "hinge":
        return critic_hinge(real, fake)
    return (real - 1).square().mean() + fake.square().mean()


def generator_term(fake: Tensor, gan: Gan) -> Tensor:
    """What a generator minimises: ``-mean D(fake)``, or ``mean (D(fake) - 1)^2``."""
    return generator_hinge(fake) if gan == "hinge" else (fake - 1).square().mean()


def cycle_l1(image: Tensor, original: Tensor) -> Tensor:
    """Cycle consistency (Eq. 2), also the pixel term: mean absolute difference."""
    return functional.l1_loss(image, original)
