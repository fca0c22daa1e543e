"""Numbers of the specification (propulse.md 2, 10): counts, FLOPs, forward values, equations."""

import pytest
import torch
from torch import Tensor, nn

from facesr_bench.cost import count_flops
from facesr_bench.methods.propulse.blocks import RCAB
from facesr_bench.methods.propulse.critic import critic_of
from facesr_bench.methods.propulse.downsampling import LRReduction, area
from facesr_bench.methods.propulse.encoders import BaseEncoder, ScaleEncoder, Stem, head_layout
from facesr_bench.methods.propulse.generator import DeeplySupervisedGenerator
from facesr_bench.methods.propulse.losses import (
    adversarial_loss,
    critic_loss,
    gradient_penalty,
    identity_loss,
    pixel_loss,
    reconstruction_loss,
)
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors.loaded import LoadedPrior
from nets.golden import EXACT, fill, pat, summary


def never(_: str) -> bool:
    return False


def filled(network: nn.Module) -> nn.Module:
    """Ordinary layers throughout."""
    return fill(network, equalised=never, hundredfold=never, about_one=never)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_rcab_and_base_encoder_forward() -> None:
    with torch.no_grad():
        found = summary(filled(RCAB(64)).double()(pat((1, 64, 8, 8), 0.21).double()))
        expected = [0.000023, 0.713271, -0.002417, 0.283034, 0.429504]
        assert found == pytest.approx(expected, abs=EXACT)
        encoder = filled(BaseEncoder(64, 512, 512, None)).double()
        w = encoder(pat((2, 3, 16, 16), 0.37).double())
    assert w.shape == (2, 512)
    expected = [0.032870, 0.629298, -0.826557, 0.473988, 0.546800]
    assert summary(w) == pytest.approx(expected, abs=EXACT)


