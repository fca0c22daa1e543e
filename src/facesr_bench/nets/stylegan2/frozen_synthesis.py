"""A frozen StyleGAN2 synthesis on a CPU as one node of autograd; see :mod:`.frozen_layer`."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from facesr_bench.nets.prior import Noise
from facesr_bench.nets.recording import is_recorded
from facesr_bench.nets.stylegan2.folded import FoldedConv
from facesr_bench.nets.stylegan2.frozen_layer import FrozenLayer, Steering, Trace, rows
from facesr_bench.nets.stylegan2.layers import upsample
from facesr_bench.nets.stylegan2.synthesis import Block, Synthesis


def freeze(synthesis: nn.Module) -> None:
    """Let a synthesis whose convolutions are folded run through :class:`FrozenSynthesis`.

    Any other than a StyleGAN2 of shared kernels and without a clamp stays as it is.
    """
    if not isinstance(synthesis, Synthesis) or synthesis.conv_clamp is not None:
        return
    if not synthesis.blocks[0].conv1.fused:
        # Past __setattr__, as in folded.py; the class's own forward stays for what else is asked.
        object.__setattr__(synthesis, "forward", FrozenSynthesis(synthesis))


class FrozenSynthesis:
    """What :meth:`Synthesis.forward` computes, while its parameters take no gradients.

    Whatever else is asked (features, bfloat16, a GPU, gradients of weights, a trace) the synthesis does
    itself.
    It goes back once, and its gradients have no gradients.

    Args:
        synthesis: its convolutions are folded.
    """

    def __init__(self, synthesis: Synthesis) -> None:
        self._synthesis = synthesis
        self._parameters = list(synthesis.parameters())
        self._blocks = [_FrozenBlock(block) for block in synthesis.blocks]

    def __call__(
        self, ws: Tensor, noise: Noise = "const", features: bool = False, stop_at: int | None = None
    ) -> Any:
        """See :meth:`Synthesis.forward`."""
        if features or stop_at is not None or not self._can(ws):
            own: Any = Synthesis.forward
            return own(self._synthesis, ws, noise, features, stop_at)
        given = iter(self._synthesis.noise_maps(noise, ws))
        inputs: list[Tensor | None] = []
        at = 0
        for block in self._blocks:
            for layer in block.layers:
                inputs += layer.steering(ws[:, at], next(given))
                at += 1
            inputs.append(block.colours(ws[:, at]))
        return _Apply.apply(self._blocks, *inputs)  # type: ignore[no-untyped-call]

    def _can(self, ws: Tensor) -> bool:
        frozen = not any(parameter.requires_grad for parameter in self._parameters)
        shape = (self._synthesis.num_codes, self._synthesis.w_dim)
        fits = ws.device.type == "cpu" and ws.dtype == torch.float32 and ws.shape[1:] == shape
        recorded = is_recorded()
        return frozen and fits and not (recorded or torch.is_autocast_enabled("cpu"))


class _Steered(NamedTuple):
    """What steers one block, or the gradients of that.

    Attributes:
        layers: of each layer.
        colours: (N, 3, width), from features to colour.
    """

    layers: list[Steering]
    colours: Tensor


class _State(NamedTuple):
    """Between two blocks on the way back.

    Attributes:
        d: gradient of the features (rows), of which the colours' part is missing; None after the last.
        along: (N, width), features times ``d``, summed over pixels.
        d_rgb: gradient of the colour image.
    """

    d: Tensor | None
    along: Tensor | None
    d_rgb: Tensor


class _FrozenBlock:
    def __init__(self, block: Block) -> None:
        self.block = block
        self.side = int(block.conv1.noise_const.shape[0])
        self.layers = [FrozenLayer(c, cast(FoldedConv, c.convolve)) for c in block.convolutions]
        # What doubles one column doubles all: a matrix from the left and its transpose from the right.
        columns = torch.eye(self.side // 2)[:, None, :, None].expand(-1, 1, -1, 2)
        self._double = upsample(columns)[:, 0, :, 1].t().contiguous()

    def colours(self, w: Tensor) -> Tensor:
        """(N, 3, width): the style of the colour is spent on its kernel, not on the features."""
        folded = cast(FoldedConv, self.block.torgb.convolve)
        style, _ = folded.steer(w)
        return folded.kernel[:, :, 0, 0] * style[:, None]

    def forward(
        self, x: Tensor | None, rgb: Tensor | None, steered: _Steered, keep: bool
    ) -> tuple[Tensor, Tensor, list[Trace]]:
        """Features and colour so far to those at this side, and what to ``keep`` for a backward."""
        constant = x is None
        if x is None:
            x = rows(self.block.const.detach()[None]).expand(len(steered.colours), -1, -1)
        traces: list[Trace] = []
        for layer, steering in zip(self.layers, steered.layers, strict=True):
            trace = layer.forward(x, steering, spend=not (keep or constant))
            x, constant = trace.out, False
            if keep:
                traces.append(trace)
        shift = self.block.torgb.bias.detach()[:, None]
        colour = (steered.colours @ x.transpose(1, 2)).add_(shift)
        colour = colour.unflatten(2, (self.side, self.side))
        if rgb is not None:
            colour += self._double @ rgb @ self._double.t()
        return x, colour, traces

    def backward(
        self, traces: list[Trace], state: _State, steered: _Steered, noisy: Sequence[bool]
    ) -> tuple[_Steered, _State]:
        """From the gradients after this block to those of what steers it and those before it."""
        d, along, d_rgb = state
        flat = d_rgb.flatten(2)
        d_colours = flat @ traces[-1].out
        here = (steered.colours * d_colours).sum(1)
        along = here if along is None else along + here
        if d is None:
            d = flat.transpose(1, 2) @ steered.colours
        else:
            d.baddbmm_(flat.transpose(1, 2), steered.colours)
        found: list[Steering] = []
        for index in reversed(range(len(self.layers))):
            d, along, pulled = self.layers[index].backward(
                traces[index], d, along, steered.layers[index], noisy[index]
            )
            found.insert(0, pulled)
        if not self.block.first:
            d_rgb = self._double.t() @ d_rgb @ self._double
        return _Steered(found, d_colours), _State(d, along, d_rgb)


class _Apply(torch.autograd.Function):
    """Steerings to images (N, 3, S, S)."""

    @staticmethod
    def forward(ctx: Any, blocks: list[_FrozenBlock], *inputs: Tensor | None) -> Tensor:
        x: Tensor | None = None
        rgb: Tensor | None = None
        kept: list[list[Trace]] = []
        learns = any(ctx.needs_input_grad)
        for block, steered in zip(blocks, _grouped(blocks, inputs), strict=True):
            x, rgb, traces = block.forward(x, rgb, steered, learns)
            kept.append(traces)
        if learns:
            ctx.blocks, ctx.traces = blocks, kept
            ctx.save_for_backward(*inputs)
        return cast(Tensor, rgb)

    @staticmethod
    def backward(ctx: Any, d_images: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph: these would be constants, without a word
            raise RuntimeError("A frozen synthesis has no gradients of gradients.")
        inputs = ctx.saved_tensors
        if not ctx.traces:  # a block's maps are let go as soon as they have served
            raise RuntimeError(
                "A frozen synthesis goes back once: it keeps nothing to do so again."
            )
        steered = list(_grouped(ctx.blocks, inputs))
        needed = list(_grouped(ctx.blocks, ctx.needs_input_grad[1:]))
        gradients: list[Tensor | None] = []
        state = _State(None, None, d_images)
        for at in reversed(range(len(ctx.blocks))):
            noisy = [bool(steering.noise) for steering in needed[at].layers]
            found, state = ctx.blocks[at].backward(ctx.traces.pop(), state, steered[at], noisy)
            flat = [tensor for steering in found.layers for tensor in steering]
            gradients[:0] = [*flat, found.colours]
        return None, *(
            d if d is None or len(d) == len(given) else d.sum(0, keepdim=True)  # one map for all
            for d, given in zip(gradients, inputs, strict=True)
        )


def _grouped(blocks: list[_FrozenBlock], inputs: Sequence[Any]) -> Iterator[_Steered]:
    """The inputs of :class:`_Apply` by block: style, gain and noise of each layer, then the colours."""
    following = iter(inputs)
    for block in blocks:
        layers = [Steering(next(following), next(following), next(following)) for _ in block.layers]
        yield _Steered(layers, next(following))
