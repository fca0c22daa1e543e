"""What inference makes of a frozen E and G: the same numbers, of the weights as they are now."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facesr_bench.methods.dap_fsr import DAPFSR
from facesr_bench.methods.dap_fsr.encoder import Encoder
from facesr_bench.methods.dap_fsr.frozen_encoder import FrozenEncoder
from facesr_bench.nets.stylegan2.frozen_synthesis import FrozenSynthesis
from facesr_bench.nets.stylegan2.synthesis import Synthesis
from methods.dap_fsr_models import build, exemplars, faces

RELATIVE = 1e-5
"""Of the largest value; what float32 leaves of sums in another order through some fifty layers."""


def used(module: nn.Module, seed: int = 1) -> None:
    """As if trained: statistics, gains and biases that matter, aligners that turn."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5, generator=generator)
            elif name.endswith(("running_mean", ".bias")):
                value.add_(torch.randn(value.shape, generator=generator), alpha=0.1)
            elif name.endswith("fc2.weight"):
                value.normal_(std=0.1, generator=generator)


def close(found: Tensor, expected: Tensor, relative: float = RELATIVE) -> None:
    assert found.shape == expected.shape
    limit = relative * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=limit)


def unfolded(method: DAPFSR, lr: Tensor) -> Tensor:
    """The image by the networks as the paper has them."""
    ws = method.nets.rule(method.nets.E(method.to_network(lr)))
    assert isinstance(method.nets.G, Synthesis)
    images: Any = Synthesis.forward(method.nets.G, ws)
    return images.add(1).div(2)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"istn": 0}, {"istn": 1}, {"istn": 2, "side": 32}, {"multi_scale": False},
        {"depths": (2, 1, 2, 1), "width": 8, "lateral": 16}, {"side": 128},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("size", [(1, 16, 16), (3, 8, 16)], ids=str)
@torch.no_grad()
def test_the_frozen_encoder_gives_the_encoders_codes(
    options: dict[str, Any], size: tuple[int, int, int]
) -> None:
    torch.manual_seed(0)
    small = {"side": 64, "width": 4, "depths": (1, 1, 1, 1), "lateral": 8}
    encoder = Encoder(5, 16, **small | options).eval()
    used(encoder)
    lr = torch.rand(size[0], 3, *size[1:]) * 2 - 1
    moved = encoder.resnet.aligners
    assert not moved or (moved[0].theta(encoder.enlarged(lr)) - torch.eye(2, 3)).abs().max() > 0.1  # type: ignore[operator]
    for layout in (torch.contiguous_format, torch.channels_last):
        encoder.to(memory_format=layout)  # type: ignore[call-overload]
        close(FrozenEncoder(encoder)(lr), encoder(lr))


@torch.no_grad()
def test_faces_are_those_of_the_networks_as_they_stand() -> None:
    for channels_last in (True, False):
        method = build(channels_last=channels_last).eval()
        used(method.nets.E)
        lr = faces()["lr"]
        expected = unfolded(method, lr)
        assert float(expected.std()) > 0.01
        close(method.super_resolve(lr), expected.clamp(0, 1))
        assert isinstance(method.nets.G.forward, FrozenSynthesis)
        assert method.state_dict().keys() == build().state_dict().keys()


@torch.no_grad()
def test_they_follow_whatever_changes_the_weights() -> None:
    """Training E, statistics of batch norm, adaptation of phi, a loaded state."""
    method, lr = build().eval(), faces()["lr"]
    start = {name: value.clone() for name, value in method.state_dict().items()}
    seen = [method.super_resolve(lr)]

    def follows() -> None:
        now = method.super_resolve(lr)
        close(now, unfolded(method, lr).clamp(0, 1))
        assert min(float((now - before).abs().max()) for before in seen) > 1e-4
        seen.append(now)

    adam = torch.optim.Adam(method.nets.E.parameters(), lr=1e-2, fused=True)
    with torch.enable_grad():
        method._loss(method.to_network(lr), method.to_network(faces()["hr"]))[0].backward()
    adam.step()
    follows()
    method.nets.E.train()(method.to_network(lr))
    method.eval()
    follows()
    with torch.enable_grad():
        method.adapt(exemplars(), 0, lambda: None)
    follows()
    method.load_state_dict(start)
    assert torch.equal(method.super_resolve(lr), seen[0])


def test_gradients_reach_the_encoder_through_a_folded_decoder() -> None:
    """E learns through the frozen synthesis; the numbers are autograd's."""
    method = build().eval()
    hr, lr = (method.to_network(faces()[name]) for name in ("hr", "lr"))
    ws = method.nets.codes(lr).detach().requires_grad_()
    images = method.nets.images(ws)
    assert isinstance(method.nets.G.forward, FrozenSynthesis)
    own: Any = Synthesis.forward(method.nets.G, ws)  # type: ignore[arg-type, call-overload]
    (found,) = torch.autograd.grad((images - hr).square().sum(), ws)
    (expected,) = torch.autograd.grad((own - hr).square().sum(), ws)
    close(found, expected)


@torch.no_grad()
def test_what_is_frozen_steps_aside() -> None:
    """For training mode, gradients, bfloat16 and a graph that is written down."""
    method, lr = build().eval(), faces()["lr"]
    small = method.to_network(lr)
    assert not method.nets.E.training and method.nets._at_rest(small)
    with torch.enable_grad():
        assert method.nets.codes(small).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert not method.nets._at_rest(small)
    assert not method.nets._at_rest(small.double())
    method.train()
    assert not method.nets._at_rest(small)
    method.eval()
    for parameter in method.parameters():
        parameter.requires_grad_(False)

    def graph(images: Tensor) -> Tensor:
        return method.super_resolve(images)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that become constants
        traced = torch.jit.trace(graph, (lr[:1],), check_trace=False)
    close(traced(lr[1:]), method.super_resolve(lr[1:]))


def test_while_a_weight_of_g_learns_nothing_is_folded() -> None:
    method = build().eval()
    ws = method.nets.codes(method.to_network(faces()["lr"])).detach()
    method.nets.images(ws)
    with method.nets.open("affine"):
        method.nets.images(ws).square().mean().backward()
        assert not any("convolve" in part.__dict__ for part in method.nets.G.modules())
        assert all(p.grad is not None for p in method.nets.phi("affine").values())
    method.nets.images(ws)
    assert isinstance(method.nets.G.forward, FrozenSynthesis)


def test_a_stylegan1_stays_as_it_is() -> None:
    method = build(family="stylegan1").eval()
    with torch.no_grad():
        assert method.super_resolve(faces()["lr"]).shape == (4, 3, 32, 32)
    assert "forward" not in method.nets.G.__dict__
