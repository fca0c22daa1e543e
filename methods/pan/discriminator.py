"""The discriminator: StyleGAN's ``D_basic``, grown with the generator (paper Fig. 3 a and d).

Unconditional: it never sees the LR image. What it asks is whether this is a face, not whose.
"""

from torch import Tensor, nn

from facesr_bench.nets.stylegan1.layers import EqualConv, EqualLinear
from facesr_bench.nets.stylegan2.discriminator import batch_deviation

from .fade import Stage, down2, fade
from .layers import EncoderBlock, FromRGB, channels_at, leaky, sides_up_to


class Head(nn.Module):
    """The last layers, at 4 pixels: minibatch standard deviation, convolution, two linear layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = EqualConv(channels + 1, channels)
        self.fc = EqualLinear(channels * 16, channels)
        self.out = EqualLinear(channels, 1, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, 4, 4) to logits (B, 1)."""
        x = leaky(self.conv(batch_deviation(x)))
        logits: Tensor = self.out(leaky(self.fc(x.flatten(1))))
        return logits


class Discriminator(nn.Module):
    """Images in [-1, 1] to logits, at any stage.

    Args:
        side: of the largest images, a power of two of at least 8.
        base: channels times side where ``most`` does not bind.
        most: most channels.
        fused: see :class:`~.layers.Down`.
    """

    GROUP = 4
    """Samples whose deviation is measured together; a process's batch must be a multiple of it
    (or smaller)."""

    def __init__(
        self, side: int, *, base: int = 16384, most: int = 512, fused: bool = False
    ) -> None:
        super().__init__()
        self.sides = sides_up_to(side)
        nf = {r: channels_at(r, base, most) for r in (4, *self.sides)}
        # fromRGB_4 is in NVIDIA's network and count; training starts at 8 and never uses it.
        self.from_rgb = nn.ModuleDict({str(r): FromRGB(nf[r]) for r in (4, *self.sides)})
        self.blocks = nn.ModuleDict(
            {str(r): EncoderBlock(nf[r], nf[r // 2], fused=fused) for r in self.sides}
        )
        self.head = Head(nf[4])

    def forward(self, image: Tensor, stage: Stage) -> Tensor:
        """(B, 3, stage.side, stage.side) to logits (B, 1); > 0 means real.

        While fading, features of half the side are mixed with those of the reduced image.
        """
        h: Tensor = self.from_rgb[str(stage.side)](image)
        for side in reversed(sides_up_to(stage.side)):
            _, h = self.blocks[str(side)](h)
            if side == stage.side and stage.fading:
                h = fade(h, self.from_rgb[str(stage.half)](down2(image)), stage.alpha)
        logits: Tensor = self.head(h)
        return logits
