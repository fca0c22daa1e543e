"""StyleGAN2's discriminator (residual), with the names of stylegan2-ada-pytorch."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.errors import ConfigError
from facesr_bench.nets.stylegan2.layers import GAIN, EqualLinear, exact, full, leaky, smooth
from facesr_bench.nets.stylegan2.synthesis import channels, sides

_GROUP = 4


def batch_deviation(x: Tensor) -> Tensor:
    """One more channel: how much samples of a group differ, averaged over channels and pixels.

    Groups have four samples (all, where there are fewer) and are strided: of N samples, sample 0 is
    with N/4, N/2 and 3N/4.

    Raises:
        ConfigError: the batch does not split into groups.
    """
    samples, _, height, width = x.shape
    group = min(_GROUP, samples)
    if samples % group:
        raise ConfigError(
            f"The discriminator compares samples in groups of {group}: a batch of {samples} has a rest."
        )
    with exact(x):
        groups = full(x).unflatten(0, (group, -1))
        deviation = (groups.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
        extra = deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([x, extra.to(x.dtype)], dim=1)


class Conv(nn.Module):
    """A convolution with equalised learning rate.

    Args:
        width_in: input channels.
        width: output channels.
        kernel: side of the kernel.
        down: halve the side of the image, filtered before.
        plain: without bias and activation.
    """

    def __init__(
        self, width_in: int, width: int, kernel: int, *, down: bool = False, plain: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, width_in, kernel, kernel))
        self.bias = None if plain else nn.Parameter(torch.zeros(width))
        self.scale = 1 / math.sqrt(width_in * kernel**2)
        self.kernel = kernel
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        """(N, width_in, H, W) to (N, width, H or H/2, W or W/2)."""
        gain = 1.0 if self.bias is None else GAIN
        weight = (self.weight * (self.scale * gain)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        if not self.down:
            x = functional.conv2d(x, weight, bias, padding=self.kernel // 2)
        elif self.kernel == 1:  # filter only the pixels that stay
            x = functional.conv2d(smooth(x, padding=1, stride=2), weight, bias)
        else:
            x = functional.conv2d(smooth(x, padding=2), weight, bias, stride=2)
        return x if bias is None else leaky(x)


class Block(nn.Module):
    """From one side to half of it, two convolutions beside a 1x1; the first block reads colour."""

    def __init__(self, width: int, width_out: int, *, first: bool) -> None:
        super().__init__()
        if first:
            self.fromrgb = Conv(3, width, 1)
        self.first = first
        self.conv0 = Conv(width, width, 3)
        self.conv1 = Conv(width, width_out, 3, down=True)
        self.skip = Conv(width, width_out, 1, down=True, plain=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width or 3, H, W) to (N, width_out, H/2, W/2)."""
        if self.first:
            x = self.fromrgb(x)
        out: Tensor = (self.conv1(self.conv0(x)) + self.skip(x)) * math.sqrt(0.5)
        return out


class Head(nn.Module):
    """The last layers, at 4 pixels: one logit."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = Conv(width + 1, width, 3)
        self.fc = EqualLinear(width * 16, width, activate=True)
        self.out = EqualLinear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, 4, 4) to (N, 1)."""
        logits: Tensor = self.out(self.fc(self.conv(batch_deviation(x)).flatten(1)))
        return logits


class Discriminator(nn.Module):
    """RGB images in [-1, 1] to logits (N, 1); the batch must be divisible by min(N, 4).

    Args:
        resolution: side of the images, a power of two of at least 8.
        channel_base: channels times side of the features, where ``channel_max`` does not bind.
        channel_max: most channels.
    """

    GROUP = _GROUP
    """Samples whose deviation is measured together."""

    def __init__(self, resolution: int, channel_base: int = 32768, channel_max: int = 512) -> None:
        super().__init__()
        self.sides = sides(resolution)[::-1]
        widths = [channels(side, channel_base, channel_max) for side in self.sides]
        for index, side in enumerate(self.sides[:-1]):
            block = Block(widths[index], widths[index + 1], first=index == 0)
            self.add_module(f"b{side}", block)
        self.b4 = Head(widths[-1])

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, resolution, resolution) to (N, 1), in float32."""
        x = images
        for side in self.sides:
            x = self.get_submodule(f"b{side}")(x)
        return x
