"""``lpips_alex``, ``lpips_vgg``, ``lpips_squeeze``: learned perceptual distance (Zhang et al. 2018).

The network is the ``lpips`` package's own, version 0.1, with weights of ours
(:mod:`facesr_bench.nets.lpips_distance`, where it is also a loss).
"""

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facesr_bench.errors import NotComputed
from facesr_bench.metrics.base import Need, PerImageMetric, ScoreBatch
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.nets.lpips_distance import (
    HEADS,
    SMALLEST,
    WEIGHTS,
    Backbone,
    build,
    check_backbone,
    lpips_package,
)
from facesr_bench.weights.loading import load_state, locate
from facesr_bench.weights.requirements import require


class LPIPS(PerImageMetric):
    """LPIPS v0.1 between SR and HR at their own size; lower is better.

    Args:
        net: the backbone. Papers that name none mean "alex" when they measure; "vgg" is the usual
            training loss, and measuring with it favours methods trained on it.

    Raises:
        ConfigError: no such backbone.
        MissingRequirement: the package, the backbone's weights, or both are missing.
        WeightsError: weights that are not the registered ones, or heads that are not version 0.1's.
    """

    higher_is_better = False
    value_range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    needs: ClassVar[frozenset[Need]] = frozenset({"hr"})

    def __init__(self, net: Backbone = "alex") -> None:
        super().__init__()
        check_backbone(net)
        self.net = net
        package, self.file = require(lpips_package, lambda: locate(WEIGHTS[net]))
        network = build(package, net, load_state(self.file), self.file.path)
        self.distance = FrozenNetwork(network, prepare)

    @property
    def keys(self) -> tuple[str, ...]:
        """``lpips_<backbone>``."""
        return (f"lpips_{self.net}",)

    def score(self, batch: ScoreBatch) -> dict[str, NDArray[np.float64]]:
        """Compare each SR image with its HR image.

        Raises:
            NotComputed: the images are too small for the backbone.
        """
        height, width = batch.sr.shape[2:]
        smallest = SMALLEST[self.net]
        if min(height, width) < smallest:
            raise NotComputed(
                f"LPIPS-{self.net} needs images of at least {smallest}x{smallest} pixels, not "
                f"{height}x{width}"
            )
        distances = self.distance(batch.sr, batch.require("hr"))
        return {self.keys[0]: distances.reshape(-1).double().numpy()}

    def settings(self) -> dict[str, Any]:
        """Version, backbone and heads, range and size."""
        return {
            "network": f"lpips v0.1, {self.net}",
            "heads_sha256": HEADS[self.net][:16],
            **self.file.settings,
            "colour": "rgb",
            "range": "[-1, 1]",
            "size": "own, no resize",
            "images": "uint8, no border cropped",
            "reduction": "mean of images",
        }


def prepare(images: Tensor) -> Tensor:
    """From 0..255 to [-1, 1]; with [0, 1] the network answers too, but with other numbers."""
    return images / 127.5 - 1.0
