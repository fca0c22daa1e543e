"""One search: a hundred steps on spheres, for a batch of images that never meet."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from .losses import Loss, mean_square
from .schedule import OptimizerName, Schedule, make_optimizer, multiplier
from .variables import Spheres, Variables

ReturnImage = Literal["last", "best"]


@dataclass(frozen=True)
class Recipe:
    """How a search goes.

    Attributes:
        loss: of each sample.
        steps: images generated.
        optimizer: which one.
        lr: its learning rate at the top of the schedule.
        schedule: the learning rate along the steps.
        sphere: project back after each step.
        return_image: the image of the last step (official), or of the step of the lowest loss.
    """

    loss: Loss
    steps: int
    optimizer: OptimizerName
    lr: float
    schedule: Schedule
    sphere: bool
    return_image: ReturnImage


@dataclass(frozen=True)
class Found:
    """What a search ended with; one number per sample.

    Attributes:
        images: (N, 3, S, S), nominally in [0, 1], not clamped.
        lr_mse: of the returned image: distance to the LR image, as the loss sees it.
        best_lr_mse: the lowest of all steps, which the official success test looks at.
        loss: of the returned image.
    """

    images: Tensor
    lr_mse: Tensor
    best_lr_mse: Tensor
    loss: Tensor


Generate = Callable[[Tensor, list[Tensor]], tuple[Tensor, Tensor]]
"""Latents and noise maps to images in [0, 1] and mapped codes."""


def search(
    lr: Tensor, start: Variables, generate: Generate, reduce: nn.Module, recipe: Recipe
) -> Found:
    """Look for latents whose image, reduced, is the LR image.

    The official loop takes one more step after its last image and throws it away; and it copies the
    image of every better step, of which only a thumbnail is used. Neither is done here, and no number
    changes.

    Args:
        lr: (N, 3, s, s) in [0, 1].
        start: moved in place.
        generate: the frozen generator.
        reduce: from its size to s.
        recipe: everything else.
    """
    spheres = Spheres(start.searched)
    for variable in start.searched:
        variable.requires_grad_()
    optimizer = make_optimizer(recipe.optimizer, start.searched, recipe.lr)
    lowest_mse = lr.new_full((len(lr),), torch.inf)
    lowest_loss, best = lowest_mse, start.snapshot() if recipe.return_image == "best" else []
    for step in range(recipe.steps):
        last = step == recipe.steps - 1
        if last:
            for variable in start.searched:
                variable.requires_grad_(False)  # nothing is learnt from the last image
        with torch.set_grad_enabled(not last):
            images, codes = generate(start.latent, start.noise)
            y = reduce(images)
            loss = recipe.loss(y, lr, codes)
        with torch.no_grad():
            mse = mean_square(y, lr)
            lowest_mse = torch.minimum(lowest_mse, mse)
            if best:
                start.keep(loss < lowest_loss, best)
                lowest_loss = torch.minimum(lowest_loss, loss)
        if last:
            break
        # The sum, so that no sample's gradient depends on how many there are.
        loss.sum().backward()
        del images, y, codes
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * multiplier(recipe.schedule, step, recipe.steps)
        optimizer.step()
        optimizer.zero_grad()
        if recipe.sphere:
            spheres.project()
    if best:
        with torch.no_grad():
            start.restore(best)
            images, codes = generate(start.latent, start.noise)
            y = reduce(images)
            mse, loss = mean_square(y, lr), recipe.loss(y, lr, codes)
    return Found(images, mse, lowest_mse, loss)
