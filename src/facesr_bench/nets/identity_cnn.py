"""A small identity network for faces of 64 pixels, where no pretrained one is to be had."""

from torch import Tensor, nn
from torch.nn import functional

_WIDTHS = (32, 64, 96, 128)


class _Unit(nn.Module):
    """3x3 convolution, BatchNorm, LeakyReLU; added to the input where the shape stays."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = functional.leaky_relu(self.bn(self.conv(x)), 0.1)
        return x + out if self.residual else out


class IdentityCNN(nn.Module):
    """Crops of 48x48 to unit vectors: four halvings, a residual unit after the middle two.

    What lies where in a face tells people apart: the last 3x3 places stay apart until one linear
    layer mixes them. Under half a million parameters.

    Args:
        length: numbers in a vector.
    """

    def __init__(self, length: int = 128) -> None:
        super().__init__()
        units: list[nn.Module] = []
        width_in = 3
        for place, width in enumerate(_WIDTHS):
            units.append(_Unit(width_in, width, stride=2))
            if place in (1, 2):
                units.append(_Unit(width, width, stride=1))
            width_in = width
        self.features = nn.Sequential(*units)
        self.fc = nn.Linear(9 * width_in, length, bias=False)
        self.bn = nn.BatchNorm1d(length, affine=False)

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, 48, 48), about [-1, 1], to (B, length) of length one."""
        return functional.normalize(self.bn(self.fc(self.features(crops).flatten(1))))
