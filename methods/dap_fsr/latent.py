"""Codes: the manifold-preserving rule (Eq. 2), mixing (Eq. 6), random codes of the source."""

from typing import Literal

import torch
from torch import Tensor, nn

Eps = Literal["shared", "per_layer"]
"""Whether the layers of one random code have one draw (a face the prior would make) or each its own."""


class LatentRule(nn.Module):
    """w_i = mu_w + E(LR)_i * sigma_w (Eq. 2), element-wise, the same for every layer i.

    The paper calls sigma_w a variance, but multiplies by it as by a standard deviation, as here.

    Args:
        mu: (w_dim,), mean of mapped codes.
        sigma: (w_dim,), their standard deviation.
        offset: False takes what the encoder says for the code itself (configurations up to B).
    """

    mu: Tensor
    sigma: Tensor

    def __init__(self, mu: Tensor, sigma: Tensor, *, offset: bool = True) -> None:
        super().__init__()
        self.register_buffer("mu", mu)
        self.register_buffer("sigma", sigma)
        self.offset = offset

    def forward(self, encoded: Tensor) -> Tensor:
        """(N, l, w_dim), both."""
        return self.mu + encoded * self.sigma if self.offset else encoded

    def gaussian(self, number: int, layers: int, eps: Eps, rng: torch.Generator) -> Tensor:
        """w^s = mu_w + sigma_w * eps (Algorithm 1, line 3): (number, layers, w_dim)."""
        drawn = 1 if eps == "shared" else layers
        noise = torch.randn(number, drawn, len(self.mu), generator=rng).to(self.mu)
        return (self.mu + self.sigma * noise).expand(-1, layers, -1)


def mix(target: Tensor, source: Tensor, alpha: Tensor) -> Tensor:
    """w^m_i = (1 - alpha_i) w^t_i + alpha_i w^s_i (Eq. 6).

    Args:
        target: (N, l, w_dim).
        source: the same.
        alpha: (l,), 1 is all source.
    """
    share = alpha[:, None]
    return (1 - share) * target + share * source
