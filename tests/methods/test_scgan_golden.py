"""SCGAN at full size against golden values computed with the official modules (spec section 10)."""

import math
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from facesr_bench.methods.scgan.blocks import GeneratorBlock
from facesr_bench.methods.scgan.checkpoint import official_critic_name
from facesr_bench.methods.scgan.critics import Discriminator
from facesr_bench.methods.scgan.cycle import SemiCycle
from facesr_bench.methods.scgan.losses import (
    WEIGHTS,
    bicubic_up,
    critic_hinge,
    generator_hinge,
    half_objective,
    restoration_objective,
)
from facesr_bench.methods.scgan.networks import Degrader, Restorer
from facesr_bench.methods.scgan.schedule import epoch_at, learning_rate
from facesr_bench.methods.scgan.variants import Switches
from nets.golden import EXACT

M = TypeVar("M", bound=nn.Module)


def pattern(shape: tuple[int, ...], a: float) -> Tensor:
    t = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(a * t + 1e-4 * t * t).float().view(shape)


X16 = pattern((2, 3, 16, 16), 0.37)
X64 = pattern((2, 3, 64, 64), 0.11)
Z = pattern((2, 1, 64), 1.7)
E16, E64, EZ = X16.double(), X64.double(), Z.double()  # for golden values


@torch.no_grad()
def fill(network: M) -> M:
    """The spec's fill: values depend on a parameter's place in the sorted official names."""
    tensors = dict(network.named_parameters())
    rename: Callable[[str], str] = str
    if isinstance(network, Discriminator):
        tensors |= dict(network.named_buffers())  # u and v are parameters in the official code
        rename = official_critic_name
    norms = {
        f"{name}.weight" for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)
    }
    for i, name in enumerate(sorted(tensors, key=rename)):
        p = tensors[name]
        t = torch.arange(p.numel(), dtype=torch.float64)
        y = torch.sin(12.9898 * (t + 1) + 78.233 * (i + 1)) * 43758.5453
        b = (2 * (y - torch.floor(y)) - 1).view(p.shape)
        if name.endswith(("_u", "_v")):
            p.copy_(b / b.norm())
        elif p.ndim > 1:
            p.copy_(b * math.sqrt(1.5 / p[0].numel()))
        else:
            p.copy_(torch.ones_like(b) if name in norms else 0.05 * b)
    return network


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def flops(network: nn.Module, *inputs: Tensor) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*inputs)
    return float(counter.get_total_flops())


@pytest.fixture(scope="module")
def cycle() -> Iterator[SemiCycle]:
    nets = SemiCycle(
        degrader=Degrader,
        restorer=Restorer,
        critic=Discriminator,
        lr_size=16,
        switches=Switches(),
    )
    for network in (nets.D_HL, nets.R_LS, nets.D_SL, *nets.critics.values()):
        fill(network)
    yield nets


def test_parameter_counts(cycle: SemiCycle) -> None:
    buffers = sum(b.numel() for b in cycle.R_LS.buffers())
    assert count(cycle.D_HL) == count(cycle.D_SL) == 12_291_896
    assert (count(cycle.R_LS), count(cycle.R_LS.dead), buffers) == (15_476_323, 12_384, 770)
    assert count(cycle.D_HL) + count(cycle.D_SL) + count(cycle.R_LS) == 40_060_115
    assert sum(count(critic) for critic in cycle.critics.values()) == 61_694_980
    assert count(Degrader()) - count(Degrader(noise="spatial")) == 266_240


@pytest.mark.parametrize(
    ("size", "trainable", "stored"), [(16, 15_390_849, 15_433_632), (64, 15_456_641, 15_499_936)]
)
def test_critic_counts(size: int, trainable: int, stored: int) -> None:
    critic = Discriminator(size)
    assert count(critic) == trainable
    assert sum(t.numel() for t in critic.state_dict().values()) == stored


def test_flops(cycle: SemiCycle) -> None:
    one16, one64, z = X16[:1], X64[:1], Z[:1]
    assert flops(cycle.D_HL, one64, z) == pytest.approx(2.555e9, rel=3e-4)
    assert flops(Restorer().eval(), one16) == pytest.approx(1.0752e10, rel=3e-4)
    assert flops(Discriminator(16), one16) == pytest.approx(2.619e9, rel=3e-4)
    assert flops(Discriminator(64), one64) == pytest.approx(1.0207e10, rel=3e-4)


