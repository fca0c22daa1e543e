"""Face recognition networks inside losses: the same people, seen through pSp's fixed crop.

Richardson et al., "Encoding in Style", 2021, and Pro-PULSE after it: training images are aligned, so
the face is cut out at a fixed place, without landmarks. Metrics warp by landmarks instead
(:mod:`facesr_bench.faces.alignment`); measure with another network than the loss looks through.
"""

import torch
from torch import Tensor, nn

from facesr_bench.errors import ConfigError
from facesr_bench.faces.recognition import RECOGNISERS, Recogniser, open_network
from facesr_bench.nets.loss_network import LossNetwork

_SIDE = 256
_ROWS, _COLUMNS = (35, 223), (32, 220)
"""Where the face lies in an FFHQ-aligned image of side 256 (pSp's ``id_loss``)."""


class IdentityNetwork(LossNetwork):
    """RGB (B, 3, H, W) in [0, 1] of any size to unit vectors (B, length); images get gradients.

    Averaged to 256x256, cut to rows 35..222 and columns 32..219, averaged to the network's size. A
    network for 112x96 sees the middle 96 columns of the 112x112 crop.

    Args:
        known: the network's input and length.
        network: as :func:`~facesr_bench.faces.recognition.open_network` gives it.
        weights: see :class:`~facesr_bench.nets.loss_network.LossNetwork`.
    """

    def __init__(self, known: Recogniser, network: nn.Module, weights: dict[str, str]) -> None:
        super().__init__(network, weights)
        self.known = known
        self._axes: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    @property
    def length(self) -> int:
        """Numbers in a vector."""
        return self.known.length

    def forward(self, images: Tensor) -> Tensor:
        """Embed images; two of them are one person's as far as their inner product is near 1."""
        embeddings: Tensor = self.network(self.known.prepare(self.crop(images) * 255))
        return embeddings

    def crop(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 3, *size of the network), on the same scale.

        Averaging and cutting are linear and go along one axis at a time: a product with one matrix
        per axis, whose backward is deterministic on a GPU, where adaptive pooling's is not.
        """
        size = (images.shape[2], images.shape[3])
        axes = self._axes.get(size)
        if axes is None or axes[0].device != images.device or axes[0].dtype != images.dtype:
            height, width = self.known.size
            with torch.inference_mode(False):  # kept for training steps, whoever calls first
                rows = _axis(size[0], _ROWS, height, height).to(images)
                columns = _axis(size[1], _COLUMNS, height, width).t().contiguous().to(images)
            axes = self._axes[size] = (rows, columns)
        rows, columns = axes
        return rows @ (images @ columns)


def identity_network(weights: str) -> IdentityNetwork:
    """A recognition network for a loss.

    Args:
        weights: registered name: "arcface_irse50", "mobilefacenet_casia", "mobilefacenet_y1",
            "facenet_vggface2", or "synthface_identity", which ships and knows drawn faces only.

    Raises:
        ConfigError: no network has weights of this name.
        MissingRequirement: they are not here.
        WeightsError: they are others than registered.
    """
    by_weights = {known.weights: known for known in RECOGNISERS.values()}
    if weights not in by_weights:
        raise ConfigError(
            f"There is no identity network {weights!r} for losses; choose {', '.join(by_weights)}."
        )
    network, settings = open_network(by_weights[weights])
    return IdentityNetwork(by_weights[weights], network, settings)


def averaging(length: int, parts: int) -> Tensor:
    """The matrix (parts, length), float64, of adaptive average pooling along one axis.

    Part i is the mean of the pixels from floor(i length / parts) to ceil((i + 1) length / parts).
    """
    matrix = torch.zeros(parts, length, dtype=torch.float64)
    for part in range(parts):
        first, last = part * length // parts, -(-(part + 1) * length // parts)
        matrix[part, first:last] = 1 / (last - first)
    return matrix


def _axis(length: int, kept: tuple[int, int], side: int, size: int) -> Tensor:
    """From ``length`` pixels to 256, the kept ones of them, ``side`` of those, the middle ``size``."""
    first, last = kept
    square = averaging(last - first, side) @ averaging(length, _SIDE)[first:last]
    margin = (side - size) // 2
    return square[margin : margin + size]
