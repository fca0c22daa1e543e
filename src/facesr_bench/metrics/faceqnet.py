"""``fiq``, ``fiq_v1``: face image quality by FaceQnet (Hernandez-Ortega et al. 2019), DAP-FSR's FIQ.

FaceQnet predicts from one image how well a face recogniser will do on it, from 0 to 1. Input as in its
authors' script: the whole image, BGR, ``cv2.resize`` to 224x224, values 0..255 without mean
subtraction, output clamped to [0, 1].

Neither official file was at hand when this was written: nothing but the files' published use is known
of them. So no layer name is assumed. The network is rebuilt from the architecture that the file itself
carries, checked against Keras' arithmetic on fabricated files, and whatever it does not know is refused
by name. Before a first publication, compare a few images with the authors' script.
"""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.base import PerImageMetric, ScoreBatch, pixels
from facesr_bench.metrics.frozen import FrozenNetwork, exact_float32
from facesr_bench.nets.keras_graph import KerasGraph
from facesr_bench.weights.keras import load_keras
from facesr_bench.weights.loading import locate
from facesr_bench.weights.requirements import installed, require

Version = Literal["v0", "v1"]
_KEYS = {"v0": "fiq", "v1": "fiq_v1"}
_SIDE = 224


class FaceQnet(PerImageMetric):
    """Quality of SR alone, on [0, 1]; higher is better.

    Args:
        version: "v0" is the network of the paper and of DAP-FSR's tables (key ``fiq``); "v1" is a later
            training whose numbers do not compare (key ``fiq_v1``).

    Raises:
        ConfigError: no such version.
        MissingRequirement: the weights, h5py, or both are missing.
        WeightsError: the file is not a network from 224x224 colours to one number.
    """

    higher_is_better = True
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(self, version: Version = "v0") -> None:
        super().__init__()
        if version not in _KEYS:
            raise ConfigError(f"There is no FaceQnet {version!r}; choose {', '.join(_KEYS)}.")
        self.version = version
        self.file, _ = require(lambda: locate(f"faceqnet_{version}"), lambda: installed("h5py"))
        network = KerasGraph(load_keras(self.file))
        _check(network)
        self.quality = FrozenNetwork(network, _as_it_is)

    @property
    def keys(self) -> tuple[str, ...]:
        """``fiq`` for v0, ``fiq_v1``."""
        return (_KEYS[self.version],)

    def score(self, batch: ScoreBatch) -> dict[str, NDArray[np.float64]]:
        """Quality of each SR image; nan where the network gives no number."""
        images = np.stack([prepare(image) for image in pixels(batch.sr)])
        raw = self.quality(torch.from_numpy(images)).reshape(-1).double().numpy()
        return {self.keys[0]: np.clip(raw, 0.0, 1.0)}

    def settings(self) -> dict[str, Any]:
        """Network, input and output."""
        return {
            "network": f"FaceQnet {self.version}",
            **self.file.settings,
            "colour": "bgr, 0..255, no mean subtracted",
            "resize": f"whole image, OpenCV bilinear without antialias to {_SIDE}x{_SIDE}, 8 bits",
            "output": "clamped to [0, 1]",
            "reduction": "mean of images",
        }


def prepare(image: UInt8Image) -> NDArray[np.uint8]:
    """uint8 RGB (H, W, 3) to the uint8 (3, 224, 224) BGR that the authors' script feeds."""
    import cv2

    bgr = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (_SIDE, _SIDE))
    return np.ascontiguousarray(bgr.transpose(2, 0, 1))


def _as_it_is(images: Tensor) -> Tensor:
    return images


def _check(network: KerasGraph) -> None:
    """One grey image through, so that a file that does not fit is refused before anything runs."""
    shape = network.input_shape
    if len(shape) != 4 or any(
        given not in (None, expected)
        for given, expected in zip(shape[1:], (_SIDE, _SIDE, 3), strict=True)
    ):
        raise WeightsError(
            f"{network.source} takes images of shape {shape}, not {_SIDE}x{_SIDE}x3 as FaceQnet."
        )
    with exact_float32():
        output = network(torch.full((1, 3, _SIDE, _SIDE), 128.0))
    if tuple(output.shape) != (1, 1):
        raise WeightsError(
            f"{network.source} gives {tuple(output.shape)} per image, not one number as FaceQnet."
        )
