"""StyleGAN2's mapping network: from a normal vector to a code."""

import torch
from torch import Tensor, nn

from facesr_bench.nets.stylegan2.layers import EqualLinear, exact, full

RATE = 0.01
"""It learns a hundred times slower than the synthesis."""


class Mapping(nn.Module):
    """Fully connected layers ``fc0`` ... after a normalisation to unit mean square.

    Args:
        z_dim: length of its input.
        w_dim: length of a code.
        layers: how many.
        rate: learning rate multiplier: stored weights are that much larger than they count.
    """

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, layers: int, rate: float = RATE) -> None:
        super().__init__()
        self.layers = layers
        for index in range(layers):
            width_in = z_dim if index == 0 else w_dim
            self.add_module(f"fc{index}", EqualLinear(width_in, w_dim, activate=True, rate=rate))
        self.register_buffer("w_avg", torch.zeros(w_dim))  # running mean of codes, kept by training

    def forward(self, z: Tensor) -> Tensor:
        """(N, z_dim) of any scale to (N, w_dim), in float32."""
        with exact(z):
            x = full(z)
            x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)
        for index in range(self.layers):
            x = self.get_submodule(f"fc{index}")(x)
        return x
