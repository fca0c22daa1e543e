"""The whole encoder, frozen, on a CPU: :class:`~.encoder.Encoder` in fewer and larger products.

What an ALE convolves is a pyramid of maps enlarged to one side. A 1x1 convolution and a bilinear
enlargement may change places, so here the smaller maps are convolved as they are and their sum is
enlarged once; and all ALEs, which read the same pyramid, go side by side.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from .backbone import Maps
from .encoder import ALE, Encoder
from .frozen_backbone import Convolution, FrozenResNet


class FrozenEncoder:
    """What an encoder in eval mode computes, from copies of its weights.

    Args:
        encoder: read once.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.resnet = FrozenResNet(encoder.resnet)
        self._enlarge: dict[int, Tensor] = {}
        if encoder.multi_scale:
            self.laterals = [Convolution(cast(nn.Conv2d, conv)) for conv in encoder.laterals]
            self.ales = _ALEs([cast(ALE, ale) for ale in encoder.ales])

    def __call__(self, lr: Tensor) -> Tensor:
        """(N, 3, h, w) in [-1, 1] to (N, codes, w_dim)."""
        maps: Maps = self.resnet(self._enlarged(lr))
        if not self.encoder.multi_scale:
            flat: Tensor = self.encoder.fc(maps.c5.mean((1, 2)))
            return flat.view(-1, self.encoder.codes, self.encoder.w_dim)
        every = (maps.c3, maps.c4, maps.c5, maps.c5.mean((1, 2), keepdim=True))
        levels = [lateral(x) for lateral, x in zip(self.laterals, every, strict=True)]
        return self.ales(levels)

    def _enlarged(self, lr: Tensor) -> Tensor:
        """Bicubic enlargement as a matrix from the left and one from the right."""
        height, width = (self._matrix(side, lr) for side in lr.shape[2:])
        return height @ lr @ width.t()

    def _matrix(self, side: int, like: Tensor) -> Tensor:
        if side not in self._enlarge:
            columns = torch.eye(side)[None, None]
            size = (self.encoder.side, side)
            matrix = interpolate(columns, size=size, mode="bicubic", align_corners=False)[0, 0]
            self._enlarge[side] = matrix.to(like)
        return self._enlarge[side]


class _ALEs:
    """All ALEs of an encoder; l of them, weights stacked."""

    def __init__(self, ales: list[ALE]) -> None:
        self.number, self.channels = len(ales), ales[0].conv.in_channels
        self.squeeze = torch.cat([ale.squeeze.weight.detach() for ale in ales])
        self.squeeze_bias = torch.cat([ale.squeeze.bias.detach() for ale in ales])
        self.excite = torch.stack([ale.excite.weight.detach().t() for ale in ales])
        self.excite_bias = torch.stack([ale.excite.bias.detach() for ale in ales])[:, None]
        kernels = torch.stack([ale.conv.weight.detach()[:, :, 0, 0].t() for ale in ales])
        self.kernels = [part.contiguous() for part in kernels.chunk(4, dim=1)]  # by level
        self.bias = torch.stack([ale.conv.bias.detach() for ale in ales])[:, None]  # type: ignore[union-attr]
        self.fc = torch.stack([ale.fc.weight.detach().t() for ale in ales])
        self.fc_bias = torch.stack([ale.fc.bias.detach() for ale in ales])[:, None]
        self._upward: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, levels: list[Tensor]) -> Tensor:
        """Levels as rows (N, h, w, C), of falling size and the last one pixel, to (N, l, w_dim)."""
        flat = [level.flatten(1, 2) for level in levels]
        upward = self._matrix([level.shape[1:3] for level in levels]).to(flat[0])
        means = [flat[0].mean(1), *self._means(flat[1:], upward)]
        hidden = torch.addmm(self.squeeze_bias, torch.cat(means, dim=1), self.squeeze.t()).relu_()
        hidden = hidden.view(len(hidden), self.number, -1).transpose(0, 1)
        attention = torch.baddbmm(self.excite_bias, hidden, self.excite).sigmoid_()
        attended = attention.chunk(4, dim=2)  # (l, N, C) of each level
        parts = [
            self._product(x, share, kernel)
            for x, share, kernel in zip(flat, attended, self.kernels, strict=True)
        ]
        y = parts[0] + self.bias[:, None]
        y += upward @ torch.cat(parts[1:], dim=2)
        pooled = leaky_relu(y, 0.2, inplace=True).mean(2)
        return torch.baddbmm(self.fc_bias, pooled, self.fc).transpose(0, 1).contiguous()

    def _product(self, x: Tensor, share: Tensor, kernel: Tensor) -> Tensor:
        """(N, p, C) times (l, N, C) by (l, C, hidden) to (l, N, p, hidden)."""
        scaled = x * share[:, :, None]
        product: Tensor = (scaled.flatten(1, 2) @ kernel).unflatten(1, scaled.shape[1:3])
        return product

    def _means(self, flat: list[Tensor], upward: Tensor) -> list[Tensor]:
        """Of each smaller level as if it had been enlarged: (N, C) each."""
        weights = upward.mean(0).split([x.shape[1] for x in flat])
        return [weight @ x for weight, x in zip(weights, flat, strict=True)]

    def _matrix(self, sizes: list[torch.Size]) -> Tensor:
        """(pixels of the largest level, pixels of all others): bilinear enlargement of each."""
        key = tuple(side for size in sizes for side in size)
        if key not in self._upward:
            columns = []
            for size in sizes[1:]:
                eye = torch.eye(size.numel()).view(-1, 1, *size)
                large = interpolate(eye, size=sizes[0], mode="bilinear", align_corners=False)
                columns.append(large.flatten(1).t())
            self._upward[key] = torch.cat(columns, dim=1)
        return self._upward[key]
