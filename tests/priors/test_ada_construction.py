"""What an ADA pickle says of its construction, beside tensors, is honoured or refused by name."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.test_foreign_weights import Persistent, door, nvidia  # noqa: F401  (fixtures)
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.nets.stylegan2.folding import Folding
from facesr_bench.priors.shipping import ship
from facesr_bench.priors.sources import stylegan2
from facesr_bench.weights.__main__ import main
from facesr_bench.weights.converting import converted_path, sidecar_path
from facesr_bench.weights.importing import import_file
from facesr_bench.weights.loading import locate
from nets.test_stylegan2_keys import filtered

RATE, CLAMP = 0.1, 1.5
_TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


class Layer(Persistent):
    """A module of NVIDIA's: the tensors and attributes of ours, by path."""


def official(network: StyleGAN2, **changed: Any) -> Layer:
    """``network`` as NVIDIA's modules, which say what they were built with."""

    def built(path: str) -> dict[str, Any]:
        last = path.rsplit(".", maxsplit=1)[-1]
        if path == "mapping":
            return {"c_dim": 0}
        if last.startswith("fc"):
            return {"activation": "lrelu", "bias_gain": RATE}
        if last == "affine":
            return {"activation": "linear", "bias_gain": 1}
        if last.startswith("conv"):
            return {"activation": "lrelu", "conv_clamp": CLAMP, "use_noise": True}
        if last == "torgb":
            return {"conv_clamp": CLAMP}
        return {"architecture": "skip"} if last.startswith("b") else {}

    def copied(module: nn.Module, path: str) -> Layer:
        layer = Layer()
        for name, value in (built(path) | changed.get(path, {})).items():
            if value is not None or name == "conv_clamp":
                setattr(layer, name, value)
        for name, parameter in module._parameters.items():
            layer.register_parameter(name, parameter)
        for name, buffer in module._buffers.items():
            layer.register_buffer(name, buffer)
        for name, child in module._modules.items():
            assert child is not None
            layer.add_module(name, copied(child, f"{path}.{name}".lstrip(".")))
        return layer

    return copied(network, "")


@pytest.fixture
def network() -> StyleGAN2:
    torch.manual_seed(1)
    network = StyleGAN2(16, 12, 10, 2, channel_base=128, channel_max=16)
    for name, value in network.named_parameters():
        value.data += torch.randn_like(value) * 0.3 * (0.0 if "fc" in name else 1.0)
    network.mapping.fc0.bias.data.normal_()
    return network


def reference_codes(state: dict[str, Tensor], z: Tensor) -> Tensor:
    """NVIDIA's FullyConnectedLayer, written down once more."""
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for number in range(2):
        weight, bias = (state[f"mapping.fc{number}.{part}"] for part in ("weight", "bias"))
        x = x @ (weight * RATE / math.sqrt(weight.shape[1])).t() + bias * RATE
        x = functional.leaky_relu(x, 0.2) * math.sqrt(2)
    return x


def reference_image(state: dict[str, Tensor], ws: Tensor) -> Tensor:
    """NVIDIA's SynthesisLayer and ToRGBLayer for one sample: activation, gain, then the clamp."""

    def layer(name: str, x: Tensor, w: Tensor, up: bool = False) -> Tensor:
        part = {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)}
        style = part[".affine.weight"] @ w / math.sqrt(len(w)) + part[".affine.bias"]
        weight = part[".weight"] * style[:, None, None]
        if "torgb" in name:
            weight = weight / math.sqrt(weight[0].numel())
            return (functional.conv2d(x, weight) + part[".bias"][:, None, None]).clamp(
                -CLAMP, CLAMP
            )
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = filtered(x, torch.outer(_TAPS, _TAPS) * 4, 1, 1)
        else:
            x = functional.conv2d(x, weight, padding=1)
        x = x + part[".noise_const"] * part[".noise_strength"] + part[".bias"][:, None, None]
        return (functional.leaky_relu(x, 0.2) * math.sqrt(2)).clamp(-CLAMP, CLAMP)

    x, rgb, at = state["synthesis.b4.const"][None], None, 0
    for side in (4, 8, 16):
        for conv in ("conv0", "conv1")[side == 4 :]:
            x = layer(f"synthesis.b{side}.{conv}", x, ws[at], conv == "conv0")
            at += 1
        colour = layer(f"synthesis.b{side}.torgb", x, ws[at])
        if rgb is not None:
            spaced = torch.zeros_like(colour)
            spaced[..., ::2, ::2] = rgb
            colour = colour + filtered(spaced, torch.outer(_TAPS, _TAPS) * 4, 2, 1)
        rgb = colour
    assert rgb is not None
    return rgb


