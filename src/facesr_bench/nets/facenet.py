"""FaceNet as an Inception-ResNet v1, with the names of facenet-pytorch (``20180402-114759``).

Schroff et al., "FaceNet", 2015, in the architecture of Szegedy et al., "Inception-v4, Inception-ResNet
and the Impact of Residual Connections on Learning", 2016; the verification network of SCGAN. The
published file also holds the classifier ``logits``, which embeddings do not need.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Kernel = int | tuple[int, int]


class _Unit(nn.Module):
    """Convolution without bias, BatchNorm with TensorFlow's eps, ReLU."""

    def __init__(
        self, width_in: int, width: int, kernel: Kernel, stride: int = 1, padding: Kernel = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class _Branches(nn.Module):
    """Paths ``branch0``, ``branch1`` ... over the same input, their channels put side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.names = [f"branch{index}" for index in range(len(branches))]
        for name, branch in zip(self.names, branches, strict=True):
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([cast(nn.Module, self._modules[name])(x) for name in self.names], dim=1)


class _Residual(_Branches):
    """Branches, a 1x1 convolution back to the input's width, scaled and added to the input."""

    def __init__(
        self, width: int, inner: int, scale: float, *branches: nn.Module, last: bool = False
    ) -> None:
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(inner, width, 1)
        self.scale = scale
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2d(super().forward(x)) * self.scale + x
        return out if self.last else functional.relu(out)


def _block35() -> nn.Module:
    return _Residual(
        256,
        96,
        0.17,
        _Unit(256, 32, 1),
        nn.Sequential(_Unit(256, 32, 1), _Unit(32, 32, 3, padding=1)),
        nn.Sequential(_Unit(256, 32, 1), _Unit(32, 32, 3, padding=1), _Unit(32, 32, 3, padding=1)),
    )


def _cross(width: int, inner: int, reach: int, scale: float, last: bool = False) -> nn.Module:
    """A 1x1 path beside a row and a column filter of length 2 * reach + 1."""
    length = 2 * reach + 1
    return _Residual(
        width,
        2 * inner,
        scale,
        _Unit(width, inner, 1),
        nn.Sequential(
            _Unit(width, inner, 1),
            _Unit(inner, inner, (1, length), padding=(0, reach)),
            _Unit(inner, inner, (length, 1), padding=(reach, 0)),
        ),
        last=last,
    )


class FaceNet(nn.Module):
    """float32 (B, 3, 160, 160), RGB, (x - 127.5) / 128, to unit vectors (B, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = _Unit(3, 32, 3, stride=2)
        self.conv2d_2a = _Unit(32, 32, 3)
        self.conv2d_2b = _Unit(32, 64, 3, padding=1)
        self.conv2d_3b = _Unit(64, 80, 1)
        self.conv2d_4a = _Unit(80, 192, 3)
        self.conv2d_4b = _Unit(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = _Branches(
            _Unit(256, 384, 3, stride=2),
            nn.Sequential(
                _Unit(256, 192, 1), _Unit(192, 192, 3, padding=1), _Unit(192, 256, 3, stride=2)
            ),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_2 = nn.Sequential(*(_cross(896, 128, 3, 0.10) for _ in range(10)))
        self.mixed_7a = _Branches(
            nn.Sequential(_Unit(896, 256, 1), _Unit(256, 384, 3, stride=2)),
            nn.Sequential(_Unit(896, 256, 1), _Unit(256, 256, 3, stride=2)),
            nn.Sequential(
                _Unit(896, 256, 1), _Unit(256, 256, 3, padding=1), _Unit(256, 256, 3, stride=2)
            ),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_3 = nn.Sequential(*(_cross(1792, 192, 1, 0.20) for _ in range(5)))
        self.block8 = _cross(1792, 192, 1, 1.0, last=True)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Embed aligned crops."""
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_3b(functional.max_pool2d(x, 3, 2))
        x = self.repeat_1(self.conv2d_4b(self.conv2d_4a(x)))
        x = self.repeat_2(self.mixed_6a(x))
        x = self.block8(self.repeat_3(self.mixed_7a(x)))
        return functional.normalize(self.last_bn(self.last_linear(x.mean((2, 3)))))
