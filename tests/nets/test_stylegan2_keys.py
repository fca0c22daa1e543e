"""Key maps: round trips, the official files' complete names, and files that are something else.

The names below are written out from the official modules, not made with the map under test.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from facesr_bench.errors import WeightsError
from facesr_bench.nets.stylegan2 import Discriminator, StyleGAN2, keys
from nets.golden import pat

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]
CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}


def shapes(state: State) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def rosinality_generator(resolution: int) -> Shapes:
    """What ``Generator(resolution, 512, 8).state_dict()`` of rosinality holds."""
    named: Shapes = {"input.input": (1, 512, 4, 4)}
    for layer in range(1, 9):
        named |= {f"style.{layer}.weight": (512, 512), f"style.{layer}.bias": (512,)}

    def conv(name: str, width_in: int, width: int, side: int) -> None:
        named[f"{name}.conv.weight"] = (1, width, width_in, side, side)
        named[f"{name}.conv.modulation.weight"] = (width_in, 512)
        named[f"{name}.conv.modulation.bias"] = (width_in,)

    def styled(name: str, width_in: int, width: int) -> None:
        conv(name, width_in, width, 3)
        named[f"{name}.noise.weight"] = (1,)
        named[f"{name}.activate.bias"] = (width,)

    def colour(name: str, width: int) -> None:
        conv(name, width, 3, 1)
        named[f"{name}.bias"] = (1, 3, 1, 1)

    styled("conv1", 512, 512)
    colour("to_rgb1", 512)
    named["noises.noise_0"] = (1, 1, 4, 4)
    before, index = 512, 0
    for side, width in CHANNELS.items():
        if 4 < side <= resolution:
            styled(f"convs.{2 * index}", before, width)
            named[f"convs.{2 * index}.conv.blur.kernel"] = (4, 4)
            styled(f"convs.{2 * index + 1}", width, width)
            colour(f"to_rgbs.{index}", width)
            named[f"to_rgbs.{index}.upsample.kernel"] = (4, 4)
            named[f"noises.noise_{2 * index + 1}"] = (1, 1, side, side)
            named[f"noises.noise_{2 * index + 2}"] = (1, 1, side, side)
            before, index = width, index + 1
    return named


def basicsr_generator(resolution: int) -> Shapes:
    """The same of BasicSR's ``StyleGAN2Generator``."""
    named: Shapes = {}
    for name, shape in rosinality_generator(resolution).items():
        first, _, rest = name.partition(".")
        if name.endswith(".kernel"):
            continue
        if first == "style":
            named[f"style_mlp.{rest}"] = shape
        elif first == "input":
            named["constant_input.weight"] = shape
        elif first == "noises":
            named["noises." + rest.replace("_", "")] = shape
        else:
            outer = f"style_{first}" if first in ("conv1", "convs") else first
            inner = rest.replace("conv.", "modulated_conv.").replace("noise.weight", "weight")
            named[f"{outer}.{inner}"] = shape
    return named


def rosinality_discriminator(resolution: int) -> Shapes:
    widths = [width for side, width in CHANNELS.items() if side <= resolution][::-1]
    named: Shapes = {"convs.0.0.weight": (widths[0], 3, 1, 1), "convs.0.1.bias": (widths[0],)}
    for j, (width, after) in enumerate(pairwise(widths), start=1):
        named |= {
            f"convs.{j}.conv1.0.weight": (width, width, 3, 3),
            f"convs.{j}.conv1.1.bias": (width,),
            f"convs.{j}.conv2.0.kernel": (4, 4),
            f"convs.{j}.conv2.1.weight": (after, width, 3, 3),
            f"convs.{j}.conv2.2.bias": (after,),
            f"convs.{j}.skip.0.kernel": (4, 4),
            f"convs.{j}.skip.1.weight": (after, width, 1, 1),
        }
    return named | {
        "final_conv.0.weight": (512, 513, 3, 3),
        "final_conv.1.bias": (512,),
        "final_linear.0.weight": (512, 8192),
        "final_linear.0.bias": (512,),
        "final_linear.1.weight": (1, 512),
        "final_linear.1.bias": (1,),
    }


def meta_generator(resolution: int) -> State:
    with torch.device("meta"):
        return StyleGAN2(resolution).state_dict()


def meta_discriminator(resolution: int) -> State:
    with torch.device("meta"):
        return Discriminator(resolution).state_dict()


@pytest.mark.parametrize("resolution", [64, 1024])
def test_names_and_shapes_are_complete(resolution: int) -> None:
    generator = meta_generator(resolution)
    renamed = shapes(keys.ada_to_rosinality(generator))
    assert renamed.pop("latent_avg") == (512,)
    assert renamed == rosinality_generator(resolution)
    assert shapes(keys.ada_to_basicsr(generator)) == basicsr_generator(resolution)
    critic = meta_discriminator(resolution)
    expected = rosinality_discriminator(resolution)
    assert shapes(keys.discriminator_ada_to_rosinality(critic)) == expected
    assert shapes(keys.discriminator_ada_to_basicsr(critic)) == {
        name.replace("convs.", "conv_body."): shape
        for name, shape in expected.items()
        if not name.endswith(".kernel")
    }


