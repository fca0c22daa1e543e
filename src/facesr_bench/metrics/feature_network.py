"""The networks whose features distances between sets are made of; each loads when asked for."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from facesr_bench.errors import ConfigError

if TYPE_CHECKING:
    from facesr_bench.metrics.frozen import FrozenNetwork

_MODULES = {
    "fid_inception": "facesr_bench.metrics.inception",
    "squeezenet1_1": "facesr_bench.metrics.squeezenet",
    "vgg16_random": "facesr_bench.metrics.vgg_random",
}
DIMENSIONS = {"fid_inception": 2048, "squeezenet1_1": 256}
"""Length of a feature vector, of the networks a reference can be of; the third is for smoke tests."""

WITH_WEIGHTS = tuple(DIMENSIONS)


@dataclass(frozen=True)
class FeatureNetwork:
    """A network, and the names of the distances its features make.

    Attributes:
        name: what a configuration calls it.
        frozen: uint8 (B, 3, H, W) to (B, dimensions) float32.
        dimensions: of a feature vector.
        settings: weights with their hash, layer, resize, as plain JSON; ``resize`` and, with real
            weights, ``weights_sha256`` are among them.
        frechet: name of the Fréchet distance.
        kernel: name of the kernel distance, or None where none is customary.
        minimum_images: with fewer, the distances say more about the number of images.
    """

    name: str
    frozen: "FrozenNetwork"
    dimensions: int
    settings: dict[str, Any]
    frechet: str
    kernel: str | None
    minimum_images: int


def build_feature_network(name: str) -> FeatureNetwork:
    """Build a network with its verified weights.

    Raises:
        ConfigError: no such network.
        MissingRequirement: its weights or a package are not there.
        WeightsError: the weights are not the registered ones.
    """
    if name not in _MODULES:
        raise ConfigError(
            f"There is no feature network {name!r}; choose one of {', '.join(_MODULES)}."
        )
    network: FeatureNetwork = import_module(_MODULES[name]).build()
    return network
