"""What each stage descends: Eq. 1 for the branches of G_ds, Eq. 5 for an encoder."""

import torch
from torch import Tensor
from torch.nn import Module

from facesr_bench.nets.identity import IdentityNetwork
from facesr_bench.nets.stylegan2 import Discriminator
from facesr_bench.nets.vgg import VGGFeatures

from .downsampling import LRReduction, area
from .generator import DeeplySupervisedGenerator
from .losses import Images, adversarial_loss, identity_loss, pixel_loss, reconstruction_loss
from .stages import Stage
from .variants import Switches

VGG_LAYER = "conv4_2"
"""Before its ReLU."""

Parts = dict[str, Tensor]
"""Unweighted losses by name."""


class Objectives(Module):
    """The losses of one step on one pass of the generator.

    Args:
        switches: which terms, their weights and norms.
        reduce: images to LR.
        pp_weight: of L_pp.
    """

    def __init__(self, switches: Switches, reduce: LRReduction, pp_weight: float) -> None:
        super().__init__()
        self.switches, self.reduce, self.pp_weight = switches, reduce, pp_weight
        self.vgg: VGGFeatures | None = None  # opened when training begins
        self.recogniser: IdentityNetwork | None = None

    def branches(
        self, generator: DeeplySupervisedGenerator, image: Tensor, features: Images
    ) -> tuple[Tensor, Parts]:
        """Eq. 1: branches draw the prior's image, reduced by means; nothing else gets a gradient."""
        norm = self.switches.norm
        images = generator.branch_images({side: x.detach() for side, x in features.items()})
        targets = area(image.detach(), list(images))
        parts = {"pix": pixel_loss(images, targets, norm)}
        if self.vgg is None:
            return parts["pix"], parts
        parts["pp"] = pixel_loss(self._perceived(images), self._perceived(targets), norm)
        return parts["pix"] + self.pp_weight * parts["pp"], parts

    def encoder(
        self, stage: Stage, images: Images, lr: Tensor, hr: Tensor, critic: Discriminator | None
    ) -> tuple[Tensor, Parts]:
        """Eq. 5 of the terms this stage has.

        Args:
            stage: of E_W or E_W+.
            images: of G_ds by side, (N, 3, side, side) about [-1, 1], the prior's own last.
            lr: (N, 3, 16, 16) in [-1, 1].
            hr: (N, 3, H, H), the same.
            critic: closed to gradients.
        """
        last = images[max(images)]
        terms, weights = self.switches.terms(stage), self.switches.weights
        losses: Parts = {}
        if "rec" in terms:
            losses["rec"] = reconstruction_loss(images, lr, self.reduce, self.switches.rec_norm)
        if "id" in terms and self.recogniser is not None:
            truth = self.recogniser(to_border(hr)).detach()
            losses["id"] = identity_loss(self.recogniser(to_border(last)), truth)
        if "adv" in terms and critic is not None:
            losses["adv"] = adversarial_loss(critic(last))
        total = torch.stack([weights[t] * losses[t] for t in terms if t in losses]).sum()
        return total, losses | {"E": total}

    def _perceived(self, images: Images) -> dict[int, Tensor]:
        if self.vgg is None:
            return {}
        return {side: self.vgg(to_border(image))[VGG_LAYER] for side, image in images.items()}


def to_border(images: Tensor) -> Tensor:
    """[-1, 1] to [0, 1] and float32, not clamped."""
    return images.float().add(1).div(2)