@pytest.fixture
def registered(nvidia: Any, door: Any, tmp_path: Path) -> Any:  # noqa: F811
    def register(network: StyleGAN2, **changed: Any) -> None:
        door("toy.pkl", "{kind: ada_pickle, inside: [G_ema]}")
        (tmp_path / "toy.pkl").write_bytes(nvidia({"G_ema": official(network, **changed)}))
        import_file(tmp_path / "toy.pkl", "toy", replace=True)

    return register


@pytest.mark.parametrize("converted", [False, True])
@torch.no_grad()
def test_another_multiplier_and_a_clamp_are_honoured(
    converted: bool, network: StyleGAN2, registered: Any
) -> None:
    registered(network)
    path = locate("toy").path
    sidecar_path(path).unlink(missing_ok=True)
    if converted:
        assert main(["convert", "toy"]) == 0 and converted_path(path).is_file()
        written = json.loads(sidecar_path(path).read_text())
        assert written["built_with"]["mapping.fc1"] == {"activation": "lrelu", "bias_gain": RATE}
    prior = stylegan2("theirs", "toy", "ada", "nothing").network
    state = network.state_dict()
    z, ws = torch.randn(3, 12), torch.randn(prior.num_codes, 10)
    torch.testing.assert_close(prior.mapping(z), reference_codes(state, z), atol=1e-4, rtol=1e-4)
    expected = reference_image(state, ws)
    torch.testing.assert_close(prior.synthesis(ws[None]), expected, atol=1e-5, rtol=1e-5)
    # Neither is idle: without them the result is another.
    assert (network.mapping(z) - prior.mapping(z)).abs().max() > 0.5
    assert (network.synthesis(ws[None]) - expected).abs().max() > 0.1


def test_a_folded_prior_is_clamped_too(network: StyleGAN2, registered: Any) -> None:
    registered(network)
    synthesis = stylegan2("theirs", "toy", "ada", "nothing").network.synthesis
    ws = torch.randn(1, network.num_codes, 10, requires_grad=True)
    plain = synthesis(ws)
    (slope,) = torch.autograd.grad(plain.sum(), ws)
    Folding(synthesis).refresh()
    folded = synthesis(ws)
    torch.testing.assert_close(folded, plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        torch.autograd.grad(folded.sum(), ws)[0], slope, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("module", "said", "value"),
    [
        ("synthesis.b8", "architecture", "resnet"),
        ("synthesis.b8.conv0", "use_noise", False),
        ("synthesis.b16.conv1", "activation", "relu"),
        ("synthesis.b16.conv1.affine", "activation", "lrelu"),
        ("mapping", "c_dim", 10),
    ],
)
def test_what_ours_cannot_be_is_refused_by_name(
    module: str, said: str, value: Any, network: StyleGAN2, registered: Any
) -> None:
    registered(network, **{module: {said: value}})
    with pytest.raises(WeightsError, match=rf"{said}={value} \({module}\)"):
        stylegan2("theirs", "toy", "ada", "nothing")


def test_what_is_not_said_once_is_refused(network: StyleGAN2, registered: Any) -> None:
    registered(network, **{"mapping.fc1": {"bias_gain": 0.01}})
    with pytest.raises(WeightsError, match="does not say one lr_multiplier"):
        stylegan2("theirs", "toy", "ada", "nothing")
    registered(network, **{"synthesis.b8.torgb": {"conv_clamp": None}})
    with pytest.raises(WeightsError, match="does not say one conv_clamp"):
        stylegan2("theirs", "toy", "ada", "nothing")


def test_such_a_prior_is_not_shipped_without_them(
    network: StyleGAN2, registered: Any, tmp_path: Path
) -> None:
    registered(network)
    prior = stylegan2("theirs", "toy", "ada", "nothing")
    with pytest.raises(ConfigError, match=r"conv_clamp=1\.5 and a mapping's lr_multiplier=0\.1"):
        ship(prior, tmp_path / "x.safetensors")
