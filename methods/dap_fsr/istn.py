"""The Instance Spatial Transformer Network (section 4.1): see the pose, not the style.

The paper shows a figure and no layer sizes. The localisation network follows that of the co-author's
TDN (Yu and Porikli, AAAI 2017) with six free parameters; instance normalisation before it makes the
transform independent of the gain and offset of every channel, and so of a domain's style.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, instance_norm, pad, relu

from facesr_bench.nets.recording import is_recorded

_CHANNELS = 20
_EPS = 1e-5
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SMALLEST = 8
"""Side in pixels below which two poolings leave less than the 2x2 the linear layers read."""


class ISTN(nn.Module):
    """Warps (N, C, h, w) by an affine transform read from its instance-normalised self.

    It starts as the identity.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, _CHANNELS, 5, padding=2)
        self.conv2 = nn.Conv2d(_CHANNELS, _CHANNELS, 5, padding=2)
        self.fc1 = nn.Linear(_CHANNELS * 4, _CHANNELS)
        self.fc2 = nn.Linear(_CHANNELS, 6)
        nn.init.zeros_(self.fc2.weight)
        with torch.no_grad():
            self.fc2.bias.copy_(torch.tensor(_IDENTITY))
        self.pool = nn.MaxPool2d(2)

    def theta(self, x: Tensor) -> Tensor:
        """The transform (N, 2, 3) from places in the output to places in the input, in [-1, 1]."""
        y = self.pool(_normalised(x) if is_recorded() else instance_norm(x, eps=_EPS))
        y = self.pool(relu(self.conv1(y)))
        return self.theta_of(relu(self.conv2(y)))

    def theta_of(self, y: Tensor) -> Tensor:
        """The transform of what the convolutions found, (N, 20, h, w)."""
        # Means over four quadrants. Adaptive pooling is the same, but not deterministic on a GPU.
        y = avg_pool2d(y, (int(y.shape[2]) // 2, int(y.shape[3]) // 2))
        theta: Tensor = self.fc2(relu(self.fc1(y.flatten(1))))
        return theta.view(-1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w), both; sides are multiples of 8. What is sampled was not normalised."""
        theta = self.theta(x).float()
        if is_recorded():
            height, width = int(x.shape[2]), int(x.shape[3])
            grid = (places(height, width) @ theta.transpose(1, 2)).view(-1, height, width, 2)
        else:
            grid = affine_grid(theta, list(x.shape), align_corners=False)
        return grid_sample(
            x, grid.to(x.dtype), mode="bilinear", padding_mode="border", align_corners=False
        )


def _normalised(x: Tensor) -> Tensor:
    """Instance normalisation by operators that any graph has."""
    apart = x - x.mean((2, 3), keepdim=True)
    return apart * torch.rsqrt(apart.square().mean((2, 3), keepdim=True) + _EPS)


def places(height: int, width: int) -> Tensor:
    """(height * width, 3): x, y and 1 of each pixel's centre, as ``affine_grid`` has them."""
    x = (torch.arange(width) * 2 + 1) / width - 1
    y = (torch.arange(height) * 2 + 1) / height - 1
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).flip(-1).flatten(0, 1)
    return pad(grid, (0, 1), value=1.0)
