"""The baseline PAN's speed is measured against: a plain fp32 loop with StyleGAN's fused kernels.

Self-contained on purpose (its networks are its own, so nothing done to ours speeds it up), written
for speed as far as an afternoon goes: stock torch operations, in-place activations, the discriminator
frozen in the generator's step, no logging, no host synchronisation. Its losses equal ours:
``tests/methods/test_pan_plain.py``. Parameters have our names, so that weights can be shared.
"""

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

Maps = Mapping[str, Tensor]
"""Noise by the name of its layer ("32.up")."""


def widths(side: int, base: int, most: int) -> dict[int, int]:
    """Channels by side, from 4 px on."""
    return {1 << k: max(1, min(most, base >> k)) for k in range(2, side.bit_length())}


class Equal(nn.Module):
    """Weight and bias at a run-time scale; ``kind`` says which operation uses them."""

    def __init__(self, kind: str, cin: int, cout: int, size: int, gain: float = 2**0.5) -> None:
        super().__init__()
        shape = (cout, cin) if kind == "linear" else (cout, cin, size, size)
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(cout))
        self.kind, self.scale = kind, gain / math.sqrt(cin * size * size)
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", torch.outer(row, row)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The operation with its bias."""
        w = self.weight * self.scale
        if self.kind == "linear":
            return functional.linear(x, w, self.bias)
        if self.kind == "conv":
            return functional.conv2d(x, w, self.bias, padding=w.shape[-1] // 2)
        w = functional.pad(w, (1, 1, 1, 1))
        w = w[..., 1:, 1:] + w[..., 1:, :-1] + w[..., :-1, 1:] + w[..., :-1, :-1]
        if self.kind == "down":
            return functional.conv2d(self._blur(x), w * 0.25, self.bias, stride=2, padding=1)
        x = functional.conv_transpose2d(x, w.transpose(0, 1), stride=2, padding=1)
        return self._blur(x).add_(self.bias[:, None, None])

    def _blur(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.kernel.expand(channels, 1, 3, 3)  # type: ignore[operator]
        return functional.conv2d(x, kernel, padding=1, groups=channels)


def act(x: Tensor) -> Tensor:
    """LeakyReLU."""
    return functional.leaky_relu(x, 0.2, inplace=True)


class Weight(nn.Module):
    """Strength of noise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))


class Block(nn.Module):
    """One side of an encoder or of the decoder."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


class PlainGenerator(nn.Module):
    """Partial U-Net with noise above the LR side."""

    def __init__(self, lr_side: int, side: int, base: int, most: int) -> None:
        super().__init__()
        nf, self.lr_side = widths(side, base, most), lr_side
        inner = [r for r in nf if 8 <= r <= lr_side]
        self.from_rgb = nn.ModuleDict({str(r): Equal("conv", 3, nf[r], 1) for r in inner})
        self.encoder = nn.ModuleDict(
            {
                str(r): Block(
                    conv=Equal("conv", nf[r], nf[r], 3), down=Equal("down", nf[r], nf[r // 2], 3)
                )
                for r in inner
            }
        )
        self.mid = Equal("conv", nf[4], nf[4], 3)
        self.decoder = nn.ModuleDict()
        self.to_rgb = nn.ModuleDict()
        for r in list(nf)[1:]:
            up, cin = Equal("up", nf[r // 2], nf[r], 3), nf[r] * (2 if r <= lr_side else 1)
            noise: dict[str, nn.Module] = {}
            if r > lr_side:
                noise = {"noise_up": Weight(nf[r]), "noise_conv": Weight(nf[r])}
            self.decoder[str(r)] = Block(up=up, conv=Equal("conv", cin, nf[r], 3), **noise)
            self.to_rgb[str(r)] = Equal("conv", nf[r], 3, 1, gain=1.0)

    def forward(self, x: Tensor, side: int, alpha: float, maps: Maps) -> Tensor:
        """Images of ``side``."""
        top = min(side, self.lr_side)
        h, skips, r = act(self.from_rgb[str(top)](x)), {}, top
        while r >= 8:
            skips[r] = act(self.encoder[str(r)].conv(h))
            h = act(self.encoder[str(r)].down(skips[r]))
            if r == side and alpha < 1:
                old = act(self.from_rgb[str(r // 2)](functional.avg_pool2d(x, 2)))
                h = alpha * h + (1 - alpha) * old
            r //= 2
        h = act(self.mid(h))
        while r < side:
            r *= 2
            block, before = self.decoder[str(r)], h
            h = block.up(h)
            if r > self.lr_side:
                h = h + block.noise_up.weight[:, None, None] * maps[f"{r}.up"]
                h = block.conv(act(h))
                h = h + block.noise_conv.weight[:, None, None] * maps[f"{r}.conv"]
            else:
                h = block.conv(torch.cat((act(h), skips[r]), 1))
            h = act(h)
        image: Tensor = self.to_rgb[str(side)](h)
        if alpha < 1:
            old = self.to_rgb[str(side // 2)](before)
            image = alpha * image + (1 - alpha) * functional.interpolate(old, scale_factor=2.0)
        return image


class PlainDiscriminator(nn.Module):
    """StyleGAN's D_basic."""

    def __init__(self, side: int, base: int, most: int) -> None:
        super().__init__()
        nf = widths(side, base, most)
        self.from_rgb = nn.ModuleDict({str(r): Equal("conv", 3, nf[r], 1) for r in nf})
        self.blocks = nn.ModuleDict(
            {
                str(r): Block(
                    conv=Equal("conv", nf[r], nf[r], 3), down=Equal("down", nf[r], nf[r // 2], 3)
                )
                for r in list(nf)[1:]
            }
        )
        self.head = Block(
            conv=Equal("conv", nf[4] + 1, nf[4], 3),
            fc=Equal("linear", nf[4] * 16, nf[4], 1),
            out=Equal("linear", nf[4], 1, 1, gain=1.0),
        )

    def forward(self, x: Tensor, side: int, alpha: float) -> Tensor:
        """Logits."""
        h, r = act(self.from_rgb[str(side)](x)), side
        while r >= 8:
            h = act(self.blocks[str(r)].down(act(self.blocks[str(r)].conv(h))))
            if r == side and alpha < 1:
                old = act(self.from_rgb[str(r // 2)](functional.avg_pool2d(x, 2)))
                h = alpha * h + (1 - alpha) * old
            r //= 2
        group = h.view(min(4, len(h)), -1, *h.shape[1:])
        deviation = (group.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)
        deviation = deviation.repeat(min(4, len(h)), 1, 4, 4)
        h = act(self.head.conv(torch.cat((h, deviation), 1)))
        logits: Tensor = self.head.out(act(self.head.fc(h.flatten(1))))
        return logits


class PlainPAN:
    """Networks, two Adams and one training step."""

    def __init__(
        self, lr_side: int, side: int, base: int, most: int, device: str, half_life: int
    ) -> None:
        self.G = PlainGenerator(lr_side, side, base, most).to(device)
        self.D = PlainDiscriminator(side, base, most).to(device)
        self.G_ema = copy.deepcopy(self.G)
        self.half_life = half_life
        self.adams = [
            torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.0, 0.99))
            for net in (self.G, self.D)
        ]

    def step(
        self, x: Tensor, y: Tensor, side: int, alpha: float, maps_d: Maps, maps_g: Maps
    ) -> tuple[Tensor, Tensor]:
        """One step on images in [-1, 1] of a stage; the losses of D and G."""
        with torch.no_grad():
            fake = self.G(x, side, alpha, maps_d)
        y.requires_grad_()
        on_real, on_fake = self.D(y, side, alpha), self.D(fake, side, alpha)
        (gradient,) = torch.autograd.grad(on_real.sum(), y, create_graph=True)
        r1 = gradient.square().sum((1, 2, 3)).mean()
        loss_d = functional.softplus(-on_real).mean() + functional.softplus(on_fake).mean() + 5 * r1
        self.adams[1].zero_grad()
        loss_d.backward()
        self.adams[1].step()

        decay = 0.5 ** (len(x) / self.half_life)
        with torch.no_grad():
            for average, new in zip(self.G_ema.parameters(), self.G.parameters(), strict=True):
                average.lerp_(new, 1 - decay)

        self.D.requires_grad_(False)
        loss_g = functional.softplus(-self.D(self.G(x, side, alpha, maps_g), side, alpha)).mean()
        self.adams[0].zero_grad()
        loss_g.backward()
        self.adams[0].step()
        self.D.requires_grad_(True)
        return loss_d.detach(), loss_g.detach()
