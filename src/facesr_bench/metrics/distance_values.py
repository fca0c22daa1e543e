"""From the features of two sets to finished values: Fréchet with its jackknife, KID, their floors."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facesr_bench.metrics import kid
from facesr_bench.metrics.frechet import frechet_distance, frechet_jackknife
from facesr_bench.metrics.gaussians import Features, Statistics
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.reference_halves import Places, bias_ratio
from facesr_bench.metrics.value import MetricValue


@dataclass(frozen=True)
class TwoSets:
    """What is compared.

    Attributes:
        sr: features (n, d) in key order.
        reference: features (m, d) in key order, or what is left of them.
        halves: places in the reference of two halves that share no person; None where it cannot be
            halved.
        settings: all that the distances depend on so far.
    """

    sr: Features
    reference: Features | Statistics
    halves: tuple[Places, Places] | None
    settings: dict[str, Any]

    @property
    def halves_told(self) -> str:
        """The halves in words."""
        one, other = self.halves or ((), ())
        return (
            f"between two halves of the reference, {len(one)} and {len(other)} images, that share no "
            "known person"
        )


def frechet_values(sets: TwoSets, name: str, intervals: Intervals) -> dict[str, MetricValue]:
    """The distance under its name, and its bias-corrected value under ``<name>_jk``.

    The second is left out where there are too few images, or groups, for a jackknife.
    """
    own = len(sets.sr)
    if isinstance(sets.reference, Statistics):
        groups, left_out_of = min(intervals.groups, own), "SR only (reference: statistics alone)"
    else:
        groups, left_out_of = min(intervals.groups, own, len(sets.reference)), "both sets"
    settings = {**sets.settings, "covariance": "unbiased, float64"}
    if groups < 3:  # one of two groups may be a single image
        value = frechet_distance(sets.sr, sets.reference)
        return {name: _with_floor(MetricValue(value, False, own, settings), sets)}
    settings["jackknife"] = {
        "groups": groups,
        "seed": intervals.seed,
        "left_out_of": left_out_of,
    }
    grouping = replace(intervals, groups=groups)
    value, replicates = frechet_jackknife(
        sets.sr,
        sets.reference,
        grouping.group_labels(own),
        None
        if isinstance(sets.reference, Statistics)
        else grouping.group_labels(len(sets.reference)),
    )
    plain = MetricValue(value, False, own, settings, replicates=tuple(replicates.tolist()))
    corrected = groups * value - (groups - 1) * float(np.mean(replicates))
    formula = f"{groups} value - {groups - 1} mean of the leave-one-group-out values"
    unbiased = MetricValue(corrected, False, own, settings | {"bias_correction": formula})
    return {
        name: _with_floor(plain.within(intervals.jackknife(value, replicates)), sets),
        f"{name}_jk": unbiased.within(intervals.jackknife(corrected, replicates)),
    }


def _with_floor(value: MetricValue, sets: TwoSets) -> MetricValue:
    """What real faces never seen would score, at these numbers of images."""
    if sets.halves is None or isinstance(sets.reference, Statistics):
        return value
    one, other = sets.halves
    ratio = bias_ratio(len(sets.sr), len(sets.reference), len(one), len(other))
    half = frechet_distance(sets.reference[one], sets.reference[other])
    power = _decay(sets.reference, one, other, half)
    told = f"{sets.halves_told}; times {ratio:.4g}^{power:.3g}, as it falls from quarters to halves"
    return replace(value, floor=ratio**power * half, floor_is=told)


def _decay(reference: Features, one: Places, other: Places, half: float) -> float:
    """How the distance of equal sets falls with their size: 1 for 1/n, less with fewer than 2 d images.

    From quarters to halves it falls by 2^-power; from halves to the whole set it is taken to do so
    again, which errs on the side of a higher floor.
    """
    if min(len(one), len(other)) < 4 or half <= 0.0:
        return 1.0
    quarters = [
        frechet_distance(reference[one[start::2]], reference[other[start::2]]) for start in (0, 1)
    ]
    return float(np.clip(np.log2(np.mean(quarters) / half), 0.0, 1.0))


def kernel_value(sets: TwoSets, reference: Features, seed: int) -> MetricValue:
    """KID, with the spread of its subsets, which is no interval.

    Args:
        sets: what is compared.
        reference: its reference, which must be features.
        seed: of the subsets.
    """
    found = kid.kernel_distance(sets.sr, reference, seed)
    settings = {
        **sets.settings,
        "kernel": f"polynomial degree 3, gamma 1/{sets.sr.shape[1]}, coef 1, float64",
        "subsets": f"{kid.SUBSETS} of {found.subset_size}",
        "seed": seed,
        "estimate": "unbiased MMD^2, mean over subsets (spread: population std), not multiplied",
    }
    floor = floor_is = None
    if sets.halves is not None and min(map(len, sets.halves)) >= kid.FEWEST:
        one, other = sets.halves
        floor = kid.kernel_distance(reference[one], reference[other], seed).mean
        floor_is = f"{sets.halves_told}; as it is, since the estimate has no bias"
    return MetricValue(
        found.mean,
        False,
        len(sets.sr),
        settings,
        floor=floor,
        floor_is=floor_is,
        spread=found.spread,
    )
