"""The equations of the paper, each a function of images, features, embeddings or logits.

Eqs. 2 and 3 divide "|| ||_2" by the number of pixels, which only makes sense for a squared sum: a
mean squared error, or literally a root (``norm="l2"``). Eq. 6 does not divide, so it is what it says,
the root of the summed squares of each image; as a mean square it is outweighed fifty times by L_id,
and training ends in one face for all.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

Norm = Literal["mse", "l2"]
Images = Mapping[int, Tensor]
"""(N, C, side, side) by side."""


def pixel_loss(images: Images, targets: Images, norm: Norm = "mse") -> Tensor:
    """L_pix (Eq. 2) of branch images, and L_pp (Eq. 3) of their features: the mean over sides.

    Args:
        images: of the branches, or features of them; sides are those of the branches.
        targets: the same of the prior's own image, reduced; without gradients.
        norm: "l2" is the root over the number of places (not channels) of a map.
    """
    return _mean(
        mse_loss(image, targets[side])
        if norm == "mse"
        else _root(image - targets[side]) / (image.shape[2] * image.shape[3])
        for side, image in images.items()
    )


def reconstruction_loss(
    images: Images, lr: Tensor, reduce: Callable[[Tensor], Tensor], norm: Norm = "l2"
) -> Tensor:
    """L_rec (Eq. 6): every image, reduced, looks like the LR face; the mean over images and sides."""
    return _mean(
        mse_loss(reduce(image), lr) if norm == "mse" else _root(reduce(image) - lr)
        for image in images.values()
    )


def identity_loss(embeddings: Tensor, truth: Tensor) -> Tensor:
    """L_id (Eq. 7) of unit vectors (N, D): one minus their cosine."""
    return 1 - (embeddings * truth).sum(1).mean()


def adversarial_loss(fake: Tensor) -> Tensor:
    """L_adv (Eq. 8) of the critic's logits of super-resolved faces."""
    return -fake.mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """L_D (Eq. 9), which nothing bounds; see :mod:`.critic` for what does."""
    return fake.mean() - real.mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, at: Tensor
) -> Tensor:
    """WGAN-GP's two-sided penalty between real and fake images (Gulrajani et al., 2017).

    Args:
        critic: images to logits.
        real: (N, 3, H, W), as ``fake``; neither brings a gradient.
        fake: see there.
        at: (N, 1, 1, 1) in [0, 1], where between them.
    """
    between = torch.lerp(real, fake, at).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norms: Tensor = gradient.flatten(1).norm(dim=1)
    return (norms - 1).square().mean()


def _root(difference: Tensor) -> Tensor:
    """L2 norm of each sample, averaged over samples."""
    norms: Tensor = difference.flatten(1).norm(dim=1)
    return norms.mean()


def _mean(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).mean()
