"""Key maps between layouts of StyleGAN2 weights: NVIDIA's ADA (ours), rosinality's, BasicSR's.

All three hold the same numbers under other names, with axes of length one more or less. No kernel is
flipped between them. Each map is strict: a name too many or too few is an error that says which.

rosinality keeps the average code beside its state dict; here it stands in it as ``latent_avg``.
BasicSR has no average code: add ``mapping.w_avg``, the mean of mapped codes, before truncating with it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from facesr_bench.errors import WeightsError

State = dict[str, Tensor]
_AVERAGE = "mapping.w_avg"
_FILTER = ".resample_filter"
_KERNEL = ".kernel"


class _Pair(NamedTuple):
    """One tensor in two layouts; rosinality's has axes of length one before and after ours."""

    ada: str
    rosinality: str
    before: int = 0
    after: int = 0


def ada_parameters(state: State) -> State:
    """An ADA state dict without its constant filters, as our modules take it.

    Raises:
        WeightsError: a filter is not [1, 3, 3, 1]: the network cannot be rebuilt here.
    """
    _check_filters(state, _FILTER, {1.0})
    return {name: tensor for name, tensor in state.items() if not name.endswith(_FILTER)}


def ada_to_rosinality(state: State) -> State:
    """A generator's state dict with rosinality's names, his constant kernels included."""
    state = ada_parameters(state)
    pairs = [pair for pair in _of_ada_generator(state) if pair.ada in state or pair.ada != _AVERAGE]
    return _forward(state, pairs) | _kernels(pairs)


def rosinality_to_ada(state: State) -> State:
    """The way back; without ``latent_avg`` in the input there is no ``mapping.w_avg`` in the output."""
    _check_filters(state, _KERNEL, {1.0, 4.0})
    state = {name: tensor for name, tensor in state.items() if not name.endswith(_KERNEL)}
    pairs = _of_rosinality_generator(state)
    return _back(state, [p for p in pairs if p.rosinality in state or p.ada != _AVERAGE])


def ada_to_basicsr(state: State) -> State:
    """A generator's state dict with BasicSR's names; the average code has no place there."""
    state = {name: tensor for name, tensor in ada_parameters(state).items() if name != _AVERAGE}
    pairs = [pair for pair in _of_ada_generator(state) if pair.ada != _AVERAGE]
    return {_basicsr(name): tensor for name, tensor in _forward(state, pairs).items()}


def basicsr_to_ada(state: State) -> State:
    """The way back, without ``mapping.w_avg``."""
    return rosinality_to_ada({_from_basicsr(name): tensor for name, tensor in state.items()})


def discriminator_ada_to_rosinality(state: State) -> State:
    """A discriminator's state dict with rosinality's names, his constant kernels included."""
    state = ada_parameters(state)
    pairs = list(_discriminator(_largest(state, r"b(\d+)\.")))
    return _forward(state, pairs) | _kernels(pairs)


def discriminator_rosinality_to_ada(state: State) -> State:
    """The way back."""
    _check_filters(state, _KERNEL, {1.0})
    state = {name: tensor for name, tensor in state.items() if not name.endswith(_KERNEL)}
    return _back(state, list(_discriminator(4 * 2 ** _largest(state, r"convs\.(\d+)\."))))


def discriminator_ada_to_basicsr(state: State) -> State:
    """A discriminator's state dict with BasicSR's names."""
    renamed = discriminator_ada_to_rosinality(state).items()
    return {
        name.replace("convs.", "conv_body.", 1): tensor
        for name, tensor in renamed
        if not name.endswith(_KERNEL)
    }


def discriminator_basicsr_to_ada(state: State) -> State:
    """The way back."""
    renamed = {name.replace("conv_body.", "convs.", 1): tensor for name, tensor in state.items()}
    return discriminator_rosinality_to_ada(renamed)


def _of_ada_generator(state: State) -> list[_Pair]:
    layers = _largest(state, r"mapping\.fc(\d+)\.") + 1
    return list(_generator(_largest(state, r"synthesis\.b(\d+)\."), layers))


def _of_rosinality_generator(state: State) -> list[_Pair]:
    side = 8 * 2 ** _largest(state, r"to_rgbs\.(\d+)\.")
    return list(_generator(side, _largest(state, r"style\.(\d+)\.")))


def _generator(resolution: int, layers: int) -> Iterator[_Pair]:
    for index in range(layers):
        for kind in ("weight", "bias"):
            yield _Pair(f"mapping.fc{index}.{kind}", f"style.{index + 1}.{kind}")
    yield _Pair(_AVERAGE, "latent_avg")
    yield _Pair("synthesis.b4.const", "input.input", 1)
    yield from _styled("b4.conv1", "conv1", 0)
    yield from _colour("b4.torgb", "to_rgb1")
    for exponent in range(3, resolution.bit_length()):
        block, first = f"b{2**exponent}", 2 * (exponent - 3)
        yield from _styled(f"{block}.conv0", f"convs.{first}", first + 1)
        yield from _styled(f"{block}.conv1", f"convs.{first + 1}", first + 2)
        yield from _colour(f"{block}.torgb", f"to_rgbs.{exponent - 3}")


def _styled(ada: str, other: str, noise: int) -> Iterator[_Pair]:
    yield from _modulated(ada, other)
    yield _Pair(f"synthesis.{ada}.bias", f"{other}.activate.bias")
    yield _Pair(f"synthesis.{ada}.noise_strength", f"{other}.noise.weight", 1)
    yield _Pair(f"synthesis.{ada}.noise_const", f"noises.noise_{noise}", 2)


