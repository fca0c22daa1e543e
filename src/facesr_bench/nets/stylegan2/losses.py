"""What StyleGAN2 is trained with: logistic losses and two penalties on gradients.

Each penalty comes without its weight; training multiplies it by that and by the number of steps it is
left out.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Scalar loss of the discriminator's logits of real and of generated images."""
    return softplus(-real).mean() + softplus(fake).mean()


def logistic_generator(fake: Tensor) -> Tensor:
    """Scalar, non-saturating loss of the discriminator's logits of generated images."""
    return softplus(-fake).mean()


def r1(logits: Tensor, real: Tensor) -> Tensor:
    """Squared gradient of the logits by the real images, summed per image, averaged over images.

    Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018; the loss is gamma/2
    times this.

    Args:
        logits: of ``real``, still attached to it.
        real: (N, 3, H, W) that require a gradient.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def path_lengths(images: Tensor, ws: Tensor, directions: Tensor) -> Tensor:
    """How far images move per step of their codes, (N,), along random directions in image space.

    Args:
        images: (N, 3, H, W) made of ``ws``, still attached to them.
        ws: codes (N, L, w_dim) that require a gradient.
        directions: normal noise, shaped like ``images``.
    """
    directions = directions / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * directions).sum(), ws, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def path_penalty(lengths: Tensor, average: Tensor, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Mean squared distance of lengths from their running average, and the new average, detached.

    Args:
        lengths: (N,), of all processes.
        average: scalar so far; the penalty is taken to the new one, which has a gradient.
        decay: share of these lengths in it.
    """
    average = average.lerp(lengths.mean(), decay)
    return (lengths - average).square().mean(), average.detach()
