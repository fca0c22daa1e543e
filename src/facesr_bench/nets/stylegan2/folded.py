"""A frozen StyleGAN2 has constants; a search that runs it a hundred times computes them once.

Every call of a modulated convolution scales its weights, squares and sums them for the demodulation,
and lays them out for a transposed convolution. At batch 1 and 64 pixels that is a quarter of a step.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.nets.recording import is_recorded
from facesr_bench.nets.stylegan2.layers import ModulatedConv, exact, smooth

_EPS = 1e-8


class FoldedConv(nn.Module):
    """What :meth:`ModulatedConv.convolve` computes, from weights that are ready to use.

    While the convolution's own weights take gradients (somebody fine-tunes the prior), those are used,
    and where a graph is recorded, which should hold weights rather than copies.
    """

    _conv: ModulatedConv
    kernel: Tensor
    power: Tensor
    affine_weight: Tensor
    affine_bias: Tensor

    def __init__(self, conv: ModulatedConv) -> None:
        super().__init__()
        # Past nn.Module's own __setattr__: its weights are the synthesis's, not ours.
        object.__setattr__(self, "_conv", conv)
        weight = conv.weight.detach() * conv.scale
        affine = conv.affine
        power = weight.square().sum((2, 3)).t().contiguous()
        if conv.up:  # a copy in the layout of the maps, or each call makes one
            last = conv.weight.is_contiguous(memory_format=torch.channels_last)
            layout = torch.channels_last if last else torch.contiguous_format
            weight = weight.transpose(0, 1).contiguous(memory_format=layout)
        constants = {
            "kernel": weight,
            "power": power,
            "affine_weight": affine.weight.detach() * affine.scale,
            "affine_bias": affine.bias.detach() * affine.rate,
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.up, self.demodulate, self.padding = conv.up, conv.demodulate, conv.padding

    def steer(self, w: Tensor, factor: float = 1.0) -> tuple[Tensor, Tensor | None]:
        """Codes (N, w_dim) to styles (N, width_in) and, with demodulation, gains (N, width)."""
        style = functional.linear(w.float(), self.affine_weight, self.affine_bias)
        if self.demodulate:
            return style, torch.rsqrt(style.square() @ self.power + _EPS) * factor
        return style * factor if factor != 1 else style, None

    def forward(
        self, x: Tensor, w: Tensor, factor: float = 1.0, shift: Tensor | None = None
    ) -> Tensor:
        """See :meth:`ModulatedConv.convolve`."""
        conv = self._conv
        learns = conv.affine.weight.requires_grad or conv.weight.requires_grad
        if learns or is_recorded():
            return ModulatedConv.convolve(conv, x, w, factor, shift)
        with exact(x):
            style, gain = self.steer(w, factor)
        x = x * style.to(x.dtype)[:, :, None, None]
        kernel = self.kernel.to(x.dtype)
        if self.up:
            out = smooth(functional.conv_transpose2d(x, kernel, stride=2), padding=1, gain=4)
        else:
            out = functional.conv2d(x, kernel, padding=self.padding)
        bias = None if shift is None else shift.to(out.dtype)[:, None, None]
        if gain is None:
            return out if bias is None else out + bias
        spread = gain.to(out.dtype)[:, :, None, None]
        return out * spread if bias is None else torch.addcmul(bias, out, spread)


def fold(synthesis: nn.Module) -> nn.ModuleList:
    """Let every modulated convolution of a frozen synthesis use folded constants from now on.

    Returns:
        Who holds the constants; to be kept by the caller, so that they move between devices with it.
    """
    folded = nn.ModuleList()
    for conv in synthesis.modules():
        if isinstance(conv, ModulatedConv) and not conv.fused:
            one = FoldedConv(conv)
            folded.append(one)
            # Again past __setattr__, which would make it a part of the synthesis.
            object.__setattr__(conv, "convolve", one)
    return folded


def unfold(synthesis: nn.Module) -> None:
    """Let every module of a synthesis compute as its class does: neither folded nor frozen."""
    for module in synthesis.modules():
        module.__dict__.pop("convolve", None)
        module.__dict__.pop("forward", None)
