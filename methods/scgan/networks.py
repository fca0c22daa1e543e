"""The generators: the degradation network (D_HL, D_SL) and the restoration network R_LS.

Parameter names are the official code's, so an official checkpoint loads with the identity mapping.
Images are (B, 3, H, W) in [-1, 1], in the channel order of the weights (BGR for the released ones).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.errors import ConfigError

from .blocks import GeneratorBlock, conv1x1, conv3x3

Noise = Literal["fc", "spatial"]
Layout = Literal["code", "paper"]


def doublings(factor: int, what: str) -> int:
    """log2 of ``factor``, which must be a power of two; ``what`` names it in the error."""
    if factor < 1 or factor & (factor - 1):
        raise ConfigError(f"SCGAN: {what} must be a power of two, got {factor}.")
    return factor.bit_length() - 1


class Degrader(nn.Module):
    """Degradation network ``D([I, z])`` of Eq. 1: image and noise -> LR face; Eq. 11 prints no noise.

    The encoder halves the side once per entry of ``widths``; PixelShuffle brings it back up until
    the output is ``factor`` times smaller than the input (64 -> 4 -> 16 by default).

    ``layout="paper"`` is Section 3.3's: the side is halved by the input convolution's pooling and
    after (not in) each pair of encoder blocks, the decoder has a pair of blocks before its first
    PixelShuffle too, and a residual block stands before both convolutions of the head. With three
    widths that is 6 + 6 blocks, 64 -> 32 -> 4 -> 16.

    Args:
        hr_size: side of the input image; only the noise layer depends on it.
        factor: side of input over side of output, a power of two.
        widths: channels of the encoder's pairs of blocks.
        head_width: channels between the two convolutions of the head.
        noise_dim: length of z for ``noise="fc"``.
        layout: of the blocks, the official code's or the paper's.
        noise: ``"fc"`` maps z in R^noise_dim to the H x W noise plane by a linear layer (code);
            ``"spatial"`` takes z in R^HW and only reshapes it (paper).
        skip_relu: see :class:`~.blocks.GeneratorBlock`.
        sn: spectral norm on the input convolution and inside every residual block (paper).
    """

    def __init__(
        self,
        *,
        hr_size: int = 64,
        factor: int = 4,
        widths: Sequence[int] = (96, 128, 256, 512),
        head_width: int = 8,
        layout: Layout = "code",
        noise_dim: int = 64,
        noise: Noise = "fc",
        skip_relu: bool = True,
        sn: bool = False,
    ) -> None:
        super().__init__()
        after_paper = layout == "paper"
        halvings = len(widths) + after_paper
        shuffles = halvings - doublings(factor, "factor")
        if shuffles < 0:
            raise ConfigError(
                f"SCGAN: {len(widths)} encoder widths halve the side {halvings} times, "
                f"too few for factor {factor}; give degrade_widths more entries."
            )
        if widths[-1] % 4**shuffles:
            raise ConfigError(
                f"SCGAN: the last of degrade_widths ({widths[-1]}) must be a multiple of "
                f"{4**shuffles}, for {shuffles} PixelShuffle layers."
            )
        if hr_size % 2**halvings:
            raise ConfigError(
                f"SCGAN: HR side {hr_size} must be a multiple of {2**halvings}, because "
                f"degrade_widths halves it {halvings} times."
            )
        self.hr_size = hr_size
        self.noise_shape = (1, noise_dim) if noise == "fc" else (1, hr_size * hr_size)

        def block(cin: int, cout: int, *, down: bool = False) -> GeneratorBlock:
            return GeneratorBlock(cin, cout, down=down, skip_relu=skip_relu, sn=sn)

        self.noise_fc: nn.Module = nn.Identity()
        if noise == "fc":
            self.noise_fc = nn.Linear(noise_dim, hr_size * hr_size)

        def pooled(module: nn.Module) -> nn.Module:
            return nn.Sequential(module, nn.AvgPool2d(2)) if after_paper else module

        self.in_layer = pooled(conv3x3(4, widths[0], sn=sn))
        self.down_layers = nn.Sequential()
        for cin, cout in pairwise((widths[0], *widths)):
            first = block(cin, cout, down=not after_paper)
            self.down_layers.extend([first, pooled(block(cout, cout))])
        self.up_layers = nn.Sequential()
        width = widths[-1]
        if after_paper:
            self.up_layers.extend([block(width, width), block(width, width)])
        for _ in range(shuffles):
            width //= 4
            self.up_layers.extend([nn.PixelShuffle(2), block(width, width), block(width, width)])
        head = [conv3x3(width, head_width), nn.ReLU(), conv3x3(head_width, 3), nn.Tanh()]
        if after_paper:
            head = [block(width, width), *head[:2], block(head_width, head_width), *head[2:]]
        self.out_layer = nn.Sequential(*head)
        self.middle_of_decoder = 5 if after_paper else len(self.up_layers)
        """How many of ``up_layers`` are its first two groups, which SCGAN-SM shares."""

    def forward(self, image: Tensor, z: Tensor) -> Tensor:
        """Degrade.

        Args:
            image: (B, 3, hr_size, hr_size) in [-1, 1].
            z: (B, *noise_shape) standard normal.

        Returns:
            (B, 3, hr_size/factor, hr_size/factor) in [-1, 1].
        """
        plane = self.noise_fc(z).view(-1, 1, self.hr_size, self.hr_size)
        x = self.in_layer(torch.cat([image, plane], dim=1))
        lr: Tensor = self.out_layer(self.up_layers(self.down_layers(x)))
        return lr


class Restorer(nn.Module):
    """Restoration network ``R_LS`` of Eqs. 4 and 5, the only network used at test time: LR -> SR.

    One group of residual blocks with a long skip per entry of ``depths``; x2 bilinear upsampling
    after each of the first ``log2(factor)`` groups, none after the others, so the paper's third group
    works at full size (ours: its text has all groups before the upsampling); a head of one 3x3 and
    two 1x1 convolutions.

    Args:
        widths: channels of each group, then of the head.
        depths: residual blocks per group.
        factor: side of output over side of input; every group doubles it by default.
        skip_relu: True is the official code: block skips and group skips see ``ReLU(x)``, as its
            in-place ReLU makes them; False leaves the ReLU out of both.
        sn: spectral norm on the input convolution and inside every residual block (paper).
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (256, 128, 96),
        depths: Sequence[int] = (12, 3),
        factor: int | None = None,
        skip_relu: bool = True,
        sn: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) != len(depths) + 1 or min(depths, default=0) < 1:
            raise ConfigError(
                f"SCGAN: restore_widths names each group of restore_depths and the head, so "
                f"{len(depths)} depths (each at least 1) need {len(depths) + 1} widths, "
                f"got {len(widths)}."
            )
        self.factor = 2 ** len(depths) if factor is None else factor
        ups = doublings(self.factor, "factor")
        if ups > len(depths):
            raise ConfigError(
                f"SCGAN: a group of R_LS doubles the side at most once, so factor={factor} needs "
                f"at least {ups} entries of restore_depths, got {len(depths)}."
            )
        self.skip_relu = skip_relu
        self.layers_in = conv3x3(3, widths[0], sn=sn)
        self.layers_set_final = nn.ModuleList()
        self.layers_set_final_up = nn.ModuleList()
        for i, (width, depth) in enumerate(zip(widths[:-1], depths, strict=True)):
            cin = widths[max(i - 1, 0)]
            self.layers_set_final.append(
                nn.Sequential(
                    *(
                        GeneratorBlock(cin if j == 0 else width, width, skip_relu=skip_relu, sn=sn)
                        for j in range(depth)
                    )
                )
            )
            if i < ups:
                self.layers_set_final_up.append(
                    nn.Sequential(
                        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                        nn.BatchNorm2d(width),
                        nn.ReLU(),
                        nn.ConvTranspose2d(width, width, 1),
                    )
                )
        # a1, a2, ...: skips of the second group and on. The last one is never called, yet it is in
        # every official checkpoint, so its key stays.
        for i, (cin, width) in enumerate(pairwise(widths), start=1):
            self.add_module(f"a{i}", nn.Sequential(conv1x1(cin, width)))
        self.main = nn.Sequential(
            conv3x3(widths[-2], widths[-1]),
            nn.ReLU(),
            conv1x1(widths[-1], widths[-1]),
            nn.ReLU(),
            conv1x1(widths[-1], 3),
            nn.Tanh(),
        )

    @property
    def dead(self) -> nn.Module:
        """The checkpoint's skip convolution that no forward calls (``a2`` of the official net)."""
        return self.get_submodule(f"a{len(self.layers_set_final)}")

    def forward(self, lr: Tensor) -> Tensor:
        """Super-resolve (B, 3, h, w) in [-1, 1] to (B, 3, factor*h, factor*w) in [-1, 1]."""
        x = self.layers_in(lr)
        for i, group in enumerate(self.layers_set_final):
            skip = functional.relu(x) if self.skip_relu else x
            if i > 0:
                skip = self.get_submodule(f"a{i}")(skip)
            x = skip + group(x)
            if i < len(self.layers_set_final_up):
                x = self.layers_set_final_up[i](x)
        sr: Tensor = self.main(x)
        return sr
