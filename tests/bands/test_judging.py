"""The judge of convergence bands, on made curves."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from facesr_bench.bands.curve import Curve
from facesr_bench.bands.judging import band_of, judge
from facesr_bench.bands.plan import Plan, Statistic
from facesr_bench.bands.recording import Recording, blind_spots
from facesr_bench.errors import ConfigError

IMAGES = (100, 200, 300, 400)
ERROR = Statistic("error", floor=0.02, lower_is_better=True)
LOSS = Statistic("loss.D", floor=0.1, log=False)


def plan(*statistics: Statistic) -> Plan:
    return Plan("toy", (), 400, 4, (1, 2, 3, 4), statistics or (ERROR, LOSS))


def curve(seed: int, bend: Callable[[float], float] = lambda x: x, spread: float = 0.01) -> Curve:
    """An error that falls as training goes on, and a loss about zero; ``bend`` maps images seen."""
    rng = np.random.default_rng(seed)
    noise = 1 + spread * rng.standard_normal(4)
    errors = [float(math.exp(-bend(n) / 200) * x) for n, x in zip(IMAGES, noise, strict=True)]
    losses = (rng.standard_normal(4) * spread).tolist()
    return Curve(seed, IMAGES, {"error": tuple(errors), "loss.D": tuple(losses)}, 1.0)


@pytest.fixture
def recorded() -> list[Curve]:
    return [curve(seed) for seed in (1, 2, 3, 4)]


@pytest.mark.parametrize("seed", range(10, 30))
def test_another_seed_stays_inside(recorded: list[Curve], seed: int) -> None:
    assert judge(plan(), recorded, curve(seed)) == []


def test_slower_and_faster_learning_are_told_apart(recorded: list[Curve]) -> None:
    (slow,) = judge(plan(), recorded, curve(9, lambda n: 0.7 * n))
    assert slow.startswith("toy: at 400 images the error of held-out faces is 0.24")
    assert "above the band from 0.1" in slow
    assert slow.endswith("of 4 seeds (4 of 4 points are outside): it learns more slowly.")
    (fast,) = judge(plan(), recorded, curve(9, lambda n: 1.3 * n))
    assert "below the band" in fast
    assert fast.endswith("it learns suspiciously fast.")


def test_one_point_is_enough(recorded: list[Curve]) -> None:
    late = curve(9, lambda n: n if n < 400 else 350)  # a schedule that ends wrongly
    (said,) = judge(plan(), recorded, late)
    assert "at 400 images" in said
    assert "(1 of 4 points" in said


def test_a_logarithm_makes_the_band_a_share(recorded: list[Curve]) -> None:
    band = band_of(ERROR, recorded)
    shares = [high / low for low, high in zip(band.low, band.high, strict=True)]
    assert max(shares) / min(shares) < 1.1
    assert min(shares) > math.exp(2 * ERROR.floor)


def test_seeds_that_agree_by_chance_leave_the_floor() -> None:
    same = [curve(1, spread=0.0)] * 3
    errors, losses = (band_of(statistic, same) for statistic in (ERROR, LOSS))
    assert [high / low for low, high in zip(errors.low, errors.high, strict=True)] == pytest.approx(
        [math.exp(0.04)] * 4
    )
    assert losses.low == pytest.approx([-0.1] * 4)
    assert losses.high == pytest.approx([0.1] * 4)


def test_a_point_with_more_spread_has_a_wider_band() -> None:
    values = [(1.0, 1.0, 1.0, x) for x in (0.5, 1.0, 2.0)]
    curves = [Curve(n, IMAGES, {"error": v}, 1.0) for n, v in enumerate(values)]
    band = band_of(ERROR, curves)
    widths = [math.log(high / low) for low, high in zip(band.low, band.high, strict=True)]
    assert widths[3] == pytest.approx(2 * widths[0])  # the deviation of one point in four is half


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_leaves_the_band(recorded: list[Curve], value: float) -> None:
    good = curve(9)
    bad = Curve(9, IMAGES, {**good.values, "error": (*good.values["error"][:3], value)}, 1.0)
    assert judge(plan(), recorded, bad) == ["toy: error is missing or not finite."]


def test_a_loss_that_only_later_phases_have_is_judged_there(recorded: list[Curve]) -> None:
    def without_first(curve: Curve) -> Curve:
        losses = (math.nan, *curve.values["loss.D"][1:])
        return Curve(curve.seed, IMAGES, {**curve.values, "loss.D": losses}, 1.0)

    some = [without_first(curve) for curve in recorded]
    assert judge(plan(), some, curve(9)) == []
    assert judge(plan(), some, without_first(curve(9))) == []
    late = Curve(9, IMAGES, {**curve(9).values, "loss.D": (0.0, 0.0, 0.0, 1.0)}, 1.0)
    (said,) = judge(plan(), some, late)
    assert "(1 of 3 points" in said
    assert judge(plan(), recorded, some[0]) == ["toy: loss.D is missing or not finite."]
    nowhere = [Curve(n, IMAGES, {"loss.D": (math.nan,) * 4}, 1.0) for n in (1, 2)]
    with pytest.raises(ConfigError, match="No point of the recorded curves has a finite"):
        band_of(LOSS, nowhere)


def test_a_statistic_that_is_gone_leaves_the_band(recorded: list[Curve]) -> None:
    less = Curve(9, IMAGES, {"error": curve(9).values["error"]}, 1.0)
    assert judge(plan(), recorded, less) == ["toy: loss.D is missing or not finite."]


def test_other_points_are_a_finding_of_their_own(recorded: list[Curve]) -> None:
    good = curve(9)
    (said,) = judge(plan(), recorded, Curve(9, (100, 200, 304, 400), good.values, 1.0))
    assert "100, 200, 304, 400 images" in said
    assert "batches or phases have changed" in said


def test_bands_that_cannot_be_made_are_refused(recorded: list[Curve]) -> None:
    with pytest.raises(ConfigError, match="two or more curves"):
        band_of(ERROR, recorded[:1])
    with pytest.raises(ConfigError, match="seed 1 lacks loss"):
        band_of(Statistic("loss.G", 0.1), recorded)
    with pytest.raises(ConfigError, match=r"not positive everywhere.*log: false"):
        band_of(Statistic("loss.D", 0.1), recorded)


def test_a_band_must_see_its_faults_and_hold_its_seeds(recorded: list[Curve]) -> None:
    seen, unseen = curve(9, lambda n: 0.7 * n), curve(9)
    faults = {"slow": seen, "harmless": unseen}
    (blind,) = blind_spots(plan(), Recording("why", {}, tuple(recorded), faults))
    assert blind.startswith("toy: 'harmless' stays inside")
    odd = curve(5, lambda n: 1.5 * n)
    found = blind_spots(plan(), Recording("why", {}, (*recorded, odd), {}))
    assert any(
        sentence.startswith("Seed 5 leaves the band of the other seeds") for sentence in found
    )


def test_the_half_width_is_four_deviations_of_a_curve_that_is_none_of_the_recorded() -> None:
    """Seeds at 1 and 3: mean 2, unbiased deviation sqrt(2), and the mean itself is of two only."""
    curves = [Curve(seed, (8,), {"x": (value,)}, 1.0) for seed, value in ((1, 1.0), (2, 3.0))]
    band = band_of(Statistic("x", floor=0.0, log=False), curves)
    half = 4 * math.sqrt(2) * math.sqrt(1 + 1 / 2)
    assert band.low == pytest.approx((2 - half,))
    assert band.high == pytest.approx((2 + half,))
