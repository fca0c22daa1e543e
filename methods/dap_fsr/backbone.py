"""ResNet-50 without its classifier, giving the maps the pyramid is made of.

He et al., "Deep Residual Learning for Image Recognition", 2016. Blocks are torchvision's and carry its
names, so its ImageNet file fits; widths and depths can shrink, which torchvision's own class cannot.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before torchvision, see there)
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from facesr_bench.errors import ConfigError

_EXPANSION = 4


@dataclass(frozen=True)
class Maps:
    """What the encoder reads of a backbone: (N, C, h, w) each.

    Attributes:
        c3: of conv3_x, an eighth of the image's side.
        c4: of conv4_x, a sixteenth.
        c5: of conv5_x, a thirty-second.
    """

    c3: Tensor
    c4: Tensor
    c5: Tensor


class ResNet(nn.Module):
    """conv1 to conv5_x, with a place for an aligner after the input, conv2_x and conv3_x.

    Args:
        width: channels of the stem; the paper's ResNet-50 has 64.
        depths: blocks of conv2_x to conv5_x.
        aligners: at most three modules (N, C, h, w) to the same, in that order of places.
    """

    def __init__(self, width: int, depths: Sequence[int], aligners: Sequence[nn.Module]) -> None:
        super().__init__()
        if len(depths) != 4:
            raise ConfigError(f"DAP-FSR: depths needs four numbers, not {list(depths)}.")
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        before = width
        for number, depth in enumerate(depths):
            inner = width * 2**number
            layer = _layer(before, inner, depth, 1 if number == 0 else 2)
            self.add_module(f"layer{number + 1}", layer)
            before = inner * _EXPANSION
        for module in self.modules():  # as torchvision does; aligners keep PyTorch's draw
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.aligners = nn.ModuleList(aligners)

    def forward(self, images: Tensor) -> Maps:
        """Images (N, 3, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(self._aligned(0, images)))))
        x = self._aligned(1, self.get_submodule("layer1")(x))
        c3 = self._aligned(2, self.get_submodule("layer2")(x))
        c4 = self.get_submodule("layer3")(c3)
        return Maps(c3, c4, self.get_submodule("layer4")(c4))

    def _aligned(self, place: int, x: Tensor) -> Tensor:
        return self.aligners[place](x) if place < len(self.aligners) else x


def widths(width: int) -> tuple[int, int, int, int]:
    """Channels behind conv2_x, conv3_x, conv4_x and conv5_x."""
    first, second, third, fourth = (width * _EXPANSION * 2**number for number in range(4))
    return first, second, third, fourth


def _layer(before: int, inner: int, depth: int, stride: int) -> nn.Sequential:
    after = inner * _EXPANSION
    shortcut = nn.Sequential(
        nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
    )
    blocks = [Bottleneck(before, inner, stride, shortcut)]
    blocks += [Bottleneck(after, inner) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)
