"""StyleGAN2's synthesis network: codes and noise to an image, with features on the way."""

from typing import Literal, cast, overload

import torch
from torch import Tensor, nn

from facesr_bench.errors import ConfigError
from facesr_bench.nets.prior import Noise
from facesr_bench.nets.stylegan2.layers import GAIN, ModulatedConv, exact, full, leaky, upsample


def sides(resolution: int) -> list[int]:
    """4, 8, ... ``resolution``.

    Raises:
        ConfigError: not a power of two of at least 8.
    """
    exponent = resolution.bit_length() - 1
    if resolution < 8 or resolution != 2**exponent:
        raise ConfigError(f"A StyleGAN2 makes images of 8, 16, 32, ... pixels, not {resolution}.")
    return [2**k for k in range(2, exponent + 1)]


def channels(side: int, base: int, largest: int) -> int:
    """Channels of the features of one side."""
    return min(base // side, largest)


def clamped(x: Tensor, limit: float | None) -> Tensor:
    """``x`` within plus and minus ``limit``; None: as it is."""
    return x if limit is None else x.clamp(-limit, limit)


class StyledConv(ModulatedConv):
    """A modulated 3x3 convolution, noise with one learned strength, bias and activation."""

    noise_const: Tensor
    clamp: float | None = None  # of what comes out

    def __init__(
        self, width_in: int, width: int, w_dim: int, side: int, *, up: bool, fused: bool
    ) -> None:
        super().__init__(width_in, width, 3, w_dim, up=up, fused=fused)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(side, side))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Noise is (1 or N, 1, side, side), or None."""
        x = self.convolve(x, w, GAIN, self.bias * GAIN)
        if noise is not None:
            x = x + (noise * (self.noise_strength * GAIN)).to(x.dtype)
        return clamped(leaky(x), self.clamp)


class ToRGB(ModulatedConv):
    """Features to colour: a modulated 1x1 convolution without demodulation, and a bias."""

    clamp: float | None = None  # of what comes out

    def __init__(self, width_in: int, w_dim: int, *, fused: bool) -> None:
        super().__init__(width_in, 3, 1, w_dim, demodulate=False, fused=fused)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, 3, H, W) in float32."""
        return clamped(full(self.convolve(x, w)) + self.bias[:, None, None], self.clamp)


