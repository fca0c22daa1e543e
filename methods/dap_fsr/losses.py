"""The equations of the paper as functions of images and features.

"|| ||_2" is read as a mean squared error; ``norm="l2"`` takes it literally, the root of a sum of
squares for each sample. Feature losses are summed over layers, each with weight one (section 4.1).
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

Norm = Literal["mse", "l2"]
Features = Mapping[str, Tensor]
"""(N, C, h, w) by layer."""
Statistics = Mapping[str, tuple[Tensor, Tensor]]
"""Mean and standard deviation of each channel over space, (N, C) both, by layer."""


def distance(x: Tensor, target: Tensor, norm: Norm = "mse") -> Tensor:
    """Eq. 3 of images, or of one layer's features or statistics."""
    if norm == "mse":
        return mse_loss(x, target)
    lengths: Tensor = (x - target).flatten(1).norm(dim=1)
    return lengths.mean()


def feature_distance(x: Features, target: Features, norm: Norm = "mse") -> Tensor:
    """Eqs. 4 and 8: features of one image against those of another, summed over layers."""
    return torch.stack([distance(x[name], target[name], norm) for name in target]).sum()


def statistics(features: Features) -> Statistics:
    """What is left of features when places are forgotten: the style.

    Eq. 9 calls sigma a variance; the standard deviation is meant, as in AdaIN. Its gradient is zero
    where a channel is constant.
    """
    return {
        name: (x.mean((2, 3)), x.flatten(2).std(dim=2, correction=0))
        for name, x in features.items()
    }


def style_distance(x: Statistics, target: Statistics, norm: Norm = "mse") -> Tensor:
    """Eq. 9 with its brackets put right: mean against mean and spread against spread, over layers."""
    terms = [
        distance(x[name][part], target[name][part], norm) for name in target for part in (0, 1)
    ]
    return torch.stack(terms).sum()


def chosen(every: Statistics, rows: Tensor) -> Statistics:
    """Statistics of these samples, in this order; rows (n,) may repeat."""
    return {name: (mean[rows], spread[rows]) for name, (mean, spread) in every.items()}
