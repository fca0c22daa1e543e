"""pSp's encoder and optimizer against published numbers, and the authors' checkpoint layout."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from facesr_bench.cost import count_flops
from facesr_bench.errors import ConfigError
from facesr_bench.methods.psp import PSP, module
from facesr_bench.methods.psp.encoder import PyramidEncoder
from facesr_bench.methods.psp.ranger import Ranger
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.nets.stylegan2.keys import ada_to_rosinality


@pytest.fixture(scope="module")
def official() -> PyramidEncoder:
    with torch.device("meta"):
        return PyramidEncoder(18)


def test_parameters_flops_and_shapes(official: PyramidEncoder) -> None:
    assert sum(p.numel() for p in official.parameters()) == 267_136_704
    images = torch.zeros(1, 3, 256, 256, device="meta")
    with torch.no_grad():
        assert count_flops(lambda: official.eval()(images)) == pytest.approx(1.44962e11, rel=1e-4)
        assert official(images).shape == (1, 18, 512)
        shapes = [tuple(x.shape[1:]) for x in official.pyramid(images)]
    assert shapes == [(512, 64, 64), (512, 32, 32), (512, 16, 16)]


def test_the_official_names(official: PyramidEncoder) -> None:
    shapes = {name: tuple(x.shape) for name, x in official.state_dict().items()}
    assert {
        "input_layer.0.weight": (64, 3, 3, 3),
        "input_layer.2.weight": (64,),
        "body.3.shortcut_layer.0.weight": (128, 64, 1, 1),
        "body.23.res_layer.5.fc2.weight": (512, 32, 1, 1),
        "styles.0.convs.6.weight": (512, 512, 3, 3),
        "styles.2.convs.0.bias": (512,),
        "styles.3.convs.8.weight": (512, 512, 3, 3),
        "styles.7.convs.10.weight": (512, 512, 3, 3),
        "styles.17.linear.weight": (512, 512),
        "latlayer1.weight": (512, 256, 1, 1),
        "latlayer2.bias": (512,),
    }.items() <= shapes.items()
    assert "styles.0.convs.8.weight" not in shapes  # 16 -> 1 takes four convolutions
    assert "styles.18.linear.weight" not in shapes


def test_taps_and_the_top_down_path() -> None:
    """The pyramid as the authors' forward writes it, on every block of IR-SE50."""
    encoder = PyramidEncoder(8, 16, 32, 8).eval()
    x = encoder.input_layer(torch.randn(1, 3, 32, 32))
    for i, block in enumerate(encoder.body):
        x = block(x)
        if i == 6:
            c1 = x
        elif i == 20:
            c2 = x
        elif i == 23:
            c3 = x

    def up_add(a: Tensor, b: Tensor) -> Tensor:
        return nn.functional.interpolate(a, b.shape[2:], mode="bilinear", align_corners=True) + b

    p2 = up_add(c3, encoder.latlayer1(c2))
    p1 = up_add(p2, encoder.latlayer2(c1))
    torch.manual_seed(0)
    image = torch.randn(1, 3, 32, 32)
    x = encoder.input_layer(image)
    assert c3.shape[2:] == (2, 2)
    fine, middle, coarse = encoder.pyramid(image)
    assert [y.shape for y in (fine, middle, coarse)] == [y.shape for y in (p1, p2, c3)]
    codes = encoder(image)
    assert torch.equal(codes[:, 2], encoder.styles[2](coarse))
    assert torch.equal(codes[:, 3], encoder.styles[3](middle))
    assert torch.equal(codes[:, 7], encoder.styles[7](fine))
    # and the same numbers as those lines
    body = nn.Sequential(encoder.input_layer, *encoder.body)
    torch.testing.assert_close(coarse, body(image))
    c2 = body[:22](image)
    torch.testing.assert_close(middle, up_add(coarse, encoder.latlayer1(c2)))
    torch.testing.assert_close(fine, up_add(middle, encoder.latlayer2(body[:8](image))))


def test_smaller_encoders_and_what_cannot_be() -> None:
    small = PyramidEncoder(10, 16, 64, 8, (1, 1, 1, 1))
    assert small(torch.zeros(2, 3, 64, 64)).shape == (2, 10, 16)
    with pytest.raises(ConfigError, match="power of two"):
        PyramidEncoder(10, input_size=48)
    with pytest.raises(ConfigError, match="depths"):
        PyramidEncoder(10, depths=(1, 1, 15, 1))


def test_ranger() -> None:
    """Five steps by hand: centralised, without rectification (rho_t <= 5); Lookahead at the sixth."""
    weight = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    ranger = Ranger([weight], lr=0.1)
    start, momentum, expected = weight.detach().clone(), torch.zeros(2, 2), weight.detach().clone()
    gradient = torch.tensor([[1.0, 0.0], [2.0, -2.0]])
    centred = torch.tensor([[0.5, -0.5], [2.0, -2.0]])
    for step in range(1, 6):
        weight.grad = gradient.clone()
        ranger.step()
        momentum = 0.95 * momentum + 0.05 * centred
        expected = expected - 0.1 * momentum / (1 - 0.95**step)
        torch.testing.assert_close(weight.detach(), expected)
    weight.grad = gradient.clone()
    ranger.step()
    rho_inf = 2 / (1 - 0.999) - 1
    rho = rho_inf - 2 * 6 * 0.999**6 / (1 - 0.999**6)
    assert rho > 5
    rect = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    fast = expected - 0.1 * rect * centred / centred.abs()
    torch.testing.assert_close(weight.detach(), start.lerp(fast, 0.5), rtol=1e-3, atol=1e-4)


def test_the_authors_checkpoint_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """encoder.*, decoder.* in rosinality's names and latent_avg, at 32 pixels."""
    torch.manual_seed(0)
    small = {"input_size": 32, "style_width": 8, "depths": (1, 1, 1, 1)}
    encoder = PyramidEncoder(8, 512, **small)  # type: ignore[arg-type]
    decoder = StyleGAN2(32, 512, 512, 8, 256, 16)
    names = ada_to_rosinality(decoder.state_dict())
    average = names.pop("latent_avg")
    state = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
    state |= {f"decoder.{k}": v for k, v in names.items()}
    state["latent_avg"] = average.expand(8, -1) + 0
    file = SimpleNamespace(path=Path("psp_celebs_super_resolution.pt"), sha256=64 * "a")
    monkeypatch.setattr(module, "locate", lambda name: file)
    monkeypatch.setattr(module, "load_state", lambda file: dict(state))
    method = PSP(
        hr_size=32, factor=2, weights="psp_sr", lpips=None, identity=None, factors=(1, 2), **small
    )
    assert not method.trainable
    assert method.trained_on == [{"data": "CelebA-HQ, by pSp's authors"}]
    entry = {"file": file.path.name, "sha256": file.sha256, "role": "encoder and decoder"}
    assert method.weight_files == method.prior.facts()["files"] == [entry]
    lr = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        sr = method.eval().super_resolve(lr)
        larger = nn.functional.interpolate(lr * 2 - 1, size=(32, 32), mode="bilinear")
        codes = encoder.eval()(larger) + decoder.mapping.w_avg
        expected = (decoder.synthesis(codes) + 1) / 2
    torch.testing.assert_close(sr, expected.clamp(0, 1))
