"""pSp's encoder: a face recognition network with a feature pyramid, and a head for every code.

Richardson et al., "Encoding in Style: a StyleGAN Encoder for Image-to-Image Translation", CVPR 2021.
The defaults have the names and shapes of the official checkpoints (``encoder.*``).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from facesr_bench.errors import ConfigError
from facesr_bench.nets.irse50 import IRSE50
from facesr_bench.nets.stylegan2.layers import EqualLinear

FULL_DEPTHS = (3, 4, 14, 3)
"""Blocks of IR-SE50 by width: 64, 128, 256, 512."""

_COARSE, _MIDDLE = 3, 7
"""Codes before these come from the coarsest and the middle features."""


class StyleHead(nn.Module):
    """Features of one side to one code: convolutions of stride 2 down to 1x1, then a linear layer."""

    def __init__(self, width: int, style_width: int, w_dim: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(side.bit_length() - 1):
            layers += [nn.Conv2d(width, style_width, 3, stride=2, padding=1), nn.LeakyReLU(0.01)]
            width = style_width
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(style_width, w_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, side, side) to (N, w_dim)."""
        code: Tensor = self.linear(self.convs(x).flatten(1))
        return code


class PyramidEncoder(nn.Module):
    """Images to offsets from the average code, one for each code of the prior.

    Args:
        num_codes: of the prior; smaller priors have fewer heads on the finest features.
        w_dim: length of a code.
        input_size: side of the images (256), a multiple of 32.
        style_width: channels inside the heads (512).
        depths: blocks by width; fewer than IR-SE50's make a smaller network.

    Raises:
        ConfigError: an input without any features left at the coarsest side, or impossible depths.
    """

    def __init__(
        self,
        num_codes: int,
        w_dim: int = 512,
        input_size: int = 256,
        style_width: int = 512,
        depths: Sequence[int] = FULL_DEPTHS,
    ) -> None:
        super().__init__()
        if input_size < 32 or input_size & (input_size - 1):
            raise ConfigError(
                f"pSp: input_size={input_size} must be a power of two of at least 32: the body reduces "
                "it by 16, the heads halve what is left."
            )
        if len(depths) != 4 or any(
            not 1 <= depth <= most for depth, most in zip(depths, FULL_DEPTHS, strict=True)
        ):
            raise ConfigError(
                f"pSp: depths={list(depths)} must be four numbers from 1 to {list(FULL_DEPTHS)}."
            )
        whole = IRSE50()
        self.input_layer = whole.input_layer
        self.body = nn.Sequential(*(whole.body[i] for i in _kept(depths)))
        self._taps = (sum(depths[:2]) - 1, sum(depths[:3]) - 1)
        sides = [
            input_size // (16 if i < _COARSE else 8 if i < _MIDDLE else 4) for i in range(num_codes)
        ]
        self.styles = nn.ModuleList(StyleHead(512, style_width, w_dim, side) for side in sides)
        self.latlayer1 = nn.Conv2d(256, 512, 1)
        self.latlayer2 = nn.Conv2d(128, 512, 1)
        self.input_size = input_size

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, input_size, input_size) in [-1, 1] to offsets (N, num_codes, w_dim)."""
        fine, middle, coarse = self.pyramid(images)
        features = [
            coarse if i < _COARSE else middle if i < _MIDDLE else fine
            for i in range(len(self.styles))
        ]
        return torch.stack([h(x) for h, x in zip(self.styles, features, strict=True)], dim=1)

    def pyramid(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (N, 512, ...) at a quarter, an eighth and a sixteenth of the side."""
        x = self.input_layer(images)
        taps: list[Tensor] = []
        for number, block in enumerate(self.body):
            x = block(x)
            if number in self._taps:
                taps.append(x)
        c1, c2 = taps
        middle = _enlarged(x, c2) + self.latlayer1(c2)
        return _enlarged(middle, c1) + self.latlayer2(c1), middle, x


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    return interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


def _kept(depths: Sequence[int]) -> list[int]:
    """Indices in IR-SE50's body of the first blocks of each width."""
    starts = [sum(FULL_DEPTHS[:group]) for group in range(4)]
    return [
        start + number
        for start, depth in zip(starts, depths, strict=True)
        for number in range(depth)
    ]
