"""DAP-FSR against the numbers of its specification: counts, shapes, equations, forward values."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from facesr_bench.adaptation.features import LAYERS, RandomFeatures
from facesr_bench.errors import ConfigError
from facesr_bench.methods.dap_fsr import DAPFSR
from facesr_bench.methods.dap_fsr.backbone import Maps
from facesr_bench.methods.dap_fsr.decoder import phi_parameters
from facesr_bench.methods.dap_fsr.encoder import ALE, Encoder
from facesr_bench.methods.dap_fsr.istn import ISTN
from facesr_bench.methods.dap_fsr.latent import LatentRule, mix
from facesr_bench.methods.dap_fsr.losses import (
    distance,
    feature_distance,
    statistics,
    style_distance,
)
from facesr_bench.nets.stylegan1.generator import StyleGAN1
from facesr_bench.nets.stylegan2 import StyleGAN2
from methods.dap_fsr_models import HR, LR, build, faces, small_prior
from nets.golden import EXACT, fill, pat, summary


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_counts_of_the_encoder() -> None:
    with torch.device("meta"):
        encoder = Encoder(12, 512)
        assert parameters(encoder) == 48_873_018
        assert parameters(encoder.resnet) - parameters(encoder.resnet.aligners) == 23_508_032
        assert parameters(encoder.laterals) == 2_885_632
        aligners = [parameters(aligner) for aligner in encoder.resnet.aligners]
        assert aligners == [13_286, 139_786, 267_786]
        assert {parameters(ale) for ale in encoder.ales} == {1_838_208}
        assert parameters(Encoder(18, 512)) == 59_902_266
        assert parameters(Encoder(12, 512, istn=0)) == 48_452_160  # configuration A
        assert parameters(Encoder(12, 512, istn=0, multi_scale=False)) == 36_097_088  # Baseline


@pytest.mark.parametrize(("codes", "flops"), [(12, 9.500e9), (18, 1.2731e10)])
def test_operations_and_shapes_at_full_size(codes: int, flops: float) -> None:
    seen: dict[str, Maps] = {}
    with torch.device("meta"):
        encoder = Encoder(codes, 512).eval()
        encoder.resnet.register_forward_hook(lambda _m, _i, maps: seen.update(maps=maps))
        with FlopCounterMode(display=False) as counter:
            codes_made = encoder(torch.zeros(1, 3, 16, 16))
        assert codes_made.shape == (1, codes, 512)
        assert encoder.pyramid(seen["maps"]).shape == (1, 2048, 16, 16)
    assert counter.get_total_flops() == pytest.approx(flops, rel=5e-5)
    assert seen["maps"].c3.shape == (1, 512, 16, 16)
    assert seen["maps"].c4.shape == (1, 1024, 8, 8)
    assert seen["maps"].c5.shape == (1, 2048, 4, 4)


def test_the_adaptation_set_is_34_tensors_of_stylegan2_and_24_of_stylegan1() -> None:
    with torch.device("meta"):
        two, one = StyleGAN2(128).synthesis, StyleGAN1(128).synthesis
    count = {
        name: (len(found), sum(p.numel() for p in found.values()))
        for name, found in (
            ("affine", phi_parameters(two, "stylegan2", "affine")),
            ("no colour", phi_parameters(two, "stylegan2", "affine_no_torgb")),
            ("stylegan1", phi_parameters(one, "stylegan1", "affine")),
        )
    }
    assert count["affine"] == (34, 4_202_496)
    assert count["no colour"] == (22, 2_757_888)
    assert count["stylegan1"] == (24, 4_990_464)
    with pytest.raises(ConfigError, match="no affine map of their own"):
        phi_parameters(one, "stylegan1", "affine_no_torgb")


def test_ale_forward() -> None:
    ale = fill(ALE(2048, 512, 512), equalised=lambda name: False).double()
    with torch.no_grad():
        codes = ale(pat((2, 2048, 16, 16), 0.21).double())
    expected = [0.004595, 0.074201, 0.352670, 0.008569, 0.085059]
    assert summary(codes) == pytest.approx(expected, abs=EXACT)


def test_the_global_average_is_spread_over_the_pyramid_as_bilinear_does() -> None:
    encoder = Encoder(2, 8, side=64, width=4, depths=(1, 1, 1, 1), lateral=4).eval()
    with torch.no_grad():
        maps = encoder.resnet(encoder.enlarged(torch.rand(2, 3, 16, 16)))
        pyramid = encoder.pyramid(maps)
        every = (maps.c3, maps.c4, maps.c5, maps.c5.mean((2, 3), keepdim=True))
        expected = [
            nn.functional.interpolate(lateral(x), (8, 8), mode="bilinear", align_corners=False)
            for lateral, x in zip(encoder.laterals, every, strict=True)
        ]
    torch.testing.assert_close(pyramid, torch.cat(expected, 1))


# -- ISTN -------------------------------------------------------------------------------------------


def aligner(channels: int = 3) -> ISTN:
    torch.manual_seed(3)
    return ISTN(channels)


def test_a_fresh_aligner_changes_nothing() -> None:
    # Of range 1: float32 coordinates are off by up to 6e-6 pixels, times what neighbours differ by.
    x = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(aligner()(x), x, rtol=0, atol=1e-5)


def test_an_aligner_shifts_what_its_bias_says() -> None:
    istn, x = aligner(), torch.rand(2, 3, 128, 128)
    with torch.no_grad():
        istn.fc2.bias.copy_(torch.tensor([1, 0, 0.25, 0, 1, 0]))
        out = istn(x)
    columns = (torch.arange(128) + 16).clamp(max=127)
    torch.testing.assert_close(out, x[..., columns], rtol=0, atol=2e-5)


def test_the_transform_does_not_see_gain_and_offset_of_channels() -> None:
    istn, x = aligner(), torch.rand(2, 3, 128, 128)
    nn.init.normal_(istn.fc2.weight)
    gain, offset = torch.tensor([0.5, 2.0, 1.3]), torch.tensor([-1.0, 0.4, 3.0])
    restyled = x * gain.view(3, 1, 1) + offset.view(3, 1, 1)
    with torch.no_grad():
        theta = istn.theta(x)
        torch.testing.assert_close(istn.theta(restyled), theta, rtol=0, atol=1e-4)
        assert (theta - aligner().theta(x)).abs().max() > 0.1  # it does see something
        assert (istn.theta(x.flip(3)) - theta).abs().max() > 0.01


# -- Eqs. 2 and 6 -----------------------------------------------------------------------------------


def test_the_latent_rule() -> None:
    encoded = torch.full((2, 12, 4), 0.5)
    rule = LatentRule(torch.ones(4), torch.full((4,), 2.0))
    assert torch.equal(rule(encoded), torch.full((2, 12, 4), 2.0))
    direct = LatentRule(torch.ones(4), torch.full((4,), 2.0), offset=False)
    assert torch.equal(direct(encoded), encoded)


def test_source_codes_share_their_draw_over_layers_or_not() -> None:
    rule = LatentRule(torch.full((64,), 3.0), torch.full((64,), 0.5))
    rng = torch.Generator().manual_seed(0)
    shared = rule.gaussian(200, 12, "shared", rng)
    assert torch.equal(shared, shared[:, :1].expand(-1, 12, -1))
    own = rule.gaussian(200, 12, "per_layer", rng)
    assert not torch.equal(own[:, 0], own[:, 1])
    for codes in (shared, own):
        assert codes.shape == (200, 12, 64)
        assert float(codes.mean()) == pytest.approx(3, abs=0.02)
        assert float(codes.std()) == pytest.approx(0.5, abs=0.02)


def test_mixing() -> None:
    ones, threes = torch.ones(2, 3, 4), torch.full((2, 3, 4), 3.0)
    mixed = mix(ones, threes, torch.tensor([0.3, 0.0, 1.0]))
    assert mixed[:, 0].flatten().tolist() == pytest.approx([1.6] * 8)
    target, source = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    assert torch.equal(mix(target, source, torch.zeros(3)), target)
    assert torch.equal(mix(target, source, torch.ones(3)), source)


# -- losses -----------------------------------------------------------------------------------------


def test_distances() -> None:
    x = torch.zeros(2, 3, 128, 128)
    assert float(distance(x + 0.1, x)) == pytest.approx(0.01, rel=1e-5)
    assert float(distance(x + 0.1, x, "l2")) == pytest.approx(22.1702504, rel=5e-5)  # float32 sums
    features = {"a": x, "b": x[:, :, :8, :8]}
    shifted = {"a": x + 0.1, "b": x[:, :, :8, :8] + 0.2}
    assert float(feature_distance(shifted, features)) == pytest.approx(0.01 + 0.04, rel=1e-5)


def test_style_is_mean_and_spread_of_channels() -> None:
    def style(x: Tensor) -> float:
        return float(style_distance(statistics({"one": x}), statistics({"one": other})))

    other = torch.ones(1, 2, 4, 4)
    assert style(torch.full((1, 2, 4, 4), 2.0)) == 1.0
    rows = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
    other = torch.tensor([2.0, 6.0]).view(1, 1, 1, 2)
    assert style(rows) == pytest.approx(4 + 1)
    assert style(other) == 0.0
    assert style(other.flip(3)) == 0.0  # places do not count


def test_the_gradient_of_a_flat_channels_spread_is_finite() -> None:
    flat = torch.zeros(1, 1, 4, 4, requires_grad=True)
    style_distance(
        statistics({"one": flat}), statistics({"one": torch.rand(1, 1, 4, 4)})
    ).backward()
    assert flat.grad is not None and flat.grad.isfinite().all()


def test_stand_in_features_are_vggs_plan() -> None:
    before = torch.get_rng_state()
    network = RandomFeatures()
    assert torch.equal(torch.get_rng_state(), before)
    found = network(torch.rand(2, 3, 64, 64))
    sides = {name: (x.shape[1], x.shape[2]) for name, x in found.items()}
    assert sides == dict(zip(LAYERS, [(16, 64), (32, 32), (64, 16), (128, 8)], strict=True))
    assert network.state_dict() == {} and not list(network.parameters())


# -- the whole --------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["stylegan2", "stylegan1"])
def test_super_resolve_is_the_prior_at_the_rules_codes(family: str) -> None:
    method = build(family=family).eval()
    lr = faces()["lr"]
    synthesis = method.prior.network.synthesis
    with torch.no_grad():
        sr = method.super_resolve(lr)
        offsets = method.nets.E(lr * 2 - 1)
        ws = method.nets.rule.mu + offsets * method.nets.rule.sigma
        noise = "const" if family == "stylegan2" else "none"
        expected = ((synthesis(ws, noise) + 1) / 2).clamp(0, 1)
    assert offsets.shape == (4, 8, 16)
    assert sr.shape == (4, 3, HR, HR) and float(sr.min()) >= 0 and float(sr.max()) <= 1
    torch.testing.assert_close(sr, expected)
    assert len(method.inference_modules()) == 2


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="32 pixels, the data 64"):
        DAPFSR(prior=small_prior(), hr_size=64)
    with pytest.raises(ConfigError, match=r"method\.hr_size=64"):
        build().check_sizes((LR * 2, LR * 2), (64, 64))
    with pytest.raises(ConfigError, match="at least 64 with three ISTNs"):
        Encoder(4, 8, side=32)
    with pytest.raises(ConfigError, match="features=none leaves no style"):
        build(features="none")
