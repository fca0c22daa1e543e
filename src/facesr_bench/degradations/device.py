"""The steps of a random degradation on a whole training batch, on its own device, by kornia.

Strengths are drawn on the CPU from one generator for each image, as on the workers; kornia has no
generator of its own per image and only applies what was drawn. Its JPEG differs from Pillow's by about
one level on average, so this is for training alone: test LR is always made by the workers' operators.
"""

from collections.abc import Callable, Sequence
from typing import Any

import kornia
import numpy as np
import torch
from torch import Tensor

from facesr_bench.degradations.steps import (
    Blur,
    Jpeg,
    MotionBlur,
    Noise,
    Reduce,
    Step,
    line_kernel,
)
from facesr_bench.errors import ConfigError
from facesr_bench.resize import resize

Drawn = list[dict[str, Any]]


def apply_steps(
    steps: Sequence[Step], images: Tensor, rngs: Sequence[np.random.Generator]
) -> Tensor:
    """Degrade a batch.

    Args:
        steps: in order; each is applied to the images its own coin chooses.
        images: float32 (B, 3, H, W) in [0, 1].
        rngs: one generator for each image.

    Returns:
        float32 (B, 3, h, w) in [0, 1], rounded to 8 bits.
    """
    for step in steps:
        chosen, drawn = [], []
        for index, rng in enumerate(rngs):
            applied = rng.random() < step.p
            params = step.draw(rng)  # drawn also where it is not applied: the next step's stay put
            if applied:
                chosen.append(index)
                drawn.append(params)
        if chosen:
            images = _on_some(images, chosen, _operator(step), drawn)
    return images.clamp(0, 1).mul(255).round().div(255)


def _on_some(
    images: Tensor, chosen: list[int], operator: Callable[[Tensor, Drawn], Tensor], drawn: Drawn
) -> Tensor:
    if len(chosen) == len(images):
        return operator(images, drawn)
    index = torch.tensor(chosen, device=images.device)
    return images.index_copy(0, index, operator(images[index], drawn))


def _operator(step: Step) -> Callable[[Tensor, Drawn], Tensor]:
    if isinstance(step, Reduce):
        return lambda images, drawn: _reduce(step, images)
    for kind, operator in (
        (Blur, _blur),
        (MotionBlur, _motion_blur),
        (Noise, _noise),
        (Jpeg, _jpeg),
    ):
        if isinstance(step, kind):
            return operator
    raise ConfigError(f"The step {type(step).__name__} has no version on the device.")


def _reduce(step: Reduce, images: Tensor) -> Tensor:
    height, width = images.shape[2] // step.factor, images.shape[3] // step.factor
    return resize(images, (height, width), step.operator)


def _blur(images: Tensor, drawn: Drawn) -> Tensor:
    sigma = torch.tensor([[one["sigma"]] * 2 for one in drawn], device=images.device)
    side = 2 * int(np.ceil(3 * float(sigma.max()))) + 1
    limit = 2 * (min(images.shape[2:]) - 1) + 1  # reflection reaches no further than the image
    side = min(side, limit - (limit + 1) % 2)
    return kornia.filters.gaussian_blur2d(images, (side, side), sigma, border_type="reflect")


def _motion_blur(images: Tensor, drawn: Drawn) -> Tensor:
    kernels = [line_kernel(one["length"], one["angle"]) for one in drawn]
    side = max(len(kernel) for kernel in kernels)
    padded = [np.pad(kernel, (side - len(kernel)) // 2) for kernel in kernels]
    stacked = torch.tensor(np.stack(padded), dtype=images.dtype, device=images.device)
    if side // 2 >= min(images.shape[2:]):
        raise ConfigError(
            f"A motion blur of {side // 2} pixels is longer than LR of {images.shape[2]} pixels."
        )
    return kornia.filters.filter2d(images, stacked, border_type="reflect")


def _noise(images: Tensor, drawn: Drawn) -> Tensor:
    fields = []
    for one in drawn:
        generator = torch.Generator().manual_seed(one["seed"])
        fields.append(torch.randn(images.shape[1:], generator=generator) * one["sigma"] / 255)
    return images + torch.stack(fields).to(images.device)


def _jpeg(images: Tensor, drawn: Drawn) -> Tensor:
    quality = torch.tensor([float(one["quality"]) for one in drawn], device=images.device)
    whole = images.clamp(0, 1).mul(255).round().div(255)
    height, width = whole.shape[2:]
    # kornia's 4:2:0 needs multiples of 16.
    padded = torch.nn.functional.pad(whole, (0, -width % 16, 0, -height % 16), mode="replicate")
    decoded = kornia.enhance.jpeg_codec_differentiable(padded, quality)
    return decoded[:, :, :height, :width].clamp(0, 1)
