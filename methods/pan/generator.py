"""The generator: a U-Net up to the side of the LR image, plain growth with noise above (Fig. 2)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from facesr_bench.nets.stylegan1.layers import EqualConv, NoiseWeight

from .fade import Stage, down2, fade, up2
from .layers import (
    EncoderBlock,
    FromRGB,
    Up,
    channels_at,
    leaky,
    pixel_norm,
    sides_up_to,
)

NoisePlace = Literal["high", "all", "none"]
NoiseMaps = Callable[[str, Tensor], Tensor]
"""Normal noise (B or 1, 1, H, W) for a layer by its name ("256.up") and features (B, C, H, W)."""


class DecoderBlock(nn.Module):
    """One side of the decoder: up, [noise], LeakyReLU, [concat skip], conv, [noise], LeakyReLU.

    Args:
        side: of the output; names its noise.
        inputs: channels of half the side.
        channels: of its own side.
        skip: whether it is to be given the encoder's features of this side, to concatenate.
        noisy: whether noise is injected before both activations (Eq. 5).
        pixelnorm: normalise after each activation.
        fused: see :class:`~.layers.Up`.
    """

    def __init__(
        self,
        side: int,
        inputs: int,
        channels: int,
        *,
        skip: bool,
        noisy: bool,
        pixelnorm: bool = False,
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.side, self.pixelnorm = side, pixelnorm
        self.up = Up(inputs, channels, fused=fused)
        self.conv = EqualConv(2 * channels if skip else channels, channels)
        self.noise_up = NoiseWeight(channels) if noisy else None
        self.noise_conv = NoiseWeight(channels) if noisy else None

    def forward(self, x: Tensor, skip: Tensor | None, noise: NoiseMaps | None) -> Tensor:
        """(B, inputs, H, W) to (B, channels, 2H, 2W); ``noise`` None injects nothing."""
        x = self._finish(self.up(x), self.noise_up, "up", noise)
        if skip is not None:
            x = torch.cat((x, skip), 1)
        return self._finish(self.conv(x), self.noise_conv, "conv", noise)

    def _finish(
        self, x: Tensor, weight: NoiseWeight | None, layer: str, noise: NoiseMaps | None
    ) -> Tensor:
        if weight is not None and noise is not None:
            x = weight(x, noise(f"{self.side}.{layer}", x))
        x = leaky(x)
        return pixel_norm(x) if self.pixelnorm else x


@dataclass(frozen=True)
class UNetFeatures:
    """What the U-Net hands to the layers above it.

    Attributes:
        last: features of the stage's side, or of the LR side where the stage is larger.
        before: features of half that side; the stage's fade may need them.
    """

    last: Tensor
    before: Tensor


class Generator(nn.Module):
    """Partial U-Net whose decoder grows past its encoder.

    Args:
        lr_side: side of the LR image, a power of two of at least 8; the encoder starts there.
        side: side of the SR image, a power of two.
        base: channels times side where ``most`` does not bind.
        most: most channels.
        noise: which decoder layers get noise: "high" those above ``lr_side``, "all", "none".
        skips: sides whose encoder features reach the decoder.
        pixelnorm: normalise the decoder's features.
        fused: see :class:`~.layers.Up`.
    """

    def __init__(
        self,
        lr_side: int,
        side: int,
        *,
        base: int = 16384,
        most: int = 512,
        noise: NoisePlace = "high",
        skips: Collection[int] | None = None,
        pixelnorm: bool = False,
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.lr_side, self.noise = lr_side, noise
        self.unet_sides, self.sides = sides_up_to(lr_side), sides_up_to(side)
        self.skips = frozenset(self.unet_sides if skips is None else skips)
        nf = {r: channels_at(r, base, most) for r in (4, *self.sides)}
        self.from_rgb = nn.ModuleDict({str(r): FromRGB(nf[r]) for r in self.unet_sides})
        self.encoder = nn.ModuleDict(
            {str(r): EncoderBlock(nf[r], nf[r // 2], fused=fused) for r in self.unet_sides}
        )
        self.mid = EqualConv(nf[4], nf[4])
        self.decoder = nn.ModuleDict(
            {
                str(r): DecoderBlock(
                    r,
                    nf[r // 2],
                    nf[r],
                    skip=r in self.skips,
                    noisy=noise == "all" or (noise == "high" and r > lr_side),
                    pixelnorm=pixelnorm,
                    fused=fused,
                )
                for r in self.sides
            }
        )
        self.to_rgb = nn.ModuleDict(
            {str(r): EqualConv(nf[r], 3, kernel=1, gain=1.0) for r in self.sides}
        )

    def noisy_above(self, stage: Stage) -> bool:
        """Whether two passes over the same U-Net features differ, by noise in the layers above."""
        return self.noise != "none" and stage.side > self.lr_side

    def unet(self, x: Tensor, stage: Stage, noise: NoiseMaps | None = None) -> UNetFeatures:
        """Encode (B, 3, s, s), s = min(stage.side, lr_side), and decode up to that side.

        While a side of the U-Net itself fades in, its encoder block is mixed with the reduced image.
        Its skip needs no weight: it reaches only the branch that alpha weighs.
        """
        top = min(stage.side, self.lr_side)
        skips: dict[int, Tensor] = {}
        h: Tensor = self.from_rgb[str(top)](x)
        for side in reversed(sides_up_to(top)):
            skip, h = self.encoder[str(side)](h)
            if side in self.skips:
                skips[side] = skip
            if side == stage.side and stage.fading:
                h = fade(h, self.from_rgb[str(stage.half)](down2(x)), stage.alpha)
        h = leaky(self.mid(h))
        before = h
        for side in sides_up_to(top):
            before, h = h, self.decoder[str(side)](h, skips.get(side), noise)
        return UNetFeatures(h, before)

    def enlarge(
        self, features: UNetFeatures, stage: Stage, noise: NoiseMaps | None = None
    ) -> Tensor:
        """Grow to the stage's side, then to RGB, mixed with the stage before while fading."""
        h, before = features.last, features.before
        for side in sides_up_to(stage.side, 2 * self.lr_side):
            before, h = h, self.decoder[str(side)](h, None, noise)
        image: Tensor = self.to_rgb[str(stage.side)](h)
        if stage.fading:
            image = fade(image, up2(self.to_rgb[str(stage.half)](before)), stage.alpha)
        return image

    def forward(self, x: Tensor, stage: Stage, noise: NoiseMaps | None = None) -> Tensor:
        """(B, 3, s, s) in [-1, 1] to (B, 3, stage.side, stage.side), linear (no tanh).

        Args:
            x: s = min(stage.side, lr_side).
            stage: side and fade-in.
            noise: gives the maps; None for none.
        """
        return self.enlarge(self.unet(x, stage, noise), stage, noise)

    def active_parameters(self, side: int) -> list[nn.Parameter]:
        """Parameters that a stage of this side uses once its fade-in is over."""
        top = min(side, self.lr_side)
        used: list[nn.Module] = [self.from_rgb[str(top)], self.mid, self.to_rgb[str(side)]]
        used += [self.encoder[str(r)] for r in sides_up_to(top)]
        used += [self.decoder[str(r)] for r in sides_up_to(side)]
        return [p for module in used for p in module.parameters()]
