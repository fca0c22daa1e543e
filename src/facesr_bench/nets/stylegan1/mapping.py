"""StyleGAN1's mapping network, with the names of PULSE's ``mapping.pt``."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.nets.stylegan1.layers import SLOPE, EqualLinear

_LR_MUL = 0.01  # the mapping learns a hundred times slower than the synthesis


class Mapping(nn.Module):
    """z (N, z_dim) of any scale to codes w (N, w_dim).

    z is divided by its root mean square; then come ``layers`` fully connected layers, each with a
    LeakyReLU of slope 0.2. There is no truncation and no running mean of w.

    Args:
        z_dim: width of z.
        w_dim: width of the codes and of all layers.
        layers: their number; named ``dense0``, ``dense1``, ...
    """

    def __init__(self, z_dim: int = 512, w_dim: int = 512, layers: int = 8) -> None:
        super().__init__()
        self._layers = layers
        for index in range(layers):
            inputs = w_dim if index else z_dim
            self.add_module(f"dense{index}", EqualLinear(inputs, w_dim, lr_mul=_LR_MUL))

    def forward(self, z: Tensor) -> Tensor:
        """Map latents to codes."""
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for index in range(self._layers):
            x = functional.leaky_relu(self.get_submodule(f"dense{index}")(x), SLOPE)
        return x
