"""A small attribute classifier for faces of 64 pixels, where no pretrained ResNet is to be had."""

from torch import Tensor, nn

_WIDTHS = (16, 32, 48, 64)


class AttributeCNN(nn.Module):
    """Four 3x3 convolutions of stride 2, their means, one linear layer; under 60,000 parameters.

    Args:
        num_classes: attributes, a logit each.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width_in = 3
        for width in _WIDTHS:
            layers += [nn.Conv2d(width_in, width, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
            width_in = width
        self.features = nn.Sequential(*layers)
        # Where in the face something is matters (a hat, a beard): 4x4 places stay apart.
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.fc = nn.Linear(16 * width_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w), normalised, to logits (B, num_classes)."""
        logits: Tensor = self.fc(self.pool(self.features(x)).flatten(1))
        return logits
