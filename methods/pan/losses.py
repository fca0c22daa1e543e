"""The objectives: Eqs. 3 and 4, and the distances that the paper argues against (its Table 2).

log D of the paper is the logarithm of a sigmoid, so -log D = softplus(-logit) and
-log(1 - D) = softplus(logit).
"""

from typing import Literal

from torch import Tensor
from torch.nn import functional

from facesr_bench.nets.stylegan2.losses import logistic_discriminator, logistic_generator, r1

Objective = Literal["gan", "l1", "l2"]


def discriminator_loss(real: Tensor, fake: Tensor, penalty: Tensor, gamma: float = 5.0) -> Tensor:
    """Eq. 3: ``mean softplus(-real) + mean softplus(fake) + gamma * penalty``.

    Args:
        real: logits of real images.
        fake: logits of generated ones.
        penalty: :func:`gradient_penalty` of the real images.
        gamma: weight, without the 1/2 of Mescheder et al. (StyleGAN's r1_gamma = 10).
    """
    return logistic_discriminator(real, fake) + gamma * penalty


def gradient_penalty(logits: Tensor, real: Tensor) -> Tensor:
    """R1: squared gradient of the logits by the real images, summed per image, averaged over them."""
    return r1(logits, real)


def generator_loss(fake: Tensor) -> Tensor:
    """Eq. 4, non-saturating: ``mean softplus(-fake)`` of the logits of generated images."""
    return logistic_generator(fake)


def distance(fake: Tensor, real: Tensor, objective: Objective) -> Tensor:
    """Mean absolute or mean square difference of images in [-1, 1]: "L1 loss", "L2 loss"."""
    loss = functional.l1_loss if objective == "l1" else functional.mse_loss
    return loss(fake, real)
