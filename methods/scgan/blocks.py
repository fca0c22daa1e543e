"""The two residual blocks of SCGAN: one of the generators, one of the critics (paper Fig. 5 d).

They differ in one point that decides whether the released weights fit. The generators' official
block applies its first ReLU in place, so the skip path sees ``ReLU(x)``; the critics' block does
not, so their skip path sees ``x``. Both are written out here, with no in-place side effect.
"""

from torch import Tensor, nn
from torch.nn import functional

from .spectral import spectral_norm


def conv3x3(in_channels: int, out_channels: int, *, sn: bool = False) -> nn.Module:
    """3x3 convolution, stride 1, padding 1, no bias; ``sn`` wraps it in spectral normalisation."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    return spectral_norm(conv) if sn else conv


def conv1x1(in_channels: int, out_channels: int, *, sn: bool = False) -> nn.Module:
    """1x1 convolution with bias; ``sn`` wraps it in spectral normalisation."""
    conv = nn.Conv2d(in_channels, out_channels, 1)
    return spectral_norm(conv) if sn else conv


def _after(pool: nn.Module | None, conv: nn.Module) -> nn.Module:
    # A pooled convolution is a Sequential in the official checkpoint: its keys end in ``.1``.
    return conv if pool is None else nn.Sequential(pool, conv)


class _ResidualBlock(nn.Module):
    """``conv1``, ``conv2`` and an optional ``skip`` convolution under their official names."""

    def __init__(
        self, in_channels: int, out_channels: int, pool: nn.Module | None, *, sn: bool
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels, sn=sn)
        self.conv2 = _after(pool, conv3x3(out_channels, out_channels, sn=sn))
        self.skip: nn.Module = nn.Identity()
        if in_channels != out_channels or pool is not None:
            self.skip = _after(pool, conv1x1(in_channels, out_channels, sn=sn))


class GeneratorBlock(_ResidualBlock):
    """Residual block of D_HL, D_SL and R_LS: ``out = body(h) + skip(h)`` with ``h = ReLU(x)``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        down: halve the side by 2x2 average pooling (the paper's "GAP").
        skip_relu: True is the official code (skip on ``ReLU(x)``); False is the textbook
            pre-activation block of the paper's Fig. 5 d (skip on ``x``), a different function.
        sn: spectral normalisation on every convolution (paper's text; the code has none here).

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H, W), or half the side when ``down``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        down: bool = False,
        skip_relu: bool = True,
        sn: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, nn.AvgPool2d(2) if down else None, sn=sn)
        self.skip_relu = skip_relu

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        h = functional.relu(x)
        # In place only on tensors made here.
        body: Tensor = self.conv2(functional.relu(self.conv1(h), inplace=True))
        return body.add_(self.skip(h if self.skip_relu else x))


class CriticBlock(_ResidualBlock):
    """Residual block of the critics: spectral norm everywhere, max pooling, skip on the raw ``x``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        down: halve the side by 2x2 max pooling.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H, W), or half the side when ``down``.
    """

    def __init__(self, in_channels: int, out_channels: int, *, down: bool = False) -> None:
        super().__init__(in_channels, out_channels, nn.MaxPool2d(2) if down else None, sn=True)
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        body: Tensor = self.conv1(functional.relu(x))
        if self.down:
            # ReLU and max pooling commute, and after pooling there is a quarter left to do.
            pool, conv2 = self.conv2[0], self.conv2[1]  # type: ignore[index]
            body = conv2(functional.relu(pool(body), inplace=True))
        else:
            body = self.conv2(functional.relu(body, inplace=True))
        return body.add_(self.skip(x))
