"""The critics D_L1, D_L2 (LR side) and D_H1, D_H2 (HR side): paper Fig. 5 c and e."""

from collections.abc import Sequence

from torch import Tensor, nn

from facesr_bench.errors import ConfigError

from .blocks import CriticBlock
from .networks import doublings
from .spectral import spectral_norm

FINAL_SIDE = 4
"""The last blocks pool the image down to 4x4, whatever its size."""


class Discriminator(nn.Module):
    """Six spectral-norm residual blocks and two spectral-norm linear layers (the paper: one).

    Spectral norm runs one power iteration per forward in train mode and, like torch's, none in eval
    mode, where the official layer goes on iterating. So a critic stays in train mode at all times.

    Args:
        size: side of the image, a power of two; the last ``log2(size / 4)`` blocks halve it.
        widths: channels of the residual blocks.
        hidden: units between the two linear layers; None for one layer, as in the paper.
    """

    def __init__(
        self,
        size: int,
        *,
        widths: Sequence[int] = (128, 128, 256, 256, 512, 512),
        hidden: int | None = 512,
    ) -> None:
        super().__init__()
        pools = doublings(size, "the critic's image size") - doublings(FINAL_SIDE, "4")
        if not 0 <= pools <= len(widths):
            raise ConfigError(
                f"SCGAN: a critic of {len(widths)} blocks takes images of "
                f"{FINAL_SIDE}..{FINAL_SIDE * 2 ** len(widths)} pixels, got {size}; "
                f"give critic_widths more entries for larger ones."
            )
        first_pool = len(widths) - pools
        self.residual_blocks = nn.Sequential(
            *(
                CriticBlock(cin, cout, down=i >= first_pool)
                for i, (cin, cout) in enumerate(zip((3, *widths), widths, strict=False))
            )
        )
        features = widths[-1] * FINAL_SIDE**2
        self.out_layer = nn.Sequential()
        if hidden is not None:
            self.out_layer.extend([spectral_norm(nn.Linear(features, hidden)), nn.ReLU()])
            features = hidden
        self.out_layer.append(spectral_norm(nn.Linear(features, 1)))

    def forward(self, image: Tensor) -> Tensor:
        """Score (B, 3, size, size) in [-1, 1] as (B, 1) logits; > 0 means real."""
        score: Tensor = self.out_layer(self.residual_blocks(image).flatten(1))
        return score
