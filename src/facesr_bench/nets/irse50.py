"""ArcFace's IR-SE50, with the names of TreB1eN's InsightFace_Pytorch (``model_ir_se50.pth``).

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2019, with
squeeze-and-excitation blocks. The identity network of pSp and of Pro-PULSE's loss.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))  # width, blocks; the first of each has stride 2


class _SqueezeExcite(nn.Module):
    """Scale each channel by a gate in (0, 1) that depends on all channels' means."""

    def __init__(self, width: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // reduction, 1, bias=False)
        self.fc2 = nn.Conv2d(width // reduction, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.fc2(functional.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class _Block(nn.Module):
    """The improved residual unit: BatchNorm first, the stride in the second convolution."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = (
            nn.MaxPool2d(1, stride)
            if width_in == width
            else nn.Sequential(
                nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(width_in),
            nn.Conv2d(width_in, width, 3, 1, 1, bias=False),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            _SqueezeExcite(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return out


class IRSE50(nn.Module):
    """float32 (B, 3, 112, 112), RGB, (x - 127.5) / 127.5, to unit vectors (B, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        blocks: list[nn.Module] = []
        before = 64
        for width, number in _STAGES:
            blocks.append(_Block(before, width, 2))
            blocks.extend(_Block(width, width, 1) for _ in range(number - 1))
            before = width
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.Dropout(0.6),
            nn.Flatten(),
            nn.Linear(512 * 7 * 7, 512),
            nn.BatchNorm1d(512),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Embed aligned crops."""
        return functional.normalize(self.output_layer(self.body(self.input_layer(x))))
