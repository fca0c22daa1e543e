"""The baseline SCGAN's speed is measured against: a plain fp32 loop by the official rules.

Self-contained on purpose (its networks are its own, so nothing done to ours speeds it up), written
for speed as far as an afternoon goes: stock torch modules, in-place ReLU, one pass over the data,
no logging, no host synchronisation. Like the official loop it lets the generators' losses leave
gradients in the critics. Its losses equal ours: ``tests/methods/test_scgan_plain.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm


@dataclass(frozen=True)
class Widths:
    """Sizes of the networks; the defaults are the official ones."""

    restore: Sequence[int] = (256, 128, 96)
    depths: Sequence[int] = (12, 3)
    degrade: Sequence[int] = (96, 128, 256, 512)
    head: int = 8
    critic: Sequence[int] = (128, 128, 256, 256, 512, 512)
    hidden: int = 512
    noise: int = 64


class GeneratorBlock(nn.Module):
    """Residual block whose in-place ReLU also reaches the skip, as in the official code."""

    def __init__(self, cin: int, cout: int, down: bool = False) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
        conv2: nn.Module = nn.Conv2d(cout, cout, 3, padding=1, bias=False)
        skip: nn.Module | None = nn.Conv2d(cin, cout, 1) if cin != cout or down else None
        self.conv2 = nn.Sequential(nn.AvgPool2d(2), conv2) if down else conv2
        self.skip = nn.Sequential(nn.AvgPool2d(2), skip) if down and skip else skip

    def forward(self, x: Tensor) -> Tensor:
        """Residual sum; changes ``x`` in place."""
        x = self.relu(x)
        out = self.conv2(self.relu(self.conv1(x)))
        out += x if self.skip is None else self.skip(x)
        return out  # type: ignore[no-any-return]


class CriticBlock(nn.Module):
    """Residual block with spectral norm and max pooling."""

    def __init__(self, cin: int, cout: int, down: bool) -> None:
        super().__init__()
        self.conv1 = spectral_norm(nn.Conv2d(cin, cout, 3, padding=1, bias=False))
        conv2: nn.Module = spectral_norm(nn.Conv2d(cout, cout, 3, padding=1, bias=False))
        skip: nn.Module | None = None
        if cin != cout or down:
            skip = spectral_norm(nn.Conv2d(cin, cout, 1))
        self.conv2 = nn.Sequential(nn.MaxPool2d(2), conv2) if down else conv2
        self.skip = nn.Sequential(nn.MaxPool2d(2), skip) if down and skip else skip

    def forward(self, x: Tensor) -> Tensor:
        """Residual sum."""
        out = self.conv2(functional.relu(self.conv1(functional.relu(x)), inplace=True))
        out += x if self.skip is None else self.skip(x)
        return out  # type: ignore[no-any-return]


class Degrader(nn.Module):
    """D_HL and D_SL, 64 -> 16."""

    def __init__(self, w: Widths) -> None:
        super().__init__()
        d, last = w.degrade, w.degrade[-1]
        self.noise_fc = nn.Linear(w.noise, 4096)
        self.in_layer = nn.Conv2d(4, d[0], 3, padding=1, bias=False)
        down: list[nn.Module] = []
        for cin, cout in zip((d[0], *d), d, strict=False):
            down += [GeneratorBlock(cin, cout, down=True), GeneratorBlock(cout, cout)]
        up: list[nn.Module] = []
        for width in (last // 4, last // 16):
            up += [nn.PixelShuffle(2), GeneratorBlock(width, width), GeneratorBlock(width, width)]
        self.down_layers, self.up_layers = nn.Sequential(*down), nn.Sequential(*up)
        self.out_layer = nn.Sequential(
            nn.Conv2d(last // 16, w.head, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(w.head, 3, 3, padding=1, bias=False),
            nn.Tanh(),
        )

    def forward(self, image: Tensor, z: Tensor) -> Tensor:
        """(B, 3, 64, 64) and (B, 1, noise) to (B, 3, 16, 16)."""
        x = self.in_layer(torch.cat((image, self.noise_fc(z).view(-1, 1, 64, 64)), 1))
        return self.out_layer(self.up_layers(self.down_layers(x)))  # type: ignore[no-any-return]


class Restorer(nn.Module):
    """R_LS, 16 -> 64."""

    def __init__(self, w: Widths) -> None:
        super().__init__()
        a, b, c = w.restore
        self.layers_in = nn.Conv2d(3, a, 3, padding=1, bias=False)
        second = [GeneratorBlock(a, b), *(GeneratorBlock(b, b) for _ in range(w.depths[1] - 1))]
        self.layers_set_final = nn.ModuleList(
            [
                nn.Sequential(*(GeneratorBlock(a, a) for _ in range(w.depths[0]))),
                nn.Sequential(*second),
            ]
        )
        self.layers_set_final_up = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(width, width, 1),
            )
            for width in (a, b)
        )
        self.a1 = nn.Sequential(nn.Conv2d(a, b, 1))
        self.a2 = nn.Sequential(nn.Conv2d(b, c, 1))  # never called, as in the official code
        self.main = nn.Sequential(
            nn.Conv2d(b, c, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(c, c, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c, 3, 1),
            nn.Tanh(),
        )

    def forward(self, lr: Tensor) -> Tensor:
        """(B, 3, 16, 16) to (B, 3, 64, 64)."""
        x = self.layers_in(lr)
        x = self.layers_set_final_up[0](self.layers_set_final[0](x) + x)
        x = self.layers_set_final_up[1](self.layers_set_final[1](x) + self.a1(x))
        return self.main(x)  # type: ignore[no-any-return]


class Critic(nn.Module):
    """D_L1, D_L2 (side 16) and D_H1, D_H2 (side 64)."""

    def __init__(self, size: int, w: Widths) -> None:
        super().__init__()
        first_down = len(w.critic) - (2 if size == 16 else 4)
        blocks = [
            CriticBlock(cin, cout, i >= first_down)
            for i, (cin, cout) in enumerate(zip((3, *w.critic), w.critic, strict=False))
        ]
        self.residual_blocks = nn.Sequential(*blocks)
        self.out_layer = nn.Sequential(
            spectral_norm(nn.Linear(w.critic[-1] * 16, w.hidden)),
            nn.ReLU(inplace=True),
            spectral_norm(nn.Linear(w.hidden, 1)),
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, size, size) to (B, 1)."""
        return self.out_layer(self.residual_blocks(image).flatten(1))  # type: ignore[no-any-return]


