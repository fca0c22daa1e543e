"""The terms of SCGAN's objectives (Eqs. 2-12, as the official code computes them).

Images are (B, 3, H, W) in [-1, 1]; critics give (B, 1) logits. Every mean runs over all elements.
"""

from typing import Literal, NamedTuple

from torch import Tensor
from torch.nn import functional


class Weights(NamedTuple):
    """Weights of the two terms that make up each half of an objective.

    Attributes:
        l1: of the pixel or cycle term.
        adv: of the adversarial term.
    """

    l1: float
    adv: float


WEIGHTS: dict[str, Weights] = {
    # The paper's Eqs. 2, 7, 8 and 12 swap the two: its GAN term would outweigh the rest by 20x.
    "code": Weights(l1=1.0, adv=0.05),
    "paper": Weights(l1=0.05, adv=1.0),
}

WeightsName = Literal["code", "paper"]


def critic_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """What a critic minimises: ``mean ReLU(1 - D(real)) + mean ReLU(1 + D(fake))``.

    The paper maximises the same with ``min(0, .)`` (Eqs. 3, 9, 10).
    """
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """What a generator minimises: ``-mean D(fake)`` (the paper repeats the critic's expression)."""
    return -fake.mean()


def l1(image: Tensor, target: Tensor) -> Tensor:
    """Pixel and cycle-consistency terms: mean absolute difference."""
    return functional.l1_loss(image, target)


def weighted_sum(*parts: tuple[float, Tensor | None]) -> Tensor | None:
    """Sum of ``weight * term`` over the terms that are switched on (not None); None if none is."""
    total: Tensor | None = None
    for weight, term in parts:
        if term is not None:
            total = weight * term if total is None else total + weight * term
    return total


def half_objective(
    l1_term: Tensor | None, adv_term: Tensor | None, weights: Weights
) -> Tensor | None:
    """Eq. 2, 7, 8 or 12: a pixel or cycle term and an adversarial term."""
    return weighted_sum((weights.l1, l1_term), (weights.adv, adv_term))


def restoration_objective(
    forward: Tensor | None, backward: Tensor | None, *, theta: float = 1.0, gamma: float = 0.05
) -> Tensor | None:
    """Eq. 6: R_LS learns from both branches, ``theta * forward + gamma * backward``."""
    return weighted_sum((theta, forward), (gamma, backward))


def bicubic_up(lr: Tensor, factor: int, *, align_corners: bool = True) -> Tensor:
    """Bicubic target of L1(up, R_LS(l)); the official code aligns corners, unlike most SR code."""
    return functional.interpolate(
        lr, scale_factor=factor, mode="bicubic", align_corners=align_corners
    )


def average_down(hr: Tensor, factor: int) -> Tensor:
    """Target of L1(s, down): ``factor`` x ``factor`` average pooling of the HR image."""
    return functional.avg_pool2d(hr, factor)
