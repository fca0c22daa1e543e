"""From the latents that are searched to the codes the synthesis takes."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.priors import LoadedPrior

LatentMap = Literal["gaussian_fit", "none", "z"]

SLOPE = 0.2
"""Of a mapping's last LeakyReLU."""


def post_gain(prior: LoadedPrior) -> float:
    """What a mapping multiplies its last activation by: sqrt(2) in StyleGAN2, nothing in StyleGAN1."""
    return 2**0.5 if prior.family == "stylegan2" else 1.0


class Unactivate(nn.Module):
    """Undo a mapping's last activation: divide by its gain, then LeakyReLU of slope 5."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, codes: Tensor) -> Tensor:
        """Codes of any shape."""
        return functional.leaky_relu(codes / self.gain, 1 / SLOPE)


class GaussianCodes(nn.Module):
    """v = gain * LeakyReLU_0.2(a * std + mean): a standard normal becomes what the mapping would give.

    Args:
        mean: of the codes before the last activation, per dimension.
        std: their standard deviation.
        gain: of the activation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, gain: float) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.gain = gain

    def forward(self, latents: Tensor) -> Tensor:
        """(N, L, w_dim), both ways."""
        codes = functional.leaky_relu(latents * self.std + self.mean, SLOPE)
        return codes if self.gain == 1 else codes * self.gain


class MappedCodes(nn.Module):
    """v = mapping(z): the search stays where the prior was trained, and has the mapping to pass."""

    def __init__(self, mapping: nn.Module) -> None:
        super().__init__()
        self.mapping = mapping

    def forward(self, latents: Tensor) -> Tensor:
        """(N, L, z_dim) to (N, L, w_dim)."""
        codes: Tensor = self.mapping(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        return codes
