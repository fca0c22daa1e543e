"""E_W and E_W+ (paper, section III-D to III-F, Figs. 3 and 4): LR faces to codes of the prior.

The paper's text fixes the layers but for one: it gives the transposed convolution "the same kernel size
and stride" as the first one, 3 and 1. The three last layers, (kernel, stride) = (4, 4), (4, 4), (2, 1),
end at 1x1 only from 32x32, so from 16x16 faces that stride must be 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from facesr_bench.errors import ConfigError

from .blocks import REDUCTION, Group

LR_SIDE = 16
"""What both encoders take; see above."""

Heads = Literal["scale", "stage", "code"]
"""One head of E_W+ per side 4, 8, ... (nine at 1024: the paper's Fig. 4), per training stage (six: the
first makes the codes up to 32 pixels), or per code (eighteen)."""


@dataclass(frozen=True)
class Head:
    """What one head of E_W+ makes: ``codes`` codes, the last of which belongs to ``side``."""

    side: int
    codes: int


def head_layout(resolution: int, heads: Heads) -> list[Head]:
    """The heads for a prior of this resolution, coarse to fine; 2 codes belong to each side."""
    if heads not in get_args(Heads):
        raise ConfigError(
            f"Pro-PULSE: heads={heads} does not exist; choose {', '.join(get_args(Heads))}."
        )
    sides = [2**k for k in range(2, resolution.bit_length())]
    if heads == "scale":
        return [Head(side, 2) for side in sides]
    if heads == "code":
        return [Head(side, 1) for side in sides for _ in range(2)]
    coarse = [side for side in sides if side <= 32]
    return [Head(coarse[-1], 2 * len(coarse))] + [Head(side, 2) for side in sides if side > 32]


class Stem(nn.Module):
    """A 3x3 convolution, then a transposed one that doubles the side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.up = nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1)

    def forward(self, lr: Tensor) -> Tensor:
        """(N, 3, 16, 16) to (N, width, 32, 32)."""
        out: Tensor = self.up(self.conv(lr))
        return out


class Tail(nn.Module):
    """Three convolutions from 32x32 over 8x8 and 2x2 to a vector; the last one is linear.

    Args:
        width: channels of its input.
        hidden: channels in between (512 in the paper).
        start: (length,), the vector the last layer's bias starts at; None for PyTorch's draw.
        length: of the vector.
    """

    def __init__(self, width: int, hidden: int, length: int, start: Tensor | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, hidden, 4, stride=4)
        self.conv2 = nn.Conv2d(hidden, hidden, 4, stride=4)
        self.conv3 = nn.Conv2d(hidden, length, 2)
        if start is not None:
            with torch.no_grad():
                cast(Tensor, self.conv3.bias).copy_(start)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, 32, 32) to (N, length)."""
        x = leaky_relu(self.conv1(x), 0.2)
        x = leaky_relu(self.conv2(x), 0.2)
        return cast(Tensor, self.conv3(x)).flatten(1)


class BaseEncoder(nn.Module):
    """E_W: LR faces to one code each.

    Args:
        n_feats: channels.
        hidden: channels inside the tail.
        w_dim: length of a code.
        w_avg: (w_dim,), the code to start at, or None.
    """

    def __init__(self, n_feats: int, hidden: int, w_dim: int, w_avg: Tensor | None) -> None:
        super().__init__()
        check_width(n_feats)
        self.stem = Stem(n_feats)
        self.groups = nn.Sequential(*(Group(n_feats) for _ in range(4)))
        self.conv = nn.Conv2d(n_feats, n_feats, 3, padding=1)
        self.tail = Tail(n_feats, hidden, w_dim, w_avg)

    def forward(self, lr: Tensor) -> Tensor:
        """(N, 3, 16, 16) in [-1, 1] to codes (N, w_dim)."""
        f = self.stem(lr)
        out: Tensor = self.tail(self.conv(self.groups(f)) + f)
        return out


class ScaleEncoder(nn.Module):
    """E_W+: LR faces to a code for every layer, coarse to fine.

    Head k continues the features of head k - 1 (``chain``) and makes the codes of its side from them.
    Heads of finer sides than wanted are not evaluated.

    Args:
        n_feats: channels.
        hidden: channels inside the tails.
        w_dim: length of a code.
        layout: of :func:`head_layout`.
        w_avg: (w_dim,), the code to start at, or None.
        chain: False lets each head start from the stem's features instead.

    Attributes:
        trained_codes: how many codes training has reached so far, a scalar that is saved with the
            weights; super-resolution uses those.
    """

    trained_codes: Tensor

    def __init__(
        self,
        n_feats: int,
        hidden: int,
        w_dim: int,
        layout: Sequence[Head],
        w_avg: Tensor | None,
        *,
        chain: bool = True,
    ) -> None:
        super().__init__()
        check_width(n_feats)
        self.layout, self.w_dim, self.chain = tuple(layout), w_dim, chain
        self.stem = Stem(n_feats)
        self.groups = nn.ModuleList(Group(n_feats) for _ in layout)
        self.tails = nn.ModuleList(
            Tail(n_feats, hidden, head.codes * w_dim, _repeated(w_avg, head.codes))
            for head in layout
        )
        self.register_buffer("trained_codes", torch.zeros((), dtype=torch.long))

    @property
    def num_codes(self) -> int:
        """Of all heads together."""
        return sum(head.codes for head in self.layout)

    def forward(self, lr: Tensor, codes: int | None = None) -> Tensor:
        """(N, 3, 16, 16) in [-1, 1] to the first codes (N, codes, w_dim).

        Args:
            lr: the faces.
            codes: how many are wanted, whole heads; None for all.
        """
        wanted = self.num_codes if codes is None else codes
        x = stem = self.stem(lr)
        found: list[Tensor] = []
        made = 0
        for head, group, tail in zip(self.layout, self.groups, self.tails, strict=True):
            if made >= wanted:
                break
            x = group(x if self.chain else stem)
            found.append(tail(x).view(-1, head.codes, self.w_dim))
            made += head.codes
        return torch.cat(found, dim=1)

    def train_only(self, sides: Sequence[int], *, stem: bool) -> None:
        """Let gradients reach the heads of these sides, and the stem or not; nothing else."""
        self.stem.requires_grad_(stem)
        for head, group, tail in zip(self.layout, self.groups, self.tails, strict=True):
            group.requires_grad_(head.side in sides)
            tail.requires_grad_(head.side in sides)


def check_width(n_feats: int) -> None:
    """Raise ConfigError unless channel attention can divide this many channels."""
    if n_feats < REDUCTION or n_feats % REDUCTION:
        raise ConfigError(
            f"Pro-PULSE: n_feats={n_feats} must be a multiple of {REDUCTION}, by which channel "
            "attention divides it."
        )


def _repeated(w_avg: Tensor | None, codes: int) -> Tensor | None:
    return None if w_avg is None else w_avg.repeat(codes)
