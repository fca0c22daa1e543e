"""One styled convolution of a frozen StyleGAN2, forward and backward written out.

A search wants gradients of codes and noise through a network whose weights stay. Autograd forms them in
some twelve passes over each layer's maps, most of them for two numbers a channel. Here are the same
gradients in seven, in place. With a the activation of z = gain y + bias + noise, and y the convolution
of style x:

* the gradient of a gain is the sum over pixels of dz y. Since LeakyReLU keeps dz z = da a, that is
  (sum(da a) - bias sum(dz) - sum(dz noise)) / gain: neither y nor z has to be kept or read.
* sum(da a) costs no pass either: for each layer that reads a, it is style times the gradient of style.

Maps are rows here, (N, pixels, channels): channels_last, whatever the layout of the caller.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from facesr_bench.nets.stylegan2.folded import FoldedConv
from facesr_bench.nets.stylegan2.layers import GAIN, smooth
from facesr_bench.nets.stylegan2.synthesis import StyledConv

_SLOPE = 0.2


class Steering(NamedTuple):
    """What steers one layer, or the gradients of that.

    Attributes:
        style: (N, width_in).
        gain: (N, width), of demodulation and activation.
        noise: (1 or N, pixels, 1) times its strength and the activation's gain, or None.
    """

    style: Tensor
    gain: Tensor
    noise: Tensor | None


class Trace(NamedTuple):
    """What a backward needs of its forward: the rows before and after."""

    x: Tensor
    out: Tensor


class FrozenLayer:
    """A :class:`StyledConv` with folded constants.

    Args:
        conv: the layer; its bias and the strength of its noise are read at each call.
        folded: its constants.
    """

    def __init__(self, conv: StyledConv, folded: FoldedConv) -> None:
        self.conv, self.folded = conv, folded
        self._kernel = folded.kernel.contiguous(memory_format=torch.channels_last)

    def steering(self, w: Tensor, noise: Tensor | None) -> Steering:
        """Codes (N, w_dim) and a noise map (1 or N, 1, side, side) as what steers; autograd sees it."""
        style, gain = self.folded.steer(w, GAIN)
        assert gain is not None  # StyledConv demodulates
        if noise is None or (len(noise) == 1 and not noise.requires_grad and not noise.any()):
            return Steering(style, gain, None)
        strength = self.conv.noise_strength * GAIN
        return Steering(style, gain, (noise * strength).flatten(2).transpose(1, 2))

    def forward(self, x: Tensor, steering: Steering, spend: bool = False) -> Trace:
        """Rows (N, pixels, width_in) to rows; with ``spend``, those given are overwritten."""
        style, gain, noise = steering
        z = self._convolve(x.mul_(style[:, None]) if spend else x * style[:, None])
        torch.addcmul(self._bias, z, gain[:, None], out=z)
        if noise is not None:
            z.add_(noise)
        return Trace(x, functional.leaky_relu_(z, _SLOPE))

    def backward(
        self, trace: Trace, d: Tensor, along: Tensor, steering: Steering, noisy: bool
    ) -> tuple[Tensor, Tensor, Steering]:
        """From the gradient of the output to those of everything before it.

        Args:
            trace: of the forward.
            d: rows like the output, overwritten.
            along: (N, width), the output times ``d``, summed over pixels.
            steering: of the forward.
            noisy: whether the gradient of the noise is wanted.

        Returns:
            The gradient of the input; the input times it, summed over pixels; those of what steers.
        """
        style, gain, noise = steering
        # An output is negative where z was, which is all the activation's gradient needs.
        torch.ops.aten.leaky_relu_backward.grad_input(d, trace.out, _SLOPE, True, grad_input=d)
        taken = self._bias * d.sum(1)
        if noise is not None:
            taken += (noise.transpose(1, 2) @ d).squeeze(1)
        d_gain = (along - taken) / gain
        d_noise = d.sum(2, keepdim=True) if noisy else None
        d = self._convolve_back(d.mul_(gain[:, None]))
        d_style = (d * trace.x).sum(1)
        return d.mul_(style[:, None]), d_style * style, Steering(d_style, d_gain, d_noise)

    @property
    def _bias(self) -> Tensor:
        return self.conv.bias.detach() * GAIN

    def _convolve(self, x: Tensor) -> Tensor:
        if not self.conv.up:
            return rows(functional.conv2d(maps(x), self._kernel, padding=1))
        y = functional.conv_transpose2d(maps(x), self._kernel, stride=2)
        return rows(smooth(y, padding=1, gain=4))

    def _convolve_back(self, d: Tensor) -> Tensor:
        """The transpose of :meth:`_convolve`; the filter's is itself, and fast as a forward pass."""
        if not self.conv.up:
            return rows(functional.conv_transpose2d(maps(d), self._kernel, padding=1))
        y = smooth(maps(d), padding=2, gain=4)
        return rows(functional.conv2d(y, self._kernel, stride=2))


def maps(given: Tensor) -> Tensor:
    """Rows (N, side^2, C) as maps (N, C, side, side), a view."""
    side = math.isqrt(given.shape[1])
    view: Tensor = given.unflatten(1, (side, side)).permute(0, 3, 1, 2)
    return view


def rows(given: Tensor) -> Tensor:
    """Maps (N, C, side, side) as contiguous rows (N, side^2, C), a view of channels_last ones."""
    return given.permute(0, 2, 3, 1).contiguous().flatten(1, 2)
