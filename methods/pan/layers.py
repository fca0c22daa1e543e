"""What PAN's networks are made of: StyleGAN's equalised layers and its two filtered resamplings.

Reducing and enlarging are each a 3x3 kernel smeared over 2x2 places, next to a blur. StyleGAN adds the
four places up into a 4x4 kernel (``fused``). The sum may as well be taken over pixels instead of
weights: a 2x2 mean beside a strided 3x3 convolution is the same function to rounding, with 9 instead
of 16 multiply-adds and no 4x4 kernel to build and to differentiate. Fused is what FLOP tables count.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.nets.recording import is_recorded
from facesr_bench.nets.stylegan1.layers import SLOPE, EqualConv, four_shifts


def leaky(x: Tensor) -> Tensor:
    """LeakyReLU with slope 0.2, in place: nobody needs the values before."""
    return functional.leaky_relu(x, SLOPE, inplace=True)


class _SelfAdjoint(torch.autograd.Function):
    """The blur, whose transpose is itself, so that its gradient is one, too, to any order.

    The second derivative of a stock depthwise convolution (R1 asks for it) also computes the kernel's
    gradient, channel by channel, though nobody wants it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(kernel)
        channels = x.shape[1]
        weight = kernel.expand(channels, 1, 3, 3)
        return functional.conv2d(x, weight, bias, padding=1, groups=channels)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        (kernel,) = ctx.saved_tensors
        of_x, _, of_bias = ctx.needs_input_grad
        return (
            _SelfAdjoint.apply(gradient, kernel, None) if of_x else None,  # type: ignore[no-untyped-call]
            None,
            gradient.sum((0, 2, 3)) if of_bias else None,
        )


class Blur(nn.Module):
    """[1, 2, 1] x [1, 2, 1] / 16 on each channel; past the border there are zeros."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", torch.outer(row, row)[None, None], persistent=False)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Blur, and add a number per channel in the same pass over memory."""
        if is_recorded():  # in a graph there are no functions of Python, and no gradients
            width = int(x.shape[1])
            weight = self.kernel.expand(width, 1, 3, 3)
            return functional.conv2d(x, weight, bias, padding=1, groups=width)
        out: Tensor = _SelfAdjoint.apply(x, self.kernel, bias)  # type: ignore[no-untyped-call]
        return out


class Down(nn.Module):
    """Halves the side: blur, smeared 3x3 convolution of stride 2, bias (paper: conv2D_downscale).

    Args:
        inputs: channels before.
        outputs: channels after.
        fused: one 4x4 convolution (StyleGAN) instead of 2x2 means and a 3x3 one.
    """

    def __init__(self, inputs: int, outputs: int, *, fused: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.blur = Blur()
        self.weight_mul = math.sqrt(2) / math.sqrt(inputs * 9)
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H/2, W/2), before the activation."""
        weight = self.weight * self.weight_mul
        x = self.blur(x)
        if self.fused:
            return functional.conv2d(x, four_shifts(weight) * 0.25, self.bias, 2, padding=1)
        # Padded zeros count: the mean is a filter here, not a statistic of the image.
        x = functional.avg_pool2d(x, 2, stride=1, padding=1, count_include_pad=True)
        return functional.conv2d(x, weight, self.bias, stride=2)


class Up(nn.Module):
    """Doubles the side: smeared 3x3 transposed convolution, blur, bias (paper: conv2D_upscale).

    Args:
        inputs: channels before.
        outputs: channels after.
        fused: one 4x4 transposed convolution (StyleGAN) instead of a 3x3 one and 2x2 sums.
    """

    def __init__(self, inputs: int, outputs: int, *, fused: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.blur = Blur()
        self.weight_mul = math.sqrt(2) / math.sqrt(inputs * 9)
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, 2H, 2W), before noise and activation."""
        if self.fused:
            kernel = four_shifts(self.weight * self.weight_mul)
            x = functional.conv_transpose2d(x, kernel.transpose(0, 1), stride=2, padding=1)
        else:
            weight = self.weight * (4 * self.weight_mul)  # four means make a sum
            x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = functional.avg_pool2d(x, 2, stride=1)
        out: Tensor = self.blur(x, self.bias)
        return out


class FromRGB(EqualConv):
    """Image (B, 3, H, W) in [-1, 1] to features: 1x1 convolution, LeakyReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__(3, channels, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return leaky(super().forward(x))


class EncoderBlock(nn.Module):
    """One side of the generator's encoder or of the discriminator (paper Fig. 3 a).

    Args:
        channels: of the block's own side.
        outputs: of half the side.
        fused: see :class:`Down`.
    """

    def __init__(self, channels: int, outputs: int, *, fused: bool = False) -> None:
        super().__init__()
        self.conv = EqualConv(channels, channels)
        self.down = Down(channels, outputs, fused=fused)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels, H, W) to the same (the skip) and (B, outputs, H/2, W/2)."""
        skip = leaky(self.conv(x))
        return skip, leaky(self.down(skip))


def pixel_norm(x: Tensor) -> Tensor:
    """Scales every pixel's features to a mean square of one (ProGAN; the paper has none)."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def channels_at(side: int, base: int = 16384, most: int = 512) -> int:
    """nf(r): channels of the features of one side; 512 up to 32 px, 16 at 1024 px."""
    return max(1, min(most, base // side))


def sides_up_to(side: int, first: int = 8) -> tuple[int, ...]:
    """``first``, twice that, ... up to ``side``, both powers of two; empty if ``side`` is smaller."""
    return tuple(1 << k for k in range(first.bit_length() - 1, side.bit_length()))
