"""``fd_squeezenet``: a Fréchet distance for those without the Inception file; 256 numbers per image.

Its values are no FID and compare only among themselves, and only at one image size: images go through
as they are, since enlarging them to 224 costs 35 times as much and ranks alike.
"""

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before torchvision, see there)
import torch
from torch import Tensor, nn
from torchvision.models import squeezenet1_1  # type: ignore[import-untyped]

from facesr_bench.checkpoints import load_weights
from facesr_bench.errors import NotComputed
from facesr_bench.metrics.feature_network import DIMENSIONS, FeatureNetwork
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.weights.loading import load_state, locate

_LAYERS = 8  # features[0:8]: two fire modules past the second pooling
_SMALLEST = 9  # pixels; below, that pooling has nothing left to pool

# Of ImageNet, on [0, 1], red green blue; what torchvision's networks were trained with.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def build() -> FeatureNetwork:
    """The network with the user's squeezenet1_1 file.

    Raises:
        MissingRequirement: the file is not there.
        WeightsError: it is not the registered one.
    """
    file = locate("squeezenet1_1")
    network = squeezenet1_1(weights=None)
    load_weights(network, load_state(file), str(file.path))
    return FeatureNetwork(
        name="squeezenet1_1",
        frozen=FrozenNetwork(SpatialMean(network.features[:_LAYERS], _SMALLEST), imagenet_scale),
        dimensions=DIMENSIONS["squeezenet1_1"],
        settings={
            "network": "squeezenet1_1",
            **file.settings,
            "layer": "features[0:8], spatial mean (256)",
            "resize": "none (native size)",
            "input": "8-bit RGB, ImageNet mean and std",
        },
        frechet="fd_squeezenet",
        kernel=None,
        minimum_images=400,
    )


class SpatialMean(nn.Module):
    """The mean over positions of a convolutional network's last maps.

    Args:
        layers: the network as far as those maps.
        smallest: short side in pixels below which it has none.
    """

    def __init__(self, layers: nn.Module, smallest: int = 1) -> None:
        super().__init__()
        self.layers = layers
        self.smallest = smallest

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, C).

        Raises:
            NotComputed: images that are too small.
        """
        height, width = images.shape[2:]
        if min(height, width) < self.smallest:
            raise NotComputed(
                f"the network needs images of at least {self.smallest}x{self.smallest} pixels, not "
                f"{height}x{width}"
            )
        maps: Tensor = self.layers(images)
        return maps.mean(dim=(2, 3))


def imagenet_scale(images: Tensor) -> Tensor:
    """0..255 to what ImageNet networks take."""
    mean, std = (
        torch.tensor(values, device=images.device).view(1, 3, 1, 1) for values in (_MEAN, _STD)
    )
    return (images / 255.0 - mean) / std
