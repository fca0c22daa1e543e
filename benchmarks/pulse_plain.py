"""The baseline PULSE's speed is measured against: a plain fp32 loop over images, official rules.

Self-contained on purpose (its networks are its own, so nothing done to ours speeds it up), stock torch
modules, no logging. Like the official loop it generates once per step, copies the best image and steps
after the last one. Its generator is StyleGAN2 as the public code runs it: one kernel per sample in a
grouped convolution; ``shared_kernels=True`` is a stronger baseline, whose styles scale the images
instead, so that no gradient of a kernel is formed. Its results equal ours:
``tests/methods/test_pulse_plain.py``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional


class ModConv(nn.Module):
    """Modulated convolution, weights under the names of stylegan2-ada-pytorch."""

    def __init__(
        self, cin: int, cout: int, kernel: int, w_dim: int, up: bool, shared: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(cout, cin, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(cout))
        self.affine = nn.Linear(w_dim, cin)
        self.demodulate, self.up, self.shared = kernel == 3, up, shared
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("fir", 4 * torch.outer(taps, taps)[None, None], persistent=False)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Without the bias."""
        n, cin = x.shape[:2]
        side = self.weight.shape[-1]
        weight = self.weight / math.sqrt(cin * side**2)
        style = functional.linear(w, self.affine.weight / math.sqrt(w.shape[1]), self.affine.bias)
        if self.shared:
            out = self._convolve(x * style[:, :, None, None], weight, 1)
            if self.demodulate:
                power = style.square() @ weight.square().sum((2, 3)).t()
                out = out * torch.rsqrt(power + 1e-8)[:, :, None, None]
        else:
            kernels = weight * style[:, None, :, None, None]
            if self.demodulate:
                kernels = kernels * torch.rsqrt(
                    kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8
                )
            out = self._convolve(x.reshape(1, -1, *x.shape[2:]), kernels.flatten(0, 1), n)
            out = out.reshape(n, -1, *out.shape[2:])
        if self.up:
            fir = self.fir.expand(out.shape[1], 1, 4, 4)
            out = functional.conv2d(out, fir, padding=1, groups=out.shape[1])
        return out

    def _convolve(self, x: Tensor, kernels: Tensor, groups: int) -> Tensor:
        if not self.up:
            return functional.conv2d(x, kernels, padding=kernels.shape[-1] // 2, groups=groups)
        kernels = kernels.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
        return functional.conv_transpose2d(x, kernels, stride=2, groups=groups)


class Styled(ModConv):
    """Convolution, noise, bias, LeakyReLU times sqrt(2)."""

    def __init__(self, cin: int, cout: int, w_dim: int, side: int, up: bool, shared: bool) -> None:
        super().__init__(cin, cout, 3, w_dim, up, shared)
        self.noise_strength = nn.Parameter(torch.empty(()))
        self.register_buffer("noise_const", torch.empty(side, side))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:  # type: ignore[override]
        """One layer."""
        x = super().forward(x, w) + noise * self.noise_strength + self.bias[:, None, None]
        return functional.leaky_relu(x, 0.2, inplace=True) * math.sqrt(2)


class Block(nn.Module):
    """One side."""

    def __init__(self, cin: int, cout: int, w_dim: int, side: int, shared: bool) -> None:
        super().__init__()
        if cin:
            self.conv0 = Styled(cin, cout, w_dim, side, True, shared)
        else:
            self.const = nn.Parameter(torch.empty(cout, 4, 4))
        self.conv1 = Styled(cout, cout, w_dim, side, False, shared)
        self.torgb = ModConv(cout, 3, 1, w_dim, False, shared)


class PlainSynthesis(nn.Module):
    """StyleGAN2's synthesis for given channels by side."""

    def __init__(self, widths: Mapping[int, int], w_dim: int, shared_kernels: bool) -> None:
        super().__init__()
        before = 0
        for side, width in widths.items():
            self.add_module(f"b{side}", Block(before, width, w_dim, side, shared_kernels))
            before = width

    def forward(self, codes: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Images of codes (N, L, w_dim)."""
        maps = iter(noise)
        at = 0
        x = rgb = codes
        for index, block in enumerate(self.children()):
            if index == 0:
                x = block.const.repeat(len(codes), 1, 1, 1)
            else:
                x = block.conv0(x, codes[:, at], next(maps))
                at += 1
            x = block.conv1(x, codes[:, at], next(maps))
            at += 1
            colour = block.torgb(x, codes[:, at]) + block.torgb.bias[:, None, None]
            rgb = colour if index == 0 else colour + _double(rgb)
        return rgb


def _double(rgb: Tensor) -> Tensor:
    padded = functional.pad(rgb, (1, 1, 1, 1))
    return functional.interpolate(padded, scale_factor=2, mode="bilinear")[..., 2:-2, 2:-2]


@dataclass
class PlainPULSE:
    """The official loop for one image."""

    synthesis: PlainSynthesis
    mean: Tensor
    std: Tensor
    factor: int
    steps: int = 100
    eps: float = 2e-3
    mses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.synthesis.requires_grad_(False).eval()
        x = (torch.arange(4 * self.factor) - 2 * self.factor + 0.5).abs() / self.factor
        near = 1.5 * x**3 - 2.5 * x**2 + 1
        far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        taps = torch.where(x <= 1, near, torch.where(x <= 2, far, 0.0))
        self._taps = (taps / taps.sum()).to(self.mean.device)

    def reduce(self, image: Tensor) -> Tensor:
        """BicubicDownSample: reflect, convolve rows, then columns."""
        pad, taps = (3 * self.factor) // 2, self._taps
        image = functional.pad(image, (0, 0, pad, pad), mode="reflect")
        kernel = taps.view(1, 1, -1, 1).expand(3, 1, -1, 1)
        image = functional.conv2d(image, kernel, stride=(self.factor, 1), groups=3)
        image = functional.pad(image, (pad, pad, 0, 0), mode="reflect")
        kernel = taps.view(1, 1, 1, -1).expand(3, 1, 1, -1)
        return functional.conv2d(image, kernel, stride=(1, self.factor), groups=3)

    def search(self, lr: Tensor, latent: Tensor, noise: Sequence[Tensor], trained: int) -> Tensor:
        """The last image (1, 3, S, S) for one LR image, from this start."""
        variables = [latent, *noise[:trained]]
        for variable in variables:
            variable.requires_grad_()
        radii = [_radius(v.detach()) for v in variables]
        adam = torch.optim.Adam(variables, lr=0.4)
        lowest, best = math.inf, lr
        image = lr
        for step in range(self.steps):
            codes = functional.leaky_relu(latent * self.std + self.mean, 0.2) * math.sqrt(2)
            image = (self.synthesis(codes, noise) + 1) / 2
            mse = (self.reduce(image) - lr).square().mean()
            loss = 100 * mse.clamp_min(self.eps) + 0.05 * _geocross(codes)
            if loss.item() < lowest:
                lowest, best = loss.item(), image.detach().clone()
            self.mses.append(mse.item())
            adam.zero_grad()
            loss.backward()
            adam.param_groups[0]["lr"] = 0.4 * _cycle(step, self.steps)
            adam.step()
            with torch.no_grad():
                for variable, radius in zip(variables, radii, strict=True):
                    variable.copy_(variable / _radius(variable) * radius)
        self.reduce(best)
        return image.detach().clamp(0, 1)


def _radius(variable: Tensor) -> Tensor:
    return (variable.square().sum(tuple(range(2, variable.ndim)), keepdim=True) + 1e-9).sqrt()


def _geocross(codes: Tensor) -> Tensor:
    one, other = codes[:, :, None], codes[:, None]
    apart = ((one - other).square().sum(-1) + 1e-9).sqrt()
    across = ((one + other).square().sum(-1) + 1e-9).sqrt()
    return (512 * (2 * torch.atan2(apart, across)).square()).mean() / 8


def _cycle(step: int, steps: int) -> float:
    end = 0.9 * steps
    if step < end:
        return (9 * (1 - 2 * abs(step / end - 0.5)) + 1) / 10
    return 0.1 + (step - end) / (0.1 * steps) * (0.001 - 0.1)
