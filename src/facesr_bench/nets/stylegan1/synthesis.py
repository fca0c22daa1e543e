"""StyleGAN1's synthesis network, with the names of PULSE's ``synthesis.pt``.

Karras, Laine, Aila, "A Style-Based Generator Architecture for Generative Adversarial Networks",
CVPR 2019, as PULSE converted it: only the last of the nine toRGB layers is kept, so that no image
exists before the full resolution.
"""

from collections.abc import Sequence
from typing import Final, Literal, overload

import torch
from torch import Tensor, nn

from facesr_bench.errors import ConfigError
from facesr_bench.nets.prior import Noise
from facesr_bench.nets.stylegan1.layers import Epilogue, EqualConv, UpConv

_SMALLEST: Final = 8


class Synthesis(nn.Module):
    """Codes ws (N, num_codes, w_dim) to images (N, 3, resolution, resolution), RGB.

    Faces lie around [-1, 1]; nothing bounds the values. Two codes and two noise maps belong to each
    resolution from 4 px on: number ``i`` to the side ``2 ** (i // 2 + 2)``.

    Args:
        resolution: of the images, px: a power of two from 8 on.
        w_dim: width of a code.
        fmap_base: channels at a side are ``2 * fmap_base / side``,
        channel_max: but never more than this.
        fuse_all: compute every up-convolution as the large ones are: fewer operations, the same
            images up to rounding (:class:`~facesr_bench.nets.stylegan1.layers.UpConv`).

    Attributes:
        num_codes: L = 2 log2(resolution) - 2.
        noise_shapes: (side, side) of each noise map.

    Raises:
        ConfigError: a resolution that is no power of two, or below 8.
    """

    def __init__(
        self,
        resolution: int = 1024,
        w_dim: int = 512,
        fmap_base: int = 8192,
        channel_max: int = 512,
        fuse_all: bool = False,
    ) -> None:
        super().__init__()
        if resolution < _SMALLEST or resolution & (resolution - 1):
            raise ConfigError(
                f"StyleGAN1 cannot make images of {resolution} px: the resolution must be a power "
                f"of two from {_SMALLEST} on."
            )
        self.resolution = resolution
        self.w_dim = w_dim
        self.sides = tuple(2**k for k in range(2, resolution.bit_length()))
        self.num_codes = 2 * len(self.sides)
        self.noise_shapes = [(side, side) for side in self.sides for _ in range(2)]
        width = [min(2 * fmap_base // side, channel_max) for side in self.sides]
        self.torgb = EqualConv(width[-1], 3, kernel=1, gain=1.0)
        self.blocks = nn.ModuleDict({"4x4": _FirstBlock(width[0], w_dim)})
        for side, before, after in zip(self.sides[1:], width, width[1:], strict=False):
            self.blocks[f"{side}x{side}"] = _UpBlock(before, after, w_dim, side, fuse_all)

    @overload
    def forward(
        self,
        ws: Tensor,
        noise: Noise = "none",
        features: Literal[False] = False,
        generator: torch.Generator | None = None,
    ) -> Tensor: ...

    @overload
    def forward(
        self,
        ws: Tensor,
        noise: Noise = "none",
        *,
        features: Literal[True],
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, dict[int, Tensor]]: ...

    def forward(
        self,
        ws: Tensor,
        noise: Noise = "none",
        features: bool = False,
        generator: torch.Generator | None = None,
    ) -> Tensor | tuple[Tensor, dict[int, Tensor]]:
        """Make images.

        Args:
            ws: one code per layer, (N, num_codes, w_dim).
            noise: "none" (zeros), "random" (fresh N(0, 1) maps for each image), or all maps, each
                (N, 1, side, side) or (1, 1, side, side) for all images. Other priors have "const",
                stored maps; PULSE's files hold none.
            features: also hand back each block's output, by side: (N, C, side, side).
            generator: of "random" noise, on the device of ``ws``; None is the global one.

        Raises:
            ConfigError: noise of another kind.
            ValueError: codes or noise maps of another shape or number.
        """
        if ws.ndim != 3 or ws.shape[1:] != (self.num_codes, self.w_dim):
            raise ValueError(
                f"ws is {tuple(ws.shape)}; StyleGAN1 at {self.resolution} px takes "
                f"(N, {self.num_codes}, {self.w_dim})."
            )
        maps = self._maps(ws, noise, generator)
        x = ws.new_empty(0)
        outputs: dict[int, Tensor] = {}
        for index, (side, block) in enumerate(zip(self.sides, self.blocks.values(), strict=True)):
            x = block(x, ws[:, 2 * index : 2 * index + 2], maps[2 * index : 2 * index + 2])
            if features:
                outputs[side] = x
        image: Tensor = self.torgb(x)
        return (image, outputs) if features else image

    def _maps(
        self, ws: Tensor, noise: Noise, generator: torch.Generator | None
    ) -> Sequence[Tensor | None]:
        if isinstance(noise, str):
            if noise == "none":
                return [None] * self.num_codes
            if noise == "random":
                return [
                    torch.randn(
                        (len(ws), 1, *shape), generator=generator, device=ws.device, dtype=ws.dtype
                    )
                    for shape in self.noise_shapes
                ]
            raise ConfigError(
                f"noise is {noise!r}; StyleGAN1 stores no noise maps and takes 'random', 'none' or "
                f"a list of {self.num_codes} tensors."
            )
        if len(noise) != self.num_codes:
            raise ValueError(
                f"There are {len(noise)} noise maps; StyleGAN1 at {self.resolution} px takes "
                f"{self.num_codes}."
            )
        for index, (one, shape) in enumerate(zip(noise, self.noise_shapes, strict=True)):
            allowed = [(batch, 1, *shape) for batch in (len(ws), 1)]
            if one.shape not in allowed:
                raise ValueError(
                    f"Noise map {index} is {tuple(one.shape)}; StyleGAN1 takes {allowed[0]} or "
                    f"{allowed[1]} there."
                )
        return noise


class _FirstBlock(nn.Module):
    """4 px: a learned constant in place of an input."""

    def __init__(self, channels: int, w_dim: int) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.ones(1, channels, 4, 4))
        self.bias = nn.Parameter(torch.ones(channels))
        self.epi1 = Epilogue(channels, w_dim)
        self.conv = EqualConv(channels, channels)
        self.epi2 = Epilogue(channels, w_dim)

    def forward(self, _: Tensor, ws: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        x = (self.const + self.bias.view(1, -1, 1, 1)).repeat(len(ws), 1, 1, 1)
        x = self.epi1(x, ws[:, 0], noise[0])
        out: Tensor = self.epi2(self.conv(x), ws[:, 1], noise[1])
        return out


class _UpBlock(nn.Module):
    """Twice the side of the block before."""

    def __init__(self, before: int, after: int, w_dim: int, side: int, fuse: bool) -> None:
        super().__init__()
        self.conv0_up = UpConv(before, after, side, fuse)
        self.epi1 = Epilogue(after, w_dim)
        self.conv1 = EqualConv(after, after)
        self.epi2 = Epilogue(after, w_dim)

    def forward(self, x: Tensor, ws: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        x = self.epi1(self.conv0_up(x), ws[:, 0], noise[0])
        out: Tensor = self.epi2(self.conv1(x), ws[:, 1], noise[1])
        return out
