"""The Inception of FID and KID: torch-fidelity's port, 2048 numbers from its last pooling layer."""

import io
from collections.abc import Callable

import torch
from torch import Tensor, nn

from facesr_bench.errors import MissingRequirement, WeightsError, first_line
from facesr_bench.metrics.feature_network import DIMENSIONS, FeatureNetwork
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.weights.loading import load_state, locate
from facesr_bench.weights.requirements import require

_CHUNK = 8


def build() -> FeatureNetwork:
    """The network under the name every paper means by FID.

    Raises:
        MissingRequirement: torch-fidelity, the weights, or both are not there.
        WeightsError: the weights are not the registered ones, or do not fit.
    """
    extractor_class, file = require(_extractor_class, lambda: locate("fid_inception"))
    # Its constructor unpickles whatever path it is given. So our door opens the file, and the
    # constructor gets the checked tensors as a file that was made of them here.
    checked = io.BytesIO()
    torch.save(load_state(file), checked)
    checked.seek(0)
    try:
        extractor = extractor_class(
            "fid_inception", ["2048"], feature_extractor_weights_path=checked
        )
    except RuntimeError as error:
        raise WeightsError(
            f"{file.path} does not fit the FID Inception ({first_line(error)})."
        ) from error
    return FeatureNetwork(
        name="fid_inception",
        frozen=_Inception(_Pool3(extractor), _to_bytes),
        dimensions=DIMENSIONS["fid_inception"],
        settings={
            "network": "fid_inception",
            **file.settings,
            "layer": "pool3 (2048)",
            "resize": "bilinear 299 without antialias (TensorFlow 1)",
            "input": "8-bit RGB",
        },
        frechet="fid",
        kernel="kid",
        minimum_images=1000,
    )


def _extractor_class() -> Callable[..., nn.Module]:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise MissingRequirement(
            f"the FID Inception needs torch-fidelity ({first_line(error)}): pip install torch-fidelity"
        ) from error
    return FeatureExtractorInceptionV3  # type: ignore[no-any-return]


class _Pool3(nn.Module):
    """The extractor answers with a tuple of layers, here of one."""

    def __init__(self, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.extractor(images)[0]
        return features


def _to_bytes(images: Tensor) -> Tensor:
    """Back to the 8 bits the extractor insists on; the values are whole numbers already."""
    return images.to(torch.uint8)


class _Inception(FrozenNetwork):
    """Whatever an image's size, the network sees 299x299: always as many at once."""

    def chunk(self, height: int, width: int) -> int:
        return _CHUNK
