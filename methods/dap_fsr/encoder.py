"""The encoder E (section 4.1, Fig. 2): a pyramid of ResNet maps, and one ALE for every code of G."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from facesr_bench.errors import ConfigError

from .backbone import Maps, ResNet, widths
from .istn import ISTN, SMALLEST

_STRIDE = 32
_REDUCTION = 16


class ALE(nn.Module):
    """Adaptive Latent Encoding: attend to channels of the pyramid, then reduce it to one code.

    Args:
        channels: of the pyramid.
        hidden: channels between attention and code.
        w_dim: length of the code.
    """

    def __init__(self, channels: int, hidden: int, w_dim: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // _REDUCTION)
        self.excite = nn.Linear(channels // _REDUCTION, channels)
        self.conv = nn.Conv2d(channels, hidden, 1)
        self.fc = nn.Linear(hidden, w_dim)

    def forward(self, pyramid: Tensor) -> Tensor:
        """(N, channels, h, w) to (N, w_dim)."""
        attention = torch.sigmoid(self.excite(torch.relu(self.squeeze(pyramid.mean((2, 3))))))
        y = leaky_relu(self.conv(pyramid * attention[:, :, None, None]), 0.2)
        code: Tensor = self.fc(y.mean((2, 3)))
        return code


class Encoder(nn.Module):
    """LR faces to offsets (or codes) for every layer of G.

    LR is enlarged first: from 16x16 the fourth stage of ResNet would see a single pixel.

    Args:
        codes: l, codes one image takes.
        w_dim: length of a code.
        side: LR is enlarged to this many pixels (bicubic), a multiple of 32.
        width: of the backbone's stem.
        depths: blocks of the backbone's stages.
        lateral: channels each of the four maps is brought to.
        istn: how many of the three ISTNs there are, from the input on.
        multi_scale: the pyramid and ALEs; without, one linear layer on the pooled last map.

    Raises:
        ConfigError: naming the argument that cannot be.
    """

    def __init__(
        self,
        codes: int,
        w_dim: int,
        *,
        side: int = 128,
        width: int = 64,
        depths: Sequence[int] = (3, 4, 6, 3),
        lateral: int = 512,
        istn: int = 3,
        multi_scale: bool = True,
    ) -> None:
        super().__init__()
        if istn not in range(4):
            raise ConfigError(f"DAP-FSR: istn is 0 to 3 aligners, not {istn}.")
        if side % _STRIDE or side < _STRIDE or (istn == 3 and side // 8 < SMALLEST):
            raise ConfigError(
                f"DAP-FSR: encoder_side={side} must be a multiple of {_STRIDE}, and at least "
                f"{8 * SMALLEST} with three ISTNs."
            )
        self.codes, self.w_dim, self.side = codes, w_dim, side
        c2, c3, c4, c5 = widths(width)
        self.resnet = ResNet(width, depths, [ISTN(c) for c in (3, c2, c3)[:istn]])
        self.multi_scale = multi_scale
        if multi_scale:
            self.laterals = nn.ModuleList(nn.Conv2d(c, lateral, 1) for c in (c3, c4, c5, c5))
            self.ales = nn.ModuleList(ALE(4 * lateral, lateral, w_dim) for _ in range(codes))
        else:
            self.fc = nn.Linear(c5, codes * w_dim)

    def forward(self, lr: Tensor) -> Tensor:
        """(N, 3, h, w) in [-1, 1] to (N, codes, w_dim)."""
        maps: Maps = self.resnet(self.enlarged(lr))
        if not self.multi_scale:
            flat: Tensor = self.fc(maps.c5.mean((2, 3)))
            return flat.view(-1, self.codes, self.w_dim)
        pyramid = self.pyramid(maps)
        return torch.stack([ale(pyramid) for ale in self.ales], dim=1)

    def enlarged(self, lr: Tensor) -> Tensor:
        """LR at the side the backbone sees."""
        size = (self.side, self.side)
        return interpolate(lr, size=size, mode="bicubic", align_corners=False)

    def pyramid(self, maps: Maps) -> Tensor:
        """C3, C4, C5 and the global average, each brought to ``lateral`` channels at C3's side."""
        size = maps.c3.shape[2:]
        every = (maps.c3, maps.c4, maps.c5, maps.c5.mean((2, 3), keepdim=True))
        scaled = []
        for lateral, x in zip(self.laterals, every, strict=True):
            y = lateral(x)
            # The global average is one pixel: enlarging it repeats it.
            same = (
                y if y.shape[2:] == size else y.expand(-1, -1, *size) if y.shape[2] == 1 else None
            )
            if same is None:
                same = interpolate(y, size=size, mode="bilinear", align_corners=False)
            scaled.append(same)
        return torch.cat(scaled, dim=1)
