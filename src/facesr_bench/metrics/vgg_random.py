"""``fd_vgg16_random``: random weights, so that the Fréchet path can be tried where no weight file is.

Never a result: among four draws two scored light noise better than faces held out (see the settings'
``stand_in``).
"""

import hashlib
import math

import torch
from torch import nn

from facesr_bench.metrics.feature_network import FeatureNetwork
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.metrics.squeezenet import SpatialMean, imagenet_scale
from facesr_bench.seeding import torch_rng

_SEED = 0
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))  # VGG-16 as far as relu4_3


def build() -> FeatureNetwork:
    """VGG-16 up to relu4_3, spatial mean, He-normal weights of one fixed seed."""
    layers: list[nn.Module] = []
    digest = hashlib.sha256()
    before = 3
    for number, block in enumerate(_BLOCKS):
        if number:
            layers.append(nn.MaxPool2d(2))
        for index, channels in enumerate(block):
            convolution = nn.Conv2d(before, channels, 3, padding=1)
            generator = torch_rng(_SEED, "vgg16_random", f"{number}.{index}")
            weights = torch.randn(convolution.weight.shape, generator=generator)
            weights *= math.sqrt(2.0 / (before * 9))
            with torch.no_grad():
                convolution.weight.copy_(weights)
                convolution.bias.zero_()  # type: ignore[union-attr]
            digest.update(weights.numpy().tobytes())
            layers += [convolution, nn.ReLU()]
            before = channels
    return FeatureNetwork(
        name="vgg16_random",
        frozen=FrozenNetwork(SpatialMean(nn.Sequential(*layers), smallest=8), imagenet_scale),
        dimensions=before,
        settings={
            "stand_in": True,
            "network": "vgg16_random",
            "weights": f"drawn, He normal, seed {_SEED}",
            "weights_sha256": digest.hexdigest()[:16],
            "layer": f"relu4_3, spatial mean ({before})",
            "resize": "none (native size)",
            "input": "8-bit RGB, ImageNet mean and std",
        },
        frechet="fd_vgg16_random",
        kernel=None,
        minimum_images=2,
    )