def test_rcab_is_rcans() -> None:
    """RCAN's block as its authors write it, with our weights copied by name."""

    class CALayer(nn.Module):
        def __init__(self, channel: int, reduction: int = 16) -> None:
            super().__init__()
            self.avg_pool = nn.AdaptiveAvgPool2d(1)
            self.conv_du = nn.Sequential(
                nn.Conv2d(channel, channel // reduction, 1, padding=0, bias=True),
                nn.ReLU(inplace=True),
                nn.Conv2d(channel // reduction, channel, 1, padding=0, bias=True),
                nn.Sigmoid(),
            )

        def forward(self, x: Tensor) -> Tensor:
            return x * self.conv_du(self.avg_pool(x))

    body = nn.Sequential(
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(True), nn.Conv2d(64, 64, 3, padding=1), CALayer(64)
    )
    ours = RCAB(64)
    body.load_state_dict(ours.body.state_dict())
    assert set(ours.state_dict()) == {
        f"body.{layer}.{kind}"
        for layer in ("0", "2", "3.conv_du.0", "3.conv_du.2")
        for kind in ("weight", "bias")
    }
    x = torch.randn(2, 64, 9, 9)
    torch.testing.assert_close(ours(x), body(x) + x)
    assert count(ours) == 74_436


# n_feats: E_W parameters and FLOPs, E_W+ parameters and FLOPs, G + E_W+, the same with branches
TABLE = {
    64: (6_439_840, 1.406e9, 62_738_696, 3.681e9, 1.544e11, 1.685e11),
    128: (8_970_560, 5.381e9, 71_582_224, 1.2497e10, 1.633e11, 1.773e11),
    256: (18_037_888, 2.1145e10, 97_508_384, 4.6548e10, 1.973e11, 2.114e11),
    512: (52_196_096, 8.393e10, 182_317_120, 1.8033e11, 3.311e11, 3.451e11),
}


@pytest.fixture(scope="module")
def generator() -> DeeplySupervisedGenerator:
    with torch.device("meta"):
        return DeeplySupervisedGenerator(LoadedPrior("ffhq", StyleGAN2(1024)))


@pytest.fixture(scope="module")
def generator_flops(generator: DeeplySupervisedGenerator) -> tuple[int, int]:
    ws = torch.zeros(1, 18, 512, device="meta")
    with torch.no_grad():
        return count_flops(lambda: generator(ws, [1024])), count_flops(lambda: generator(ws))


@pytest.mark.parametrize("n_feats", TABLE)
def test_parameters_and_flops(n_feats: int, generator_flops: tuple[int, int]) -> None:
    base_count, base_flops, scale_count, scale_flops, whole, with_branches = TABLE[n_feats]
    alone, deep = generator_flops
    with torch.device("meta"), torch.no_grad():
        base = BaseEncoder(n_feats, 512, 512, None)
        scale = ScaleEncoder(n_feats, 512, 512, head_layout(1024, "scale"), None)
        lr = torch.zeros(1, 3, 16, 16)
        assert base.stem(lr).shape == (1, n_feats, 32, 32)
        assert base(lr).shape == (1, 512)
        assert scale(lr).shape == (1, 18, 512)
        assert (count(base), count(scale)) == (base_count, scale_count)
        assert count_flops(lambda: base(lr)) == pytest.approx(base_flops, rel=2e-4)
        ours = count_flops(lambda: scale(lr))
    assert ours == pytest.approx(scale_flops, rel=2e-4)
    # 0.1 %: this generator enlarges its colour images by interpolation, which is not counted.
    assert alone + ours == pytest.approx(whole, rel=1.5e-3)
    assert deep + ours == pytest.approx(with_branches, rel=1.5e-3)


def test_other_head_layouts() -> None:
    with torch.device("meta"), torch.no_grad():
        lr = torch.zeros(1, 3, 16, 16)
        six = ScaleEncoder(256, 512, 512, head_layout(1024, "stage"), None)
        assert [head.codes for head in six.layout] == [8, 2, 2, 2, 2, 2]
        assert count(six) == 71_499_200
        assert count_flops(lambda: six(lr)) == pytest.approx(3.1146e10, rel=2e-4)
        assert six(lr).shape == (1, 18, 512)
    assert [head.codes for head in head_layout(1024, "scale")] == [2] * 9
    assert [head.codes for head in head_layout(1024, "code")] == [1] * 18


def test_branches(generator: DeeplySupervisedGenerator, generator_flops: tuple[int, int]) -> None:
    counts = {side: count(branch) for side, branch in generator.branches.items()}
    assert counts == {"32": 74_115, "64": 74_115, "128": 41_347, "256": 24_963, "512": 16_771}
    assert sum(counts.values()) == 231_311
    assert generator_flops[1] - generator_flops[0] == pytest.approx(1.40424e10, rel=1e-5)
    with torch.device("meta"):
        assert count(critic_of(LoadedPrior("ffhq", generator.prior))) == 29_012_513


def test_256_wide_rcab_and_a_stem_that_doubles() -> None:
    with torch.device("meta"):
        assert count(RCAB(256)) == 1_188_624
        assert Stem(16)(torch.zeros(1, 3, 16, 16)).shape == (1, 16, 32, 32)


def flat(value: float, side: int) -> Tensor:
    return torch.full((2, 3, side, side), value)


def test_equations() -> None:
    reduce = LRReduction("bicubic_pulse", [32, 64], 16)
    images = {side: flat(0.6, side) for side in (32, 64)}
    # Eq. 6 is the root of the sum over 3 x 16 x 16 values of each image, 0.1 sqrt(768)
    literal = reconstruction_loss(images, flat(0.5, 16), reduce)
    assert literal.item() == pytest.approx(2.7712805, rel=1e-4)
    rec = reconstruction_loss(images, flat(0.5, 16), reduce, "mse")
    assert rec.item() == pytest.approx(0.01, rel=1e-4)
    # of two images 0.1 and 0.3 off it is the mean of their roots, not the root of their mean
    apart = torch.tensor([0.6, 0.8]).view(2, 1, 1, 1)
    uneven = {side: apart.expand(2, 3, side, side) for side in (32, 64)}
    literal = reconstruction_loss(uneven, flat(0.5, 16), reduce)
    assert literal.item() == pytest.approx(2 * 2.7712805, rel=1e-4)

    sides = (32, 64, 128, 256, 512)
    ours, target = ({s: flat(v, s) for s in sides} for v in (0.6, 0.5))
    assert pixel_loss(ours, target).item() == pytest.approx(0.01, rel=1e-4)
    assert pixel_loss(ours, target, "l2").item() == pytest.approx(0.00209741, rel=1e-4)

    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    identity = identity_loss(one, other)
    assert identity.item() == pytest.approx(0.4)
    fake, real = torch.tensor([[0.5], [-1.5]]), torch.tensor([[2.0], [1.0]])
    adversarial = adversarial_loss(fake)
    assert adversarial.item() == pytest.approx(0.5)
    assert critic_loss(real, fake).item() == pytest.approx(-2.0)
    total = 1 * rec + 1 * identity + 0.01 * adversarial
    assert total.item() == pytest.approx(0.415, rel=1e-4)


def test_gradient_penalty_of_a_linear_critic() -> None:
    """D(x) = 0.5 sum(x) over 3x2x2 pixels has a gradient of norm 0.5 sqrt(12) everywhere."""
    real, fake = torch.randn(2, 3, 2, 2), torch.randn(2, 3, 2, 2)
    penalty = gradient_penalty(lambda x: 0.5 * x.sum((1, 2, 3)), real, fake, torch.rand(2, 1, 1, 1))
    assert penalty.item() == pytest.approx((0.5 * 12**0.5 - 1) ** 2, rel=1e-5)


@pytest.mark.parametrize(
    "operator", ["bicubic_pulse", "bicubic_matlab", "bicubic", "bilinear", "area"]
)
def test_the_truth_has_no_reconstruction_loss(operator: str) -> None:
    """L_rec reduces as the data do, at the last side: only their rounding to 8 bits is left."""
    import numpy as np
    from hydra.utils import get_class
    from omegaconf import OmegaConf

    from command_line import ROOT

    config = OmegaConf.load(ROOT / "conf" / "degradation" / f"{operator}.yaml")
    config = OmegaConf.create({"data": {"factor": 4}, "degradation": config})
    settings = dict(OmegaConf.to_container(config, resolve=True)["degradation"])  # type: ignore
    degradation = get_class(settings.pop("_target_"))(**settings)
    hr = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    lr = degradation(hr, np.random.default_rng(0))
    image, small = (
        torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255 * 2 - 1 for x in (hr, lr)
    )
    reduced = LRReduction(operator, [64], 16)(image).clamp(-1, 1)  # type: ignore[arg-type]
    levels = (reduced - small).abs() * 255 / 2
    assert levels.max() <= 1.02  # Pillow rounds to 8 bits after each axis
    cut_off = settings.get("quantise") == "truncate"  # half a level on average, not a quarter
    assert levels.mean() < (0.55 if cut_off else 0.4)


def test_area_is_the_mean() -> None:
    image = torch.randn(1, 3, 64, 64)
    means = area(image, [16, 32])
    torch.testing.assert_close(means[16], nn.functional.avg_pool2d(image, 4))
    torch.testing.assert_close(means[32], nn.functional.avg_pool2d(image, 2))
