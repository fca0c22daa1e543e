"""The layers of StyleGAN1, with the names of PULSE's converted generator.

Every layer is "equalised": it stores weights of unit variance and scales them when it runs, so that
all of them learn at one speed. The scale already holds the gain of sqrt(2) that makes up for LeakyReLU;
nothing is multiplied after the activation (StyleGAN2 does that, and scales the bias with it).
"""

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE: Final = 0.2
NORM_EPS: Final = 1e-5  # PyTorch's default, which PULSE took; the TensorFlow original has 1e-8
FUSED_FROM: Final = 128  # px; see UpConv


class EqualLinear(nn.Module):
    """Fully connected layer (..., inputs) to (..., outputs).

    Args:
        inputs: width before.
        outputs: width after.
        gain: sqrt(2) in front of a LeakyReLU, 1 otherwise.
        lr_mul: how much slower than the rest of the network the layer learns, bias included.
    """

    def __init__(
        self, inputs: int, outputs: int, gain: float = math.sqrt(2), lr_mul: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_mul)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.weight_mul = gain * lr_mul / math.sqrt(inputs)
        self.bias_mul = lr_mul

    def forward(self, x: Tensor) -> Tensor:
        """Scale the stored weights and apply them."""
        return functional.linear(x, self.weight * self.weight_mul, self.bias * self.bias_mul)


class EqualConv(nn.Module):
    """Convolution (N, inputs, H, W) to (N, outputs, H, W) of odd kernel size, padded with zeros."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, gain: float = math.sqrt(2)
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.weight_mul = gain / math.sqrt(inputs * kernel**2)
        self.padding = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """Scale the stored weights and apply them."""
        weight = self.weight * self.weight_mul
        return functional.conv2d(x, weight, self.bias, padding=self.padding)


class Blur(nn.Module):
    """[1, 2, 1] x [1, 2, 1] / 16 on each channel; past the border there are zeros."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", torch.outer(row, row)[None, None])

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Blur, then add one number per channel (in the same pass over memory)."""
        channels = x.shape[1]
        weight = self.kernel.expand(channels, 1, 3, 3)
        return functional.conv2d(x, weight, bias, padding=1, groups=channels)


class UpConv(nn.Module):
    """Doubles height and width: nearest neighbour, 3x3 convolution, blur, bias.

    From an output of 128 px on, the original does the first two at once, as a transposed convolution
    of stride 2 whose 4x4 kernel is the sum of the 3x3 kernel shifted by one pixel in each direction.
    It does not flip the kernel for that, so that a layer of 128 px means the *flipped* convolution;
    weights trained that way give wrong images in any other reading.

    Args:
        inputs: channels before.
        outputs: channels after.
        side: of the output; it decides what the kernel means.
        fuse: use the transposed convolution below 128 px, too, with the kernel flipped to mean the
            same: 2.25 times fewer multiply-adds, sums in another order.
    """

    def __init__(self, inputs: int, outputs: int, side: int, fuse: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.intermediate = Blur()
        self.weight_mul = math.sqrt(2) / math.sqrt(inputs * 9)
        self.flipped = side >= FUSED_FROM
        self.fused = fuse or self.flipped

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, side / 2, side / 2) to (N, outputs, side, side)."""
        weight = self.weight * self.weight_mul
        if self.fused:
            kernel = four_shifts(weight if self.flipped else weight.flip(2, 3))
            x = functional.conv_transpose2d(x, kernel.transpose(0, 1), stride=2, padding=1)
        else:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = functional.conv2d(x, weight, padding=1)
        out: Tensor = self.intermediate(x, self.bias)
        return out


def four_shifts(kernel: Tensor) -> Tensor:
    """Kernels (..., 3, 3) added up at the four places they have in a 4x4 kernel."""
    wide = functional.pad(kernel, (1, 1, 1, 1))
    rows = wide[..., 1:, :] + wide[..., :-1, :]
    return rows[..., 1:] + rows[..., :-1]


class NoiseWeight(nn.Module):
    """How strongly each channel takes up the noise map it shares with the others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """``x`` (N, C, H, W) plus ``noise`` (N or 1, 1, H, W) times a number per channel."""
        weight = self.weight.to(x.dtype)  # half-precision maps stay so
        return torch.addcmul(x, weight.view(1, -1, 1, 1), noise.to(x.dtype))


class StyleMod(nn.Module):
    """A scale (its difference from 1) and a shift per channel, from a code."""

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.lin = EqualLinear(w_dim, 2 * channels, gain=1.0)

    def forward(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (N, w_dim) to scales and shifts, each (N, C), float32 where the codes are less."""
        style = self.lin(w)
        style = style.to(torch.promote_types(style.dtype, torch.float32))
        scale, shift = style.chunk(2, dim=1)
        return scale + 1, shift


class Epilogue(nn.Module):
    """What follows each convolution: noise, LeakyReLU, then AdaIN with the style of a code."""

    def __init__(self, channels: int, w_dim: int) -> None:
        super().__init__()
        self.noise = NoiseWeight(channels)
        self.style_mod = StyleMod(w_dim, channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """One layer's epilogue.

        Args:
            x: (N, C, H, W), a fresh output of a convolution: it may be overwritten.
            w: (N, w_dim).
            noise: (N or 1, 1, H, W), or None for no noise.
        """
        if noise is not None:
            x = self.noise(x, noise)
        # In place: nobody needs the values before, and at 1024 px each kept copy is 64 MiB an image.
        x = functional.leaky_relu(x, SLOPE, inplace=True)
        scale, shift = self.style_mod(w)
        return adain(x, scale, shift)


def adain(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Mean 0 and variance 1 (biased) over each map, then scale and shift, in one kernel.

    One channel of one sample is one channel of a batch normalisation, which takes scales and shifts
    as its affine parameters: samples never meet, and there is no second pass for the style.

    Args:
        x: (N, C, H, W); statistics of half-precision maps are float32.
        scale: (N, C), float32 (float64 for float64 maps).
        shift: the same.
    """
    maps = x.reshape(1, -1, *x.shape[2:])
    scale, shift = scale.reshape(-1), shift.reshape(-1)
    out = functional.batch_norm(maps, None, None, scale, shift, training=True, eps=NORM_EPS)
    return out.view(x.shape)