def test_restorer_forward(cycle: SemiCycle) -> None:
    with torch.no_grad():
        sr = fill(Restorer()).double().eval()(E16)
    assert sr.shape == (2, 3, 64, 64)
    assert sr.mean().item() == pytest.approx(0.0163835, abs=EXACT)
    assert sr.std(correction=0).item() == pytest.approx(0.0446585, abs=EXACT)
    first = [-0.044941, -0.020532, -0.022254, -0.024051]
    assert sr.flatten()[:4].tolist() == pytest.approx(first, abs=EXACT)
    assert sr.flatten()[-1].item() == pytest.approx(0.003791, abs=EXACT)


def test_restorer_without_the_skip_relu_is_another_function() -> None:
    restorer = fill(Restorer(skip_relu=False)).double().eval()
    with torch.no_grad():
        assert restorer(E16).mean().item() == pytest.approx(0.0095635, abs=EXACT)
        restorer.skip_relu = True  # group skips as in the code, block skips without
        assert restorer(E16).mean().item() == pytest.approx(0.0114272, abs=EXACT)


def test_degrader_forward() -> None:
    degrader = fill(Degrader()).double()
    with torch.no_grad():
        lr = degrader(E64, EZ)
        for block in degrader.modules():
            if isinstance(block, GeneratorBlock):
                block.skip_relu = False
        identity_skips = degrader(E64, EZ)
    assert lr.shape == (2, 3, 16, 16)
    assert lr.mean().item() == pytest.approx(-0.0001807, abs=EXACT)
    assert lr.std(correction=0).item() == pytest.approx(0.0100754, abs=EXACT)
    first = [-0.005722, -0.013399, -0.005669, -0.001183]
    assert lr.flatten()[:4].tolist() == pytest.approx(first, abs=EXACT)
    assert identity_skips.mean().item() == pytest.approx(0.0069291, abs=EXACT)


def test_critic_forwards_iterate_the_power_method() -> None:
    small, large = fill(Discriminator(16)).double(), fill(Discriminator(64)).double()
    with torch.no_grad():
        scores = [small(E16).flatten().tolist() for _ in range(2)]
        assert scores[0] == pytest.approx([0.1179217, 0.1161113], abs=EXACT)
        assert scores[1] == pytest.approx([0.0528001, 0.0552609], abs=EXACT)
        assert large(E64).flatten().tolist() == pytest.approx([-0.0383522, -0.0327918], abs=EXACT)


def test_one_training_forward(cycle: SemiCycle) -> None:
    """All losses of a step, without optimiser steps; and `a2` alone stays without gradient."""
    seen = cycle.double().reconstruct(E64, E16, EZ)
    critics = {name: cycle.critic_loss(name, seen) for name in cycle.switches.critics}
    terms: dict[str, Tensor] = {}
    for name in cycle.switches.generators:
        loss, own = cycle.generator_loss(name, seen)
        assert loss is not None
        loss.backward()
        terms |= own
    expected_critics = {"L1": 1.851307, "H1": 2.005724, "L2": 1.851163, "H2": 2.003498}
    assert {name: loss.item() for name, loss in critics.items()} == pytest.approx(
        expected_critics, abs=EXACT
    )
    expected = {
        "pix_s": 0.084812, "adv_s": 0.030812,
        "cyc_S": 0.640462, "adv_S": 0.030938,
        "pix_R": 0.563436, "adv_R": 0.032106,
        "cyc_c": 0.637366, "adv_c": 0.030988,
    }  # fmt: skip
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, abs=EXACT)
    idle = {name for name, p in cycle.named_parameters() if p.grad is None}
    assert idle == {"R_LS.a2.0.weight", "R_LS.a2.0.bias"}


def test_bicubic_target() -> None:
    aligned, not_aligned = bicubic_up(E16, 4), bicubic_up(E16, 4, align_corners=False)
    assert aligned.mean().item() == pytest.approx(0.0060153, abs=EXACT)
    assert aligned.flatten()[:3].tolist() == pytest.approx([0, 0.067393, 0.143296], abs=EXACT)
    assert not_aligned.mean().item() == pytest.approx(0.0008818, abs=EXACT)
    first = [-0.003288, 0.010466, 0.070971]
    assert not_aligned.flatten()[:3].tolist() == pytest.approx(first, abs=EXACT)
    assert (aligned - not_aligned).abs().mean().item() == pytest.approx(0.174, abs=1e-3)


def test_hinge() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.0, 1.0])
    assert critic_hinge(real, fake).item() == pytest.approx(1.8333333)
    assert generator_hinge(fake).item() == pytest.approx(0.3333333)