def small_generator() -> State:
    return StyleGAN2(32, 24, 16, 3, 256, 32).state_dict()


def small_discriminator() -> State:
    return Discriminator(32, 256, 32).state_dict()


@pytest.mark.parametrize(
    ("make", "there", "back", "lost"),
    [
        (small_generator, keys.ada_to_rosinality, keys.rosinality_to_ada, set()),
        (small_generator, keys.ada_to_basicsr, keys.basicsr_to_ada, {"mapping.w_avg"}),
        (
            small_discriminator,
            keys.discriminator_ada_to_rosinality,
            keys.discriminator_rosinality_to_ada,
            set(),
        ),
        (
            small_discriminator,
            keys.discriminator_ada_to_basicsr,
            keys.discriminator_basicsr_to_ada,
            set(),
        ),
    ],
)
def test_round_trip_changes_nothing(
    make: Callable[[], State],
    there: Callable[[State], State],
    back: Callable[[State], State],
    lost: set[str],
) -> None:
    state = make()
    returned = back(there(state))
    assert set(state) - set(returned) == lost
    assert set(returned) <= set(state)
    for name, tensor in returned.items():
        assert tensor.shape == state[name].shape, name
        assert torch.equal(tensor, state[name]), name


def test_the_specified_names() -> None:
    """Single entries of the key table, followed by value."""
    state = small_generator()
    other = keys.ada_to_rosinality(state)
    for ours, theirs in {
        "mapping.fc2.weight": other["style.3.weight"],
        "synthesis.b4.const": other["input.input"][0],
        "synthesis.b8.conv0.weight": other["convs.0.conv.weight"][0],
        "synthesis.b32.conv1.affine.bias": other["convs.5.conv.modulation.bias"],
        "synthesis.b16.conv0.noise_strength": other["convs.2.noise.weight"][0],
        "synthesis.b16.conv1.bias": other["convs.3.activate.bias"],
        "synthesis.b4.conv1.noise_const": other["noises.noise_0"][0, 0],
        "synthesis.b32.conv0.noise_const": other["noises.noise_5"][0, 0],
        "synthesis.b16.torgb.weight": other["to_rgbs.1.conv.weight"][0],
        "synthesis.b4.torgb.bias": other["to_rgb1.bias"].flatten(),
        "mapping.w_avg": other["latent_avg"],
    }.items():
        assert torch.equal(state[ours], theirs), ours
    critic = small_discriminator()
    other = keys.discriminator_ada_to_rosinality(critic)
    assert torch.equal(critic["b32.conv1.weight"], other["convs.1.conv2.1.weight"])
    assert torch.equal(critic["b8.skip.weight"], other["convs.3.skip.1.weight"])


def filtered(x: Tensor, kernel: Tensor, before: int, after: int) -> Tensor:
    """Every channel through one kernel, after uneven zero padding."""
    x = functional.pad(x, (before, after, before, after))
    return functional.conv2d(x.flatten(0, 1)[:, None], kernel[None, None]).unflatten(
        0, x.shape[:2]
    )[:, :, 0]


def activated(x: Tensor, bias: Tensor) -> Tensor:
    x = x + bias.view(1, -1, *[1] * (x.ndim - 2))
    return torch.where(x < 0, 0.2 * x, x) * 2**0.5


