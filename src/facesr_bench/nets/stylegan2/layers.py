"""The layers of StyleGAN2: equalised learning rate, modulated convolution, the [1, 3, 3, 1] filter.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020. Parameters have the names
of NVIDIA's stylegan2-ada-pytorch. Weights are stored with unit variance and scaled when used.

Only convolutions run in the precision of an enclosing autocast. Styles, demodulation and the running
colour image stay in float32: they are cheap, and an error there multiplies a whole image.
"""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

_TAPS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
_EPS = 1e-8


def exact(x: Tensor) -> AbstractContextManager[object]:
    """No autocast where ``x`` lives."""
    kind = x.device.type
    if not torch.amp.is_autocast_available(kind):  # the meta device
        return nullcontext()
    return torch.autocast(kind, enabled=False)


def full(x: Tensor) -> Tensor:
    """float32, or float64 where a network computes in that, as for comparisons with golden values."""
    return x if x.dtype == torch.float64 else x.float()


GAIN = math.sqrt(2)
"""What LeakyReLU's output is multiplied by, to keep the variance. Being positive it may as well be
multiplied into what comes before, which costs no pass over the images."""


def leaky(x: Tensor) -> Tensor:
    """LeakyReLU of slope 0.2 of what was already multiplied by ``GAIN``."""
    return functional.leaky_relu(x, 0.2)


def smooth(x: Tensor, padding: int, stride: int = 1, gain: float = 1.0) -> Tensor:
    """Filter (N, C, H, W) with the outer product of [1, 3, 3, 1], normalised, after zero padding.

    One depthwise convolution: on a CPU it is 5 times faster than shifted sums and 30 times faster than
    images of one channel. A CPU takes strides in float32 at least: the gradient of that convolution in
    bfloat16 needs ten times as long.
    """
    slow = stride > 1 and x.device.type == "cpu" and x.dtype == torch.bfloat16
    with exact(x) if slow else nullcontext():
        image = x.float() if slow else x
        taps = torch.tensor(_TAPS, dtype=image.dtype, device=x.device)
        width = int(x.shape[1])  # ONNX wants a kernel of known shape
        kernel = (gain * torch.outer(taps, taps)).expand(width, 1, 4, 4)
        image = functional.conv2d(image, kernel, padding=padding, stride=stride, groups=width)
        return image.to(x.dtype) if slow else image


def upsample(image: Tensor) -> Tensor:
    """Twice the side: zeros between the pixels, the filter times 4, padding (2, 1).

    That filter at these phases weighs two neighbours by 3/4 and 1/4, which is bilinear interpolation
    with zeros outside the image.
    """
    larger = functional.interpolate(
        functional.pad(image, (1, 1, 1, 1)), scale_factor=2, mode="bilinear", align_corners=False
    )
    return larger[..., 2:-2, 2:-2]


class EqualLinear(nn.Module):
    """A fully connected layer with equalised learning rate, always in float32.

    Args:
        width_in: length of its input.
        width: length of its output.
        activate: LeakyReLU 0.2 times sqrt(2) after it.
        start: initial bias.
        rate: learning rate multiplier; the stored weight is that much larger.
    """

    def __init__(
        self, width_in: int, width: int, activate: bool = False, start: float = 0, rate: float = 1
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, width_in) / rate)
        self.bias = nn.Parameter(torch.full((width,), start / rate))
        self.activate = activate
        self.rate = rate
        self.scale = rate / math.sqrt(width_in)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width_in) to (N, width)."""
        with exact(x):
            gain = GAIN if self.activate else 1.0
            weight, bias = self.weight * (self.scale * gain), self.bias * (self.rate * gain)
            x = functional.linear(full(x), weight, bias)
            return leaky(x) if self.activate else x


class ModulatedConv(nn.Module):
    """A convolution whose input channels are scaled per sample by a style, and what it needs for that.

    Args:
        width_in: input channels.
        width: output channels.
        kernel: side of the kernel.
        w_dim: length of a code.
        up: double the side of the image.
        demodulate: normalise each output channel, as if its inputs had unit variance.
        fused: fold the styles into one kernel per sample and run a grouped convolution. Otherwise one
            kernel serves all samples and the styles scale the images before and after: faster at any
            batch size on a CPU, and for a frozen network no gradient of a kernel is ever formed.
    """

    def __init__(
        self,
        width_in: int,
        width: int,
        kernel: int,
        w_dim: int,
        *,
        up: bool = False,
        demodulate: bool = True,
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, width_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(width))
        self.affine = EqualLinear(w_dim, width_in, start=1)
        self.scale = 1 / math.sqrt(width_in * kernel**2)
        self.up = up
        self.padding = kernel // 2  # a number: a trace would make a tensor of the weight's shape
        self.demodulate = demodulate
        self.fused = fused

    def convolve(
        self, x: Tensor, w: Tensor, factor: float = 1.0, shift: Tensor | None = None
    ) -> Tensor:
        """(N, width_in, H, W) steered by codes (N, w_dim), times ``factor``, plus ``shift``.

        Factor and shift (width,) ride on the demodulation: every pass over the images that is saved
        here counts, since these layers are bound by memory more than by arithmetic.
        """
        style = self.affine(w)
        with exact(x):
            weight = full(self.weight) * (self.scale if self.demodulate else self.scale * factor)
            gain = self._gain(weight, style) * factor if self.demodulate else None
        if self.fused:
            out = self._per_sample(x, weight, style, gain)
            gain = None
        else:
            out = self._convolution(x * style.to(x.dtype)[:, :, None, None], weight, groups=1)
        if self.up:
            out = smooth(out, padding=1, gain=4)
        bias = None if shift is None else shift.to(out.dtype)[:, None, None]
        if gain is None:
            return out if bias is None else out + bias
        spread = gain.to(out.dtype)[:, :, None, None]
        return out * spread if bias is None else torch.addcmul(bias, out, spread)

    def _gain(self, weight: Tensor, style: Tensor) -> Tensor:
        """(N, width): one over the norm of each output channel's modulated kernel."""
        power = weight.square().sum((2, 3))
        return torch.rsqrt(style.square() @ power.t() + _EPS)

    def _per_sample(self, x: Tensor, weight: Tensor, style: Tensor, gain: Tensor | None) -> Tensor:
        kernels = weight * style[:, None, :, None, None]
        if gain is not None:
            kernels = kernels * gain[:, :, None, None, None]
        samples = len(x)
        out = self._convolution(
            x.reshape(1, -1, *x.shape[2:]), kernels.flatten(0, 1), groups=samples
        )
        return out.reshape(samples, -1, *out.shape[2:])

    def _convolution(self, x: Tensor, weight: Tensor, groups: int) -> Tensor:
        if not self.up:
            return functional.conv2d(x, weight.to(x.dtype), padding=self.padding, groups=groups)
        # A transposed convolution wants inputs first, within each group.
        weight = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
        return functional.conv_transpose2d(x, weight.to(x.dtype), stride=2, groups=groups)