@pytest.mark.parametrize(
    ("weights", "d_hl", "r_ls"), [("code", 0.215, 0.23475), ("paper", 0.31, 0.306)]
)
def test_mixes(weights: str, d_hl: float, r_ls: float) -> None:
    def half(l1: float, adv: float) -> Tensor:
        value = half_objective(torch.tensor(l1), torch.tensor(adv), WEIGHTS[weights])
        assert value is not None
        return value

    both = restoration_objective(half(0.2, 0.3), half(0.4, -0.1))
    assert both is not None
    assert (half(0.2, 0.3).item(), both.item()) == pytest.approx((d_hl, r_ls))


def test_learning_rate_by_epoch() -> None:
    rates = {1: 1e-4, 2: 9.780e-5, 6: 5.5e-5, 11: 1e-5, 16: 5.5e-5, 21: 1e-4, 191: 1e-5}
    assert {epoch: learning_rate(epoch) for epoch in rates} == pytest.approx(rates, rel=1e-4)
    assert learning_rate(200) == pytest.approx(9.78e-5, rel=1e-4)
    assert learning_rate(11, sched="cosine_restart") == pytest.approx(1e-4)
    assert learning_rate(6, sched="cosine_restart") == pytest.approx(5.5e-5)


def test_learning_rate_is_torchs_scheduler_without_restart() -> None:
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10, eta_min=1e-5)
    for epoch in range(1, 45):
        assert learning_rate(epoch) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)
        optimizer.step()
        scheduler.step()


def test_an_epoch_is_the_number_of_hr_images() -> None:
    seen = [0, 19_999, 20_000, 200 * 20_000 - 1]
    assert [epoch_at(images, 20_000) for images in seen] == [1, 1, 2, 200]


@pytest.mark.parametrize(
    ("loss", "trained"),
    [
        ("pix_s", "D_HL"), ("adv_s", "D_HL"),
        ("cyc_S", "R_LS"), ("adv_S", "R_LS"),
        ("pix_R", "R_LS"), ("adv_R", "R_LS"),
        ("cyc_c", "D_SL"), ("adv_c", "D_SL"),
    ],
)  # fmt: skip
def test_gradient_matrix(loss: str, trained: str) -> None:
    """Section 3: each of the eight losses reaches exactly one generator (and its own critic)."""
    assert gradients_of(loss, "none") == {trained} | critic_of(loss)


@pytest.mark.parametrize(
    ("loss", "trained"),
    [
        ("pix_s", {"D_HL"}), ("adv_s", {"D_HL"}),
        ("cyc_S", {"D_HL", "R_LS"}), ("adv_S", {"D_HL", "R_LS"}),
        ("pix_R", {"R_LS"}), ("adv_R", {"R_LS"}),
        ("cyc_c", {"R_LS", "D_SL"}), ("adv_c", {"R_LS", "D_SL"}),
    ],
)  # fmt: skip
def test_gradient_matrix_of_the_full_cycle(loss: str, trained: set[str]) -> None:
    assert gradients_of(loss, "full") == trained | critic_of(loss)


CRITIC_OF = {"s": "L1", "S": "H1", "c": "L2", "R": "H2"}


def critic_of(loss: str) -> set[str]:
    kind, image = loss.split("_")
    return {f"critics.{CRITIC_OF[image]}"} if kind == "adv" else set()


def gradients_of(loss: str, cycle_grad: str) -> set[str]:
    """Networks that one loss alone reaches, at smoke width."""
    kind, image = loss.split("_")
    torch.manual_seed(0)
    nets = SemiCycle(
        degrader=lambda: Degrader(widths=(8, 8, 16, 32)),
        restorer=lambda: Restorer(widths=(8, 8, 8), depths=(1, 1)),
        critic=lambda size: Discriminator(size, widths=(8,) * 6, hidden=8),
        lr_size=16,
        switches=Switches(cycle_grad=cycle_grad),  # type: ignore[arg-type]
    )
    seen = nets.reconstruct(X64, X16, Z)
    fake = getattr(seen, image)
    if kind == "adv":
        generator_hinge(nets.critics[CRITIC_OF[image]](fake)).backward()
    else:
        targets = {"s": X16, "S": X64, "c": X16, "R": bicubic_up(X16, 4)}
        nn.functional.l1_loss(fake, targets[image]).backward()
    places = ["D_HL", "R_LS", "D_SL", *(f"critics.{name}" for name in nets.critics)]
    return {
        place
        for place in places
        if any(p.grad is not None for p in nets.get_submodule(place).parameters())
    }