def modulated(state: State, name: str, x: Tensor, w: Tensor) -> Tensor:
    """rosinality's ModulatedConv2d, sample by sample, from his own names."""
    weight = state[f"{name}.conv.weight"][0]
    affine = state[f"{name}.conv.modulation.weight"] / math.sqrt(w.shape[1])
    styles = w @ affine.t() + state[f"{name}.conv.modulation.bias"]
    blur = state.get(f"{name}.conv.blur.kernel")
    outputs = []
    for sample, style in zip(x, styles, strict=True):
        kernel = weight / math.sqrt(weight[0].numel()) * style[:, None, None]
        if not name.startswith("to_rgb"):
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if blur is None:
            out = functional.conv2d(sample[None], kernel, padding=kernel.shape[-1] // 2)
        else:
            out = functional.conv_transpose2d(sample[None], kernel.transpose(0, 1), stride=2)
            out = filtered(out, blur, 1, 1)
        outputs.append(out)
    return torch.cat(outputs)


def rosinality_image(state: State, ws: Tensor, resolution: int) -> Tensor:
    x = state["input.input"].repeat(len(ws), 1, 1, 1)
    rgb: Tensor | None = None
    for number in range(2 * (resolution.bit_length() - 1) - 3):
        name = "conv1" if number == 0 else f"convs.{number - 1}"
        x = modulated(state, name, x, ws[:, number])
        x = x + state[f"{name}.noise.weight"] * state[f"noises.noise_{number}"]
        x = activated(x, state[f"{name}.activate.bias"])
        if number % 2 == 0:
            name = "to_rgb1" if number == 0 else f"to_rgbs.{number // 2 - 1}"
            colour = modulated(state, name, x, ws[:, number + 1]) + state[f"{name}.bias"]
            if rgb is not None:
                spaced = torch.zeros_like(colour)
                spaced[..., ::2, ::2] = rgb
                colour = colour + filtered(spaced, state[f"{name}.upsample.kernel"], 2, 1)
            rgb = colour
    assert rgb is not None
    return rgb


def rosinality_logits(state: State, x: Tensor) -> Tensor:
    def conv(name: str, x: Tensor, **arguments: int) -> Tensor:
        weight = state[f"{name}.weight"]
        return functional.conv2d(x, weight / math.sqrt(weight[0].numel()), **arguments)

    x = activated(conv("convs.0.0", x), state["convs.0.1.bias"])
    number = 1
    while f"convs.{number}.skip.1.weight" in state:
        name = f"convs.{number}"
        skip = filtered(x, state[f"{name}.skip.0.kernel"], 1, 1)
        x = activated(conv(f"{name}.conv1.0", x, padding=1), state[f"{name}.conv1.1.bias"])
        x = conv(f"{name}.conv2.1", filtered(x, state[f"{name}.conv2.0.kernel"], 2, 2), stride=2)
        x = activated(x, state[f"{name}.conv2.2.bias"])
        x = (x + conv(f"{name}.skip.1", skip, stride=2)) / 2**0.5
        number += 1
    spread = (x.var(0, correction=0) + 1e-8).sqrt().mean()  # one group of four
    x = torch.cat([x, spread.expand(len(x), 1, 4, 4)], dim=1)
    x = activated(conv("final_conv.0", x, padding=1), state["final_conv.1.bias"]).flatten(1)
    first, last = state["final_linear.0.weight"], state["final_linear.1.weight"]
    x = activated(x @ first.t() / math.sqrt(x.shape[1]), state["final_linear.0.bias"])
    return x @ last.t() / math.sqrt(x.shape[1]) + state["final_linear.1.bias"]


@torch.no_grad()
def test_converted_weights_compute_the_same() -> None:
    """Both networks written down once more over rosinality's names."""
    torch.manual_seed(0)
    network, critic = StyleGAN2(32, 24, 16, 3, 256, 32), Discriminator(32, 256, 32)
    for parameter in (*network.parameters(), *critic.parameters()):
        parameter.add_(torch.randn_like(parameter) * 0.3)
    ws = pat((4, network.num_codes, 16), 0.4)
    image = network.synthesis(ws)
    state = keys.ada_to_rosinality(network.state_dict())
    torch.testing.assert_close(rosinality_image(state, ws, 32), image, atol=2e-5, rtol=0)
    code = pat((4, 24), 1.7)
    code = code / (code.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for layer in (1, 2, 3):
        weight, bias = state[f"style.{layer}.weight"], state[f"style.{layer}.bias"]
        code = activated(code @ weight.t() * 0.01 / math.sqrt(code.shape[1]), bias * 0.01)
    torch.testing.assert_close(code, network.mapping(pat((4, 24), 1.7)))
    state = keys.discriminator_ada_to_rosinality(critic.state_dict())
    torch.testing.assert_close(rosinality_logits(state, image), critic(image))


def test_ada_files_load_by_identity() -> None:
    """Their constant filters are dropped, after a look at them."""
    state = small_generator()
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    official = state | {
        f"synthesis.{layer}.resample_filter": torch.outer(taps, taps)
        for layer in ("b4", "b4.conv1", "b8", "b8.conv0")
    }
    network = StyleGAN2(32, 24, 16, 3, 256, 32)
    network.load_state_dict(keys.ada_parameters(official))
    assert torch.equal(network.synthesis.b4.const, state["synthesis.b4.const"])
    official["synthesis.b8.resample_filter"] = torch.ones(4, 4) / 16
    with pytest.raises(WeightsError, match=r"b8\.resample_filter"):
        keys.ada_parameters(official)


def test_files_that_are_something_else() -> None:
    state = keys.ada_to_rosinality(small_generator())
    with pytest.raises(WeightsError, match=r"lack convs\.2\.activate\.bias"):
        keys.rosinality_to_ada({n: t for n, t in state.items() if n != "convs.2.activate.bias"})
    with pytest.raises(WeightsError, match=r"also hold extra\.weight"):
        keys.rosinality_to_ada(state | {"extra.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"conv1\.conv\.weight.*shape"):
        keys.rosinality_to_ada(state | {"conv1.conv.weight": torch.zeros(2, 8, 8, 3, 3)})
    with pytest.raises(WeightsError, match="layout asked for"):
        keys.rosinality_to_ada(small_generator())
    with pytest.raises(WeightsError, match="none at all"):
        keys.ada_to_rosinality({})
    without = keys.rosinality_to_ada({n: t for n, t in state.items() if n != "latent_avg"})
    assert "mapping.w_avg" not in without
