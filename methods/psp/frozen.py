"""The decoder: a StyleGAN2 that is never trained and is in no checkpoint."""

from typing import cast

from torch import Tensor

from facesr_bench.nets.loss_network import LossNetwork
from facesr_bench.nets.prior import Noise
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.nets.stylegan2.folding import Folding


class FrozenDecoder(LossNetwork):
    """Codes to images, with gradients to the codes.

    Args:
        network: kept beside the module tree.
    """

    network: StyleGAN2

    def __init__(self, network: StyleGAN2) -> None:
        super().__init__(network, {})
        self._folding = Folding(network.synthesis)

    def forward(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """(N, L, w_dim) to (N, 3, H, H), faces in [-1, 1] but unbounded."""
        self._folding.refresh()
        return cast(Tensor, self.network.synthesis(ws, noise))
