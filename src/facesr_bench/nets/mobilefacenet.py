"""MobileFaceNet for 112x96 crops, with the names of Xiaoccer's MobileFaceNet_Pytorch (CASIA-WebFace).

Chen et al., "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile
Devices", 2018. The parameter names and the choice of layers without PReLU are those of the published
file (98.77 % on the LFW pairs).
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

# Expansion, output width, blocks, stride of the first.
_STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class _Unit(nn.Module):
    """Convolution and BatchNorm, then PReLU unless the unit is linear."""

    def __init__(
        self,
        width_in: int,
        width: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.prelu = nn.Identity() if linear else nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.prelu(self.bn(self.conv(x)))
        return out


class _Bottleneck(nn.Module):
    """Expand, filter each channel, project without activation; residual where the shape stays."""

    def __init__(self, width_in: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = width_in * expansion
        self.residual = stride == 1 and width_in == width
        self.conv = nn.Sequential(
            nn.Conv2d(width_in, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.residual else out


class MobileFaceNet(nn.Module):
    """float32 (B, 3, 112, 96), RGB, (x - 127.5) / 128, to unit vectors (B, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Unit(3, 64, 3, stride=2, padding=1)
        self.dw_conv1 = _Unit(64, 64, 3, padding=1, groups=64)
        plan = [
            (expansion, width, stride if first else 1)
            for expansion, width, number, stride in _STAGES
            for first in (True, *[False] * (number - 1))
        ]
        widths = [64, *(width for _, width, _ in plan)]
        self.blocks = nn.Sequential(
            *(
                _Bottleneck(before, after, stride, expansion)
                for (before, after), (expansion, _, stride) in zip(
                    pairwise(widths), plan, strict=True
                )
            )
        )
        self.conv2 = _Unit(128, 512, 1)
        self.linear7 = _Unit(512, 512, (7, 6), groups=512, linear=True)
        self.linear1 = _Unit(512, 128, 1, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """Embed aligned crops."""
        x = self.blocks(self.dw_conv1(self.conv1(x)))
        x = self.linear1(self.linear7(self.conv2(x)))
        return functional.normalize(x.flatten(1))
