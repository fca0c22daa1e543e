"""The residual channel attention block of RCAN, from which both encoders are made.

Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks", 2018, with
the parameter names of its official code, so that a block of it can be copied into one of ours.
"""

from torch import Tensor, nn

REDUCTION = 16
"""Channels over channels inside the attention."""


class ChannelAttention(nn.Module):
    """Each channel times a gate in (0, 1) that follows from the means of all channels.

    Args:
        width: channels, a multiple of :data:`REDUCTION`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, width // REDUCTION, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // REDUCTION, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W), both."""
        gate: Tensor = self.conv_du(x.mean((2, 3), keepdim=True))
        return x * gate


class RCAB(nn.Module):
    """Two 3x3 convolutions and channel attention beside the identity; no norm, no scaling.

    Args:
        width: channels, a multiple of :data:`REDUCTION`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            ChannelAttention(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W), both."""
        out: Tensor = self.body(x) + x
        return out


class Group(nn.Module):
    """``x + RCAB(RCAB(x))``: the paper's "group of two RCABs" with a skip around it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rcabs = nn.Sequential(RCAB(width), RCAB(width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W), both."""
        out: Tensor = x + self.rcabs(x)
        return out
