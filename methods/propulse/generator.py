"""G_ds, the deeply-supervised generator (paper, section III-C): a frozen StyleGAN2 with branches."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from facesr_bench.errors import ConfigError
from facesr_bench.nets.loss_network import LossNetwork
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.nets.stylegan2.folding import Folding
from facesr_bench.priors.loaded import LoadedPrior

FIRST_SIDE = 32
"""The coarsest side that has a branch and a training stage of its own."""


def output_sides(resolution: int) -> list[int]:
    """32, 64, ... ``resolution``: the sides of the images that L_rec compares with LR."""
    return [2**k for k in range(5, resolution.bit_length())]


class SideBranch(nn.Sequential):
    """Features of one side to colour: three 1x1 convolutions of 128, 64 and 3 channels.

    The activations in between are ours; the paper names none.
    """

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.Conv2d(width, 128, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(128, 64, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, 3, 1),
        )


class DeeplySupervisedGenerator(LossNetwork):
    """Codes (N, L, w_dim) to images of several sides by one pass of the synthesis.

    The prior stays beside the module tree (see :class:`LossNetwork`): it is never trained and its
    weights are in no checkpoint of the method. Branches only read features: the prior's own image is
    the same with and without them.

    Args:
        prior: a StyleGAN2 of at least 64 pixels, or of 32 without any branch.
        branches: whether there are side branches at all.

    Raises:
        ConfigError: a StyleGAN1, whose features have no such place, or a smaller prior.
    """

    def __init__(self, prior: LoadedPrior, *, branches: bool = True) -> None:
        if not isinstance(prior.network, StyleGAN2):
            raise ConfigError(
                f"Pro-PULSE stands on a StyleGAN2, but the prior {prior.name} is a {prior.family}; "
                "choose another by prior@method.prior=NAME."
            )
        if prior.resolution < FIRST_SIDE:
            raise ConfigError(
                f"Pro-PULSE needs a prior of at least {FIRST_SIDE} pixels; {prior.name} has "
                f"{prior.resolution}."
            )
        super().__init__(prior.network, {})
        self._folding = Folding(prior.network.synthesis)
        self.sides = output_sides(prior.resolution)
        synthesis = prior.network.synthesis
        widths = {
            side: block.conv1.weight.shape[0]
            for side, block in zip(synthesis.sides, synthesis.blocks, strict=True)
        }
        self.branches = nn.ModuleDict(
            {str(side): SideBranch(widths[side]) for side in self.sides[:-1] if branches}
        )

    @property
    def prior(self) -> StyleGAN2:
        """The frozen generator."""
        return cast(StyleGAN2, self.network)

    @property
    def resolution(self) -> int:
        """Side of the last image."""
        return self.sides[-1]

    @property
    def num_codes(self) -> int:
        """L."""
        return self.prior.num_codes

    @property
    def sides_out(self) -> list[int]:
        """Sides it has images of: those of the branches, and the prior's own."""
        return [*map(int, self.branches), self.resolution]

    def forward(self, ws: Tensor, sides: Sequence[int] | None = None) -> dict[int, Tensor]:
        """Images (N, 3, side, side) by side, faces in [-1, 1] but unbounded; all sides by default."""
        wanted = self.sides_out if sides is None else sides
        last = max(wanted)
        self._folding.refresh()
        if last == self.resolution == min(wanted):
            return {last: self.prior.synthesis(ws)}
        image, features = self.prior.synthesis(ws, "const", True, stop_at=last)
        images = self.branch_images(features, (s for s in wanted if s != self.resolution))
        return images | ({last: image} if last == self.resolution else {})

    def features(self, ws: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """The prior's image, and what the branches read, by side."""
        self._folding.refresh()
        image, features = self.prior.synthesis(ws, "const", True)
        return image, features

    def branch_images(
        self, features: Mapping[int, Tensor], sides: Iterable[int] | None = None
    ) -> dict[int, Tensor]:
        """The branches alone, of the features of :meth:`features`."""
        wanted = map(int, self.branches) if sides is None else sides
        return {side: self.branches[str(side)](features[side]) for side in wanted}

    def used_for(self, side: int) -> list[nn.Module]:
        """The modules that make the image of one side, to count their parameters."""
        if side == self.resolution:
            return [self.prior.synthesis]
        synthesis = self.prior.synthesis
        blocks = synthesis.blocks[: synthesis.sides.index(side) + 1]
        return [*blocks, self.branches[str(side)]]
