"""The network that restyles faces: AdaIN (Huang and Belongie, ICCV 2017), or RAIN with style codes.

Features of a face keep their places, but take the mean and spread of another face's; a decoder makes an
image of them. RAIN (Luo et al., "Adversarial Style Mining for One-Shot Unsupervised Domain Adaptation",
NeurIPS 2020) puts a small variational autoencoder between the two, so that a style is a code that can
be moved. No code of it was to be had: its sizes and weights are our reading.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from facesr_bench.adaptation.features import LAYERS, WIDTHS, open_features
from facesr_bench.adaptation.settings import StyleNet
from facesr_bench.errors import ConfigError

_DEEPEST = LAYERS[-1]
_EPS = 1e-5


@dataclass(frozen=True)
class Style:
    """Mean and spread of the deepest features' channels over space, (N, C) each."""

    mean: Tensor
    spread: Tensor

    def joined(self) -> Tensor:
        """(N, 2 C)."""
        return torch.cat([self.mean, self.spread], dim=1)

    @classmethod
    def split(cls, joined: Tensor) -> "Style":
        """The inverse of :meth:`joined`."""
        mean, spread = joined.chunk(2, dim=1)
        return cls(mean, spread)


def style_of(x: Tensor) -> Style:
    """Of features (N, C, h, w)."""
    return Style(x.mean((2, 3)), x.flatten(2).std(dim=2, correction=0))


def adain(content: Tensor, style: Style) -> Tensor:
    """Content features (N, C, h, w) with another mean and spread."""
    own = style_of(content)
    normal = (content - own.mean[:, :, None, None]) / (own.spread[:, :, None, None] + _EPS)
    return normal * style.spread[:, :, None, None] + style.mean[:, :, None, None]


class StyleCode(nn.Module):
    """A variational autoencoder of styles: 2 C numbers to a normal code of C, and back.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(2 * channels, channels)
        self.mean = nn.Linear(channels, channels)
        self.log_variance = nn.Linear(channels, channels)
        self.back = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, 2 * channels)
        )

    def encode(self, style: Style) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the code, (N, C) each."""
        hidden = torch.relu(self.reduce(style.joined()))
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, code: Tensor) -> Style:
        """(N, C) to a style; spreads are not negative."""
        style = Style.split(self.back(code))
        return Style(style.mean, torch.relu(style.spread))


class Stylist(nn.Module):
    """Restyles faces; RGB in [0, 1].

    Args:
        settings: features, losses.
        coded: with a :class:`StyleCode` (ASM).
    """

    def __init__(self, settings: StyleNet, *, coded: bool) -> None:
        super().__init__()
        features = open_features(settings.features)
        if features is None:
            raise ConfigError("adaptation.style_net needs features to take a style from.")
        self.features, self.settings = features, settings
        self.decoder = _decoder(WIDTHS[settings.features])
        self.code = StyleCode(WIDTHS[settings.features][-1]) if coded else None

    def style(self, images: Tensor) -> Style:
        """The style of images (N, 3, H, W)."""
        return style_of(self.features(images)[_DEEPEST])

    def restyled(self, content: Tensor, style: Style) -> Tensor:
        """Content (N, 3, H, W) in a style, in [0, 1]."""
        features = self.features(content)[_DEEPEST]
        image: Tensor = self.decoder(adain(features, style))
        return image.clamp(0, 1)

    def loss(self, content: Tensor, styled_as: Tensor, noise: Tensor) -> Tensor:
        """What training descends, of two independent batches of faces.

        Args:
            content: (N, 3, H, W) in [0, 1].
            styled_as: the same.
            noise: (N, C) normal, for the style code.
        """
        weights = self.settings
        with torch.no_grad():
            features = self.features(content)[_DEEPEST]
            wanted = {name: style_of(x) for name, x in self.features(styled_as).items()}
        style, code_loss = wanted[_DEEPEST], features.new_zeros(())
        if self.code is not None:
            truth = style
            mean, log_variance = self.code.encode(truth)
            style = self.code.decode(mean + noise * (log_variance / 2).exp())
            divergence = (mean.square() + log_variance.exp() - log_variance - 1).mean() / 2
            rebuilt = mse_loss(style.joined(), truth.joined())
            code_loss = weights.kl * divergence + weights.reconstruction * rebuilt
        target = adain(features, style)
        found = self.features(self.decoder(target))
        styles = [
            mse_loss(x.mean, wanted[name].mean) + mse_loss(x.spread, wanted[name].spread)
            for name, x in ((name, style_of(x)) for name, x in found.items())
        ]
        content_loss = mse_loss(found[_DEEPEST], target.detach())
        style_loss = weights.style * torch.stack(styles).sum()
        whole: Tensor = style_loss + weights.content * content_loss + code_loss
        return whole


def _decoder(widths: tuple[int, ...]) -> nn.Sequential:
    """VGG-19 up to relu4_1, mirrored: nearest enlarging for pooling, reflection for padding."""
    one, two, three, four = widths
    layers: list[nn.Module] = []

    def convolution(before: int, after: int) -> None:
        layers.append(nn.Conv2d(before, after, 3, padding=1, padding_mode="reflect"))
        layers.append(nn.ReLU())

    convolution(four, three)
    layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    for _ in range(3):
        convolution(three, three)
    convolution(three, two)
    layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    convolution(two, two)
    convolution(two, one)
    layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    convolution(one, one)
    layers.append(nn.Conv2d(one, 3, 3, padding=1, padding_mode="reflect"))
    return nn.Sequential(*layers)
