"""Features of style and content: VGG-19 at relu1_1 to relu4_1 (Huang and Belongie, ICCV 2017).

Its file is large and not everywhere, so ``vgg19_random`` stands in at small scales: the same plan at a
quarter of the width with drawn weights. Such features still tell textures from one another, but they
are not the papers' network: records name it, and nothing made with it is a result of their methods.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from facesr_bench.nets.loss_network import LossNetwork
from facesr_bench.nets.vgg import VGGFeatures, vgg_features
from facesr_bench.seeding import torch_rng

FeatureName = Literal["vgg19", "vgg19_random", "none"]
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
WIDTHS = {"vgg19": (64, 128, 256, 512), "vgg19_random": (16, 32, 64, 128)}
"""Channels of the four layers."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CONVOLUTIONS = ((16,), (16, 32), (32, 64), (64, 64, 64, 128))
"""Widths between one layer read and the next; all but the first group pool after their first
convolution, as VGG-19 does after conv1_2, conv2_2 and conv3_4."""


class RandomFeatures(LossNetwork):
    """RGB (N, 3, H, W) in [0, 1] to maps by name, as ``nets.vgg.VGGFeatures`` does."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__(nn.ModuleList(_stages()), {"weights": "vgg19_random, drawn, seed 0"})
        for constant, values in (("mean", _MEAN), ("std", _STD)):
            self.register_buffer(constant, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Layer name to (N, C, h, w)."""
        x, found = (images - self.mean) / self.std, {}
        for name, stage in zip(LAYERS, self.network.children(), strict=True):
            x = found[name] = stage(x)
        return found


def open_features(name: FeatureName) -> VGGFeatures | RandomFeatures | None:
    """F, or None where losses are to look at pixels alone.

    Raises:
        MissingRequirement: VGG-19's file is not here.
    """
    if name == "none":
        return None
    return vgg_features("vgg19", LAYERS) if name == "vgg19" else RandomFeatures()


def _stages() -> list[nn.Sequential]:
    """He-normal weights from a generator of their own: building it moves no other random state."""
    stages, before = [], 3
    for number, group in enumerate(_CONVOLUTIONS):
        layers: list[nn.Module] = []
        for index, width in enumerate(group):
            with torch.device("meta"):
                convolution = nn.Conv2d(before, width, 3, padding=1)
            rng = torch_rng(0, "vgg19_random", f"{number}.{index}")
            weight = torch.randn(width, before, 3, 3, generator=rng) * math.sqrt(2 / (9 * before))
            convolution.weight = nn.Parameter(weight)
            convolution.bias = nn.Parameter(torch.zeros(width))
            layers += [convolution, nn.ReLU()]
            if index == len(group) - 2:
                layers.append(nn.MaxPool2d(2))
            before = width
        stages.append(nn.Sequential(*layers))
    return stages
