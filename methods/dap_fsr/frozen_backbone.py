"""The backbone of a frozen encoder on a CPU: batch norm folded, rows of channels throughout.

Maps are (N, h, w, C) here, contiguous, so that a 1x1 convolution is one matrix product. Numbers are
those of :mod:`.backbone` and :mod:`.istn` up to rounding.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import Bottleneck

from .backbone import Maps, ResNet
from .istn import ISTN, places

_EPS = 1e-5


def planes(rows: Tensor) -> Tensor:
    """(N, h, w, C) as (N, C, h, w), a view in channels_last."""
    return rows.permute(0, 3, 1, 2)


def rows(planes: Tensor) -> Tensor:
    """(N, C, h, w) as (N, h, w, C); a view of channels_last maps."""
    return planes.permute(0, 2, 3, 1).contiguous()


class Convolution:
    """A convolution, with the batch norm behind it if there is one.

    Args:
        conv: read once.
        norm: in eval mode, the same.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> None:
        kernel = conv.weight.detach()
        bias = kernel.new_zeros(len(kernel)) if conv.bias is None else conv.bias.detach()
        if norm is not None:
            mean, var = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
            gain = norm.weight.detach() * torch.rsqrt(var + norm.eps)
            kernel = kernel * gain[:, None, None, None]
            bias = (bias - mean) * gain + norm.bias.detach()
        self.stride, self.padding = conv.stride[0], cast(int, conv.padding[0])
        self.point = kernel.shape[2] == 1
        layout = torch.channels_last
        self.kernel = kernel[:, :, 0, 0] if self.point else kernel.contiguous(memory_format=layout)
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        """Rows to rows, a tensor of its own."""
        if self.point:
            if self.stride > 1:
                x = x[:, :: self.stride, :: self.stride]
            return functional.linear(x, self.kernel, self.bias)
        y = functional.conv2d(
            planes(x), self.kernel, self.bias, stride=self.stride, padding=self.padding
        )
        return rows(y)


class Block:
    """A bottleneck."""

    def __init__(self, block: Bottleneck) -> None:
        self.branch = [
            Convolution(getattr(block, f"conv{i}"), getattr(block, f"bn{i}")) for i in (1, 2, 3)
        ]
        short = block.downsample
        self.shortcut = None if short is None else Convolution(short[0], short[1])

    def __call__(self, x: Tensor) -> Tensor:
        """Rows to rows."""
        first, second, third = self.branch
        y = third(second(first(x).relu_()).relu_())
        return y.add_(x if self.shortcut is None else self.shortcut(x)).relu_()


class Aligner:
    """An ISTN.

    The largest of four pixels stays the largest when its channel is normalised, so that is done to a
    quarter of them, with the statistics of all.
    """

    def __init__(self, istn: ISTN) -> None:
        self.istn = istn
        self.first, self.second = Convolution(istn.conv1), Convolution(istn.conv2)
        self.places: dict[tuple[int, int], Tensor] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Rows to rows."""
        flat = x.flatten(1, 2)
        count = flat.shape[1]
        share = x.new_full((1, 1, count), 1 / count).expand(len(x), -1, -1)
        mean = share @ flat
        gain = torch.rsqrt((share @ (flat - mean).square_()) + _EPS)
        y = halved(x).sub_(mean[:, None]).mul_(gain[:, None])
        y = self.second(halved(self.first(y).relu_())).relu_()
        theta = self.istn.theta_of(planes(y))
        size = (x.shape[1], x.shape[2])
        if size not in self.places:
            self.places[size] = places(*size).to(x)
        grid = (self.places[size] @ theta.transpose(1, 2)).view(*x.shape[:3], 2)
        return rows(
            functional.grid_sample(
                planes(x), grid, mode="bilinear", padding_mode="border", align_corners=False
            )
        )


class FrozenResNet:
    """What a :class:`~.backbone.ResNet` in eval mode computes."""

    def __init__(self, resnet: ResNet) -> None:
        self.stem = Convolution(resnet.conv1, resnet.bn1)
        layers = [resnet.get_submodule(f"layer{number}") for number in (1, 2, 3, 4)]
        self.layers = [[Block(cast(Bottleneck, b)) for b in layer.children()] for layer in layers]
        self.aligners = [Aligner(cast(ISTN, istn)) for istn in resnet.aligners]

    def __call__(self, images: Tensor) -> Maps:
        """Images (N, 3, H, W) to maps that are rows."""
        x = self._aligned(0, rows(images))
        x = overlapping(self.stem(x).relu_())
        x = self._aligned(1, self._through(0, x))
        c3 = self._aligned(2, self._through(1, x))
        c4 = self._through(2, c3)
        return Maps(c3, c4, self._through(3, c4))

    def _aligned(self, place: int, x: Tensor) -> Tensor:
        return self.aligners[place](x) if place < len(self.aligners) else x

    def _through(self, layer: int, x: Tensor) -> Tensor:
        for block in self.layers[layer]:
            x = block(x)
        return x


def halved(x: Tensor) -> Tensor:
    """Max pooling by 2 of rows with even sides; PyTorch's also looks for where each maximum was."""
    x = torch.maximum(x[:, 0::2], x[:, 1::2])
    return torch.maximum(x[:, :, 0::2], x[:, :, 1::2])


def overlapping(x: Tensor) -> Tensor:
    """The stem's max pooling (3x3, stride 2, padding 1) of rows with even sides."""
    return rows(functional.max_pool2d(planes(x), 3, stride=2, padding=1))