class Block(nn.Module):
    """All layers at one side: ``conv0`` doubles the side (not at 4), ``conv1``, then ``torgb``."""

    def __init__(self, width_in: int, width: int, w_dim: int, side: int, *, fused: bool) -> None:
        super().__init__()
        self.first = side == 4
        if self.first:
            self.const = nn.Parameter(torch.randn(width, 4, 4))
        else:
            self.conv0 = StyledConv(width_in, width, w_dim, side, up=True, fused=fused)
        self.conv1 = StyledConv(width, width, w_dim, side, up=False, fused=fused)
        self.torgb = ToRGB(width, w_dim, fused=fused)

    @property
    def convolutions(self) -> list[StyledConv]:
        """In the order they run; each takes one code and one noise map."""
        return [self.conv1] if self.first else [self.conv0, self.conv1]

    def forward(
        self, x: Tensor | None, rgb: Tensor | None, ws: Tensor, noise: list[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        """Features and colour so far, both at half the side, to the same at this one.

        Args:
            x: features, None at side 4.
            rgb: the colour image of the smaller side, None at side 4.
            ws: codes (N, convolutions + 1, w_dim), the last one for the colour.
            noise: one map per convolution.
        """
        if x is None:
            # A copy: views of parameters count as requiring gradients under no_grad, which the FLOP
            # counter's hooks do not survive.
            # Not len, which would write the batch of an example into a recorded graph.
            x = self.const.repeat(ws.shape[0], 1, 1, 1)
        for index, convolution in enumerate(self.convolutions):
            x = convolution(x, ws[:, index], noise[index])
        colour = self.torgb(x, ws[:, -1])
        if rgb is not None:
            with exact(rgb):
                colour = colour + upsample(rgb)
        return cast(Tensor, x), colour


class Synthesis(nn.Module):
    """Blocks ``b4``, ``b8`` ... and the sum of their colours.

    Args:
        resolution: side of the images.
        w_dim: length of a code.
        channel_base: channels times side of the features, where ``channel_max`` does not bind.
        channel_max: most channels.
        fused: see :class:`~facesr_bench.nets.stylegan2.layers.ModulatedConv`.
        conv_clamp: features and colours beyond it are cut off.
    """

    def __init__(
        self,
        resolution: int,
        w_dim: int,
        channel_base: int,
        channel_max: int,
        *,
        fused: bool = False,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.sides = sides(resolution)
        self.w_dim = w_dim
        self.num_codes = 2 * len(self.sides)
        self.noise_shapes = [(4, 4)] + [(side, side) for side in self.sides[1:] for _ in range(2)]
        width_in = 0
        for side in self.sides:
            width = channels(side, channel_base, channel_max)
            self.add_module(f"b{side}", Block(width_in, width, w_dim, side, fused=fused))
            width_in = width
        for module in self.modules():
            if isinstance(module, StyledConv | ToRGB):
                module.clamp = conv_clamp

    @property
    def blocks(self) -> list[Block]:
        """From 4 pixels up."""
        return [cast(Block, self.get_submodule(f"b{side}")) for side in self.sides]

    @overload
    def forward(
        self,
        ws: Tensor,
        noise: Noise = ...,
        features: Literal[False] = ...,
        stop_at: int | None = ...,
    ) -> Tensor: ...

    @overload
    def forward(
        self, ws: Tensor, noise: Noise, features: Literal[True], stop_at: int | None = ...
    ) -> tuple[Tensor, dict[int, Tensor]]: ...

    def forward(
        self, ws: Tensor, noise: Noise = "const", features: bool = False, stop_at: int | None = None
    ) -> Tensor | tuple[Tensor, dict[int, Tensor]]:
        """Images of codes; see :meth:`facesr_bench.nets.prior.Prior.synthesis`.

        Args:
            ws: (N, L, w_dim).
            noise: maps to add, see :data:`facesr_bench.nets.prior.Noise`.
            features: also return each block's output by its side.
            stop_at: leave after this side, with its colour image.

        Raises:
            ConfigError: codes or noise maps of another shape, or a side it does not have.
        """
        if ws.ndim != 3 or ws.shape[1:] != (self.num_codes, self.w_dim):
            expected = f"(N, {self.num_codes}, {self.w_dim})"
            raise ConfigError(f"This synthesis takes codes {expected}, not {tuple(ws.shape)}.")
        if stop_at not in (None, *self.sides):
            raise ConfigError(f"This synthesis has sides {self.sides}, not {stop_at}.")
        maps = self.noise_maps(noise, ws)
        outputs: dict[int, Tensor] = {}
        x: Tensor | None = None
        rgb: Tensor | None = None
        used = 0
        for side, block in zip(self.sides, self.blocks, strict=True):
            number = len(block.convolutions)
            # The code of a block's colour is also that of the next block's first convolution.
            x, rgb = block(x, rgb, ws[:, used : used + number + 1], maps[used : used + number])
            outputs[side] = x
            used += number
            if side == stop_at:
                break
        image = cast(Tensor, rgb)
        return (image, outputs) if features else image

    def noise_maps(self, noise: Noise, ws: Tensor) -> list[Tensor | None]:
        """One map for each convolution, of those shapes or None.

        Raises:
            ConfigError: a word or maps that mean nothing here.
        """
        shapes = self.noise_shapes
        if isinstance(noise, str):
            if noise == "none":
                return [None] * len(shapes)
            if noise == "random":
                return [torch.randn(len(ws), 1, *shape, device=ws.device) for shape in shapes]
            if noise == "const":
                return [c.noise_const[None, None] for b in self.blocks for c in b.convolutions]
            raise ConfigError(f"Noise is const, random, none or a list of maps, not '{noise}'.")
        if len(noise) != len(shapes):
            raise ConfigError(f"This synthesis takes {len(shapes)} noise maps, not {len(noise)}.")
        for index, (given, shape) in enumerate(zip(noise, shapes, strict=True)):
            if given.shape not in ((1, 1, *shape), (len(ws), 1, *shape)):
                raise ConfigError(
                    f"Noise map {index} is {tuple(given.shape)}, "
                    f"not (1 or N, 1, {shape[0]}, {shape[1]})."
                )
        return list(noise)
