"""PULSE's parts against the numbers of the specification (its section 10)."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu
from torch.optim import SGD, Adam

from facesr_bench.errors import ConfigError
from facesr_bench.methods.pulse.downscale import BicubicDownSample
from facesr_bench.methods.pulse.latent_map import GaussianCodes, Unactivate
from facesr_bench.methods.pulse.losses import Loss, geocross, l1, l2
from facesr_bench.methods.pulse.schedule import multiplier
from facesr_bench.methods.pulse.variables import Spheres

BASIS = torch.eye(512, dtype=torch.float64)[None, :18]
WAVE = torch.arange(9216, dtype=torch.float64)
WAVE = (0.01 * WAVE**2 + 0.3 * WAVE).sin().float().double().view(1, 18, 512)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear1cycledrop", {0: 0.04, 1: 0.048, 25: 0.24, 45: 0.4, 80: 0.12, 89: 0.048, 90: 0.04,
                              95: 0.0202, 99: 0.00436}),
        ("linear1cycle", {0: 0.04, 25: 0.22, 50: 0.4, 99: 0.0472}),
        ("fixed", {0: 0.4, 99: 0.4}),
    ],
)  # fmt: skip
def test_the_learning_rate(schedule: str, expected: dict[int, float]) -> None:
    found = {step: 0.4 * multiplier(schedule, step, 100) for step in expected}
    assert found == pytest.approx(expected, rel=1e-9)


def test_geocross() -> None:
    paper = (math.pi / 2) ** 2 * 512 * 306 / 324 / 8
    assert geocross(BASIS).item() == pytest.approx(149.14067, rel=1e-6)
    assert geocross(BASIS).item() == pytest.approx(paper, rel=1e-6)
    same = BASIS[:, :1].expand(1, 18, 512)
    assert geocross(same).item() < 1e-7
    opposite = torch.cat([same[:, :9], -same[:, :9]], 1)
    assert geocross(opposite).item() == pytest.approx(315.8210, rel=1e-6)
    assert geocross(WAVE).item() == pytest.approx(149.73695, rel=1e-6)
    assert geocross(torch.cat([WAVE, BASIS])).sum().item() == pytest.approx(298.87762, rel=1e-6)


def constant(value: float) -> Tensor:
    return torch.full((1, 3, 16, 16), value)


def test_l2_and_l1_of_constants() -> None:
    half, eps = constant(0.5), 2e-3
    assert l2(constant(0.6), half, eps).item() == pytest.approx(0.01, rel=1e-5)
    assert l2(constant(0.51), half, eps).item() == pytest.approx(0.002, rel=1e-6)
    assert l1(constant(0.6), half, eps).item() == pytest.approx(1.0, rel=1e-5)


def test_eps_bounds_the_mean_and_not_each_pixel() -> None:
    """Half of the pixels are right, half are off by 0.1: a mean square of 0.005."""
    x, y = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    y[:, :, :2] = 0.1
    assert l2(y, x, 2e-3).item() == pytest.approx(0.005)
    assert l2(y, x, 6e-3).item() == pytest.approx(0.006)
    assert l1(y, x, 2e-3).item() == pytest.approx(10 * 0.05)
    assert l1(y, x, 6e-2).item() == pytest.approx(10 * 0.06)


def test_a_sample_within_eps_gets_no_gradient_from_l2_and_its_neighbour_its_own() -> None:
    y = torch.cat([constant(0.51), constant(0.6)]).requires_grad_()
    l2(y, torch.cat([constant(0.5)] * 2), 2e-3).sum().backward()
    assert y.grad is not None and not y.grad[0].any() and y.grad[1].all()
    alone = constant(0.6).requires_grad_()
    l2(alone, constant(0.5), 2e-3).sum().backward()
    torch.testing.assert_close(y.grad[1:], alone.grad)


def test_the_loss_string() -> None:
    y, x = constant(0.6), constant(0.5)
    assert Loss.parse("100*L2+0.05*GEOCROSS", 2e-3)(y, x, BASIS).item() == pytest.approx(
        1 + 0.05 * 149.14067, rel=1e-5
    )
    assert Loss.parse(" 1e+2*L1 + .5*L2", 2e-3)(y, x, BASIS).item() == pytest.approx(
        100 + 0.5 * 0.01, rel=1e-5
    )
    for wrong in ("", "L2", "100*L3", "100*L2+", "100L2", "100*L2-1*L1", "x*L2"):
        with pytest.raises(ConfigError, match="sum of weight"):
            Loss.parse(wrong, 2e-3)


def test_the_bicubic_operator() -> None:
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    image = torch.stack([(7 * y + 3 * x) % 11, (y * x) % 13, (y + 2 * x) % 5])[None].double() / 13
    small = BicubicDownSample(32, 4).double()(image)
    assert small.mean().item() == pytest.approx(0.31924614, abs=1e-6)
    assert small[0, :, 0, 0].tolist() == pytest.approx([0.4150905, 0.1865781, 0.1540694], abs=1e-6)
    assert small[0, :, 3, 5].tolist() == pytest.approx([0.3846154, 0.3827789, 0.1538077], abs=1e-6)
    taps = BicubicDownSample(64, 2).matrix[16]
    inner = taps[taps != 0]
    assert inner[:4].tolist() == pytest.approx([-0.01171875, -0.03515625, 0.11328125, 0.43359375])
    assert len(inner) == 8 and inner.sum().item() == pytest.approx(1)
    taps = BicubicDownSample(64, 4).matrix[8]
    assert (taps.max().item(), taps.min().item()) == pytest.approx((0.240966797, -0.018310547))
    taps = BicubicDownSample(1024, 64).matrix[8]
    assert taps.max().item() == pytest.approx(0.015622627) and (taps != 0).sum() == 256
    corner = image[..., :8, :8].float()
    torch.testing.assert_close(BicubicDownSample(8, 1)(corner), corner)
    with pytest.raises(ConfigError, match="reflects 24 pixels"):
        BicubicDownSample(16, 16)


def test_a_step_returns_to_the_sphere() -> None:
    p = torch.tensor([3.0, 4.0]).view(1, 1, 2).requires_grad_()
    spheres, sgd = Spheres([p]), SGD([p], lr=1.0)
    p.grad = torch.tensor([3.0, 0.0]).view(1, 1, 2)
    sgd.step()
    spheres.project()
    assert p.flatten().tolist() == pytest.approx([0, 5], abs=1e-6)


def test_radii_stay() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 18, 512), (2, 1, 4, 4), (2, 1, 16, 16)]
    variables = [torch.randn(s, generator=generator).requires_grad_() for s in shapes]
    before = [v.detach().square().sum(tuple(range(2, v.ndim))).sqrt() for v in variables]
    spheres, adam = Spheres(variables), Adam(variables, lr=0.4)
    for _ in range(3):
        for v in variables:
            v.grad = torch.randn(v.shape, generator=generator)
        adam.step()
        spheres.project()
    after = [v.detach().square().sum(tuple(range(2, v.ndim))).sqrt() for v in variables]
    assert before[0].shape == (2, 18) and before[1].shape == (2, 1)  # one per code, one per map
    assert max((a / b - 1).abs().max().item() for a, b in zip(after, before, strict=True)) < 4e-6


@pytest.mark.parametrize("gain", [1.0, 2**0.5])
def test_the_inverse_of_the_last_activation(gain: float) -> None:
    x = torch.linspace(-3, 3, 50)
    torch.testing.assert_close(Unactivate(gain)(gain * leaky_relu(x, 0.2)), x)
    mean, std = torch.full((50,), 0.3), torch.full((50,), 2.0)
    codes = GaussianCodes(mean, std, gain)(x)
    torch.testing.assert_close(Unactivate(gain)(codes), x * 2 + 0.3)