def _colour(ada: str, other: str) -> Iterator[_Pair]:
    yield from _modulated(ada, other)
    yield _Pair(f"synthesis.{ada}.bias", f"{other}.bias", 1, 2)


def _modulated(ada: str, other: str) -> Iterator[_Pair]:
    yield _Pair(f"synthesis.{ada}.weight", f"{other}.conv.weight", 1)
    for kind in ("weight", "bias"):
        yield _Pair(f"synthesis.{ada}.affine.{kind}", f"{other}.conv.modulation.{kind}")


def _discriminator(resolution: int) -> Iterator[_Pair]:
    yield _Pair(f"b{resolution}.fromrgb.weight", "convs.0.0.weight")
    yield _Pair(f"b{resolution}.fromrgb.bias", "convs.0.1.bias")
    for number in range(1, resolution.bit_length() - 2):
        block, other = f"b{resolution // 2 ** (number - 1)}", f"convs.{number}"
        yield _Pair(f"{block}.conv0.weight", f"{other}.conv1.0.weight")
        yield _Pair(f"{block}.conv0.bias", f"{other}.conv1.1.bias")
        yield _Pair(f"{block}.conv1.weight", f"{other}.conv2.1.weight")
        yield _Pair(f"{block}.conv1.bias", f"{other}.conv2.2.bias")
        yield _Pair(f"{block}.skip.weight", f"{other}.skip.1.weight")
    yield _Pair("b4.conv.weight", "final_conv.0.weight")
    yield _Pair("b4.conv.bias", "final_conv.1.bias")
    for index, layer in enumerate(("fc", "out")):
        for kind in ("weight", "bias"):
            yield _Pair(f"b4.{layer}.{kind}", f"final_linear.{index}.{kind}")


def _forward(state: State, pairs: list[_Pair]) -> State:
    _check_names(state, {pair.ada for pair in pairs})
    return {
        pair.rosinality: state[pair.ada][(None,) * pair.before + (...,) + (None,) * pair.after]
        for pair in pairs
    }


def _back(state: State, pairs: list[_Pair]) -> State:
    _check_names(state, {pair.rosinality for pair in pairs})
    result: State = {}
    for pair in pairs:
        tensor = state[pair.rosinality]
        kept = tensor.shape[pair.before : tensor.ndim - pair.after]
        if tensor.ndim < pair.before + pair.after or kept.numel() != tensor.numel():
            raise WeightsError(
                f"'{pair.rosinality}' has shape {tuple(tensor.shape)}, which is no StyleGAN2's: "
                f"expected {pair.before} axes of length 1 first and {pair.after} last."
            )
        result[pair.ada] = tensor.reshape(kept)
    return result


def _largest(state: State, pattern: str) -> int:
    found = [int(match[1]) for name in state if (match := re.match(pattern, name))]
    if not found:
        raise WeightsError(
            f"These are not the weights of a StyleGAN2 in the layout asked for: no name is like "
            f"'{pattern}'; the first is '{next(iter(state), 'none at all')}'."
        )
    return max(found)


def _check_names(state: State, expected: set[str]) -> None:
    for problem, names in (("lack", expected - set(state)), ("also hold", set(state) - expected)):
        if names:
            raise WeightsError(
                f"These StyleGAN2 weights {problem} {', '.join(sorted(names)[:3])}"
                f"{f' and {len(names) - 3} more' if len(names) > 3 else ''}."
            )


def _fir(gain: float) -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return gain * torch.outer(taps, taps)


def _check_filters(state: State, ending: str, gains: set[float]) -> None:
    for name, tensor in state.items():
        if name.endswith(ending) and not any(
            tensor.shape == (4, 4) and torch.allclose(tensor.float().cpu(), _fir(gain), atol=1e-6)
            for gain in gains
        ):
            raise WeightsError(f"'{name}' is not the [1, 3, 3, 1] filter: no StyleGAN2 of ours.")


def _kernels(pairs: list[_Pair]) -> State:
    """The constant buffers of rosinality's layout, one per layer that filters."""
    kernels: State = {}
    for pair in pairs:
        name = pair.rosinality
        if match := re.fullmatch(r"(convs\.\d+)\.conv\.weight", name):
            if int(match[1].split(".")[1]) % 2 == 0:
                kernels[f"{match[1]}.conv.blur.kernel"] = _fir(4)
        elif match := re.fullmatch(r"(to_rgbs\.\d+)\.conv\.weight", name):
            kernels[f"{match[1]}.upsample.kernel"] = _fir(4)
        elif match := re.fullmatch(r"(convs\.\d+\.(?:conv2|skip))\.1\.weight", name):
            kernels[f"{match[1]}.0.kernel"] = _fir(1)
    return kernels


def _basicsr(name: str) -> str:
    name = name.replace("noises.noise_", "noises.noise").replace(
        "input.input", "constant_input.weight"
    )
    name = name.replace(".noise.weight", ".weight").replace(".conv.", ".modulated_conv.")
    return re.sub(r"^(conv1|convs)\.", r"style_\1.", re.sub(r"^style\.", "style_mlp.", name))


def _from_basicsr(name: str) -> str:
    rules: list[tuple[str, str]] = [
        (r"^style_mlp\.", "style."),
        (r"^constant_input\.weight$", "input.input"),
        (r"^noises\.noise(\d)", r"noises.noise_\1"),
        (r"^(style_conv1|style_convs\.\d+)\.weight$", r"\1.noise.weight"),
        (r"\.modulated_conv\.", ".conv."),
        (r"^style_conv", "conv"),
    ]
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
