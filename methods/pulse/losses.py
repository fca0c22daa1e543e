"""PULSE's loss: a string such as "100*L2+0.05*GEOCROSS", and what its names mean.

Every function gives one number per sample. The official code sums over the batch after its clamp, which
makes a batch of several images fail its own success test; per sample the gradients are the same.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from facesr_bench.errors import ConfigError

NORM_EPS: Final = 1e-9
"""Inside every square root of the official code."""


def mean_square(y: Tensor, x: Tensor) -> Tensor:
    """(N,) mean squared distances of images (N, C, h, w)."""
    return (y - x).square().mean((1, 2, 3))


def l2(y: Tensor, x: Tensor, eps: float) -> Tensor:
    """max(MSE, eps): a sample that has come within ``eps`` gets no gradient any more."""
    return mean_square(y, x).clamp_min(eps)


def l1(y: Tensor, x: Tensor, eps: float) -> Tensor:
    """10 max(mean absolute distance, eps)."""
    return 10 * (y - x).abs().mean((1, 2, 3)).clamp_min(eps)


def geocross(codes: Tensor) -> Tensor:
    """How far the codes of one image lie apart: mean of 512 theta^2 / 8 over all L^2 ordered pairs.

    theta = 2 atan2(|v_i - v_j|, |v_i + v_j|) is the angle between v_i and v_j where their norms agree,
    which nothing here enforces (official code). 512 and 8 stay for codes of any length and number.

    Args:
        codes: mapped codes (N, L, w_dim).
    """
    one, other = codes[:, :, None], codes[:, None]
    theta = 2 * torch.atan2(_norm(one - other), _norm(one + other))
    return (512 * theta.square()).mean((1, 2)) / 8


def _norm(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(-1) + NORM_EPS).sqrt()


Term = Callable[[Tensor, Tensor, Tensor, float], Tensor]

TERMS: Final[dict[str, Term]] = {
    "L2": lambda y, x, codes, eps: l2(y, x, eps),
    "L1": lambda y, x, codes, eps: l1(y, x, eps),
    "GEOCROSS": lambda y, x, codes, eps: geocross(codes),
}

_TERM = re.compile(r"\s*(?P<weight>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*\*\s*(?P<name>\w+)\s*")


@dataclass(frozen=True)
class Loss:
    """A weighted sum of terms.

    Attributes:
        terms: weight and name.
        eps: where L2 and L1 stop to matter.
    """

    terms: tuple[tuple[float, str], ...]
    eps: float

    @classmethod
    def parse(cls, text: str, eps: float) -> "Loss":
        """Read terms "weight*NAME" joined by "+".

        Raises:
            ConfigError: it is no such sum, or names a term that does not exist.
        """
        terms = []
        # The plus of an exponent (1e+2) joins no terms.
        for part in re.split(r"(?<![eE])\+", text):
            found = _TERM.fullmatch(part)
            if found is None or found["name"] not in TERMS:
                raise ConfigError(
                    f"loss={text!r} cannot be read at {part.strip()!r}: PULSE's loss is a sum of "
                    f"weight*NAME with names {', '.join(TERMS)}, such as 100*L2+0.05*GEOCROSS."
                )
            terms.append((float(found["weight"]), found["name"]))
        return cls(tuple(terms), eps)

    def __call__(self, y: Tensor, x: Tensor, codes: Tensor) -> Tensor:
        """Loss of each sample.

        Args:
            y: the generated images, reduced, (N, 3, h, w), not clamped.
            x: the LR images.
            codes: mapped codes (N, L, w_dim).

        Returns:
            (N,).
        """
        parts = [weight * TERMS[name](y, x, codes, self.eps) for weight, name in self.terms]
        return torch.stack(parts).sum(0)