class PlainSCGAN:
    """Networks, seven Adams and one training step."""

    def __init__(self, widths: Widths | None = None, device: str = "cpu", lr: float = 1e-4) -> None:
        w = widths or Widths()
        self.D_HL, self.D_SL = Degrader(w).to(device), Degrader(w).to(device)
        self.R_LS = Restorer(w).to(device)
        self.D_L1, self.D_L2 = Critic(16, w).to(device), Critic(16, w).to(device)
        self.D_H1, self.D_H2 = Critic(64, w).to(device), Critic(64, w).to(device)
        self.generators = (self.D_HL, self.R_LS, self.D_SL)
        self.critics = (self.D_L1, self.D_H1, self.D_L2, self.D_H2)
        self.g_adams = [torch.optim.Adam(net.parameters(), lr=lr) for net in self.generators]
        self.d_adams = [torch.optim.Adam(net.parameters(), lr=lr) for net in self.critics]

    def step(self, h: Tensor, l: Tensor, z: Tensor) -> list[Tensor]:  # noqa: E741
        """One step on images in [-1, 1]; the losses of D_L1, D_H1, D_L2, D_H2, D_HL, R_LS, D_SL."""
        losses: list[Tensor] = []
        s = self.D_HL(h, z)
        big_s = self.R_LS(s.detach())
        r = self.R_LS(l)
        c = self.D_SL(r.detach(), z)
        up = functional.interpolate(l, scale_factor=4, mode="bicubic", align_corners=True)
        down = functional.avg_pool2d(h, 4)

        for adam in self.d_adams:
            adam.zero_grad()
        pairs = ((l, s), (h, big_s), (l, c), (h, r))
        for critic, (real, fake) in zip(self.critics, pairs, strict=True):
            on_real, on_fake = critic(real), critic(fake.detach())
            loss = functional.relu(1 - on_real).mean() + functional.relu(1 + on_fake).mean()
            loss.backward()
            losses.append(loss.detach())
        for adam in self.d_adams:
            adam.step()

        for adam in self.g_adams:
            adam.zero_grad()
        l1 = functional.l1_loss
        loss = l1(s, down) - 0.05 * self.D_L1(s).mean()
        loss.backward()
        self.g_adams[0].step()
        losses.append(loss.detach())
        first = l1(big_s, h) - 0.05 * self.D_H1(big_s).mean()
        second = l1(r, up) - 0.05 * self.D_H2(r).mean()
        loss = first + 0.05 * second
        loss.backward()
        self.g_adams[1].step()
        losses.append(loss.detach())
        loss = l1(c, l) - 0.05 * self.D_L2(c).mean()
        loss.backward()
        self.g_adams[2].step()
        losses.append(loss.detach())
        return losses
