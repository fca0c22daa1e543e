"""The band around recorded curves, and whether another curve stays inside.

At each point the band is the mean of the seeds, give or take ``SPREADS`` standard deviations, or the
statistic's floor where seeds agree by chance. Three seeds alone would give a poor deviation, so
that of all points together is used where it is the larger.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.bands.curve import Curve
from facesr_bench.bands.plan import Plan, Statistic
from facesr_bench.errors import ConfigError

SPREADS = 4.0

MEANINGS = {
    "error": "error of held-out faces",
    "mean_face": "distance of the mean face from the true one",
    "spread": "variety of the faces made",
    "movement": "distance the weights have travelled",
    "average_gap": "distance between the network and its average",
}


@dataclass(frozen=True)
class Band:
    """Limits of one statistic, in its own unit.

    Attributes:
        statistic: whose.
        images: images seen at each point.
        low: lowest value allowed at each point; nothing is asked of points where a phase lacks it.
        high: highest.
        seeds: how many curves it was made of.
    """

    statistic: Statistic
    images: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int


def band_of(statistic: Statistic, curves: Sequence[Curve]) -> Band:
    """The band of one statistic around curves of several seeds.

    Raises:
        ConfigError: fewer than two curves, or curves that were not traced at the same points.
    """
    if len(curves) < 2 or len({curve.images for curve in curves}) != 1:
        raise ConfigError("A band needs two or more curves with the same points.")
    scaled = np.array([_scaled(statistic, curve) for curve in curves])
    there = np.isfinite(scaled).all(0)
    if not there.any():
        raise ConfigError(f"No point of the recorded curves has a finite {statistic.name}.")
    middle = scaled.mean(0)
    variance = scaled.var(0, ddof=1)
    deviation = np.sqrt(np.maximum(variance, variance[there].mean()))
    half = np.maximum(SPREADS * deviation * math.sqrt(1 + 1 / len(curves)), statistic.floor)
    low, high = np.where(there, middle - half, -np.inf), np.where(there, middle + half, np.inf)
    if statistic.log:
        low, high = np.exp(low), np.exp(high)
    return Band(statistic, curves[0].images, tuple(low.tolist()), tuple(high.tolist()), len(curves))


def judge(plan: Plan, recorded: Sequence[Curve], fresh: Curve) -> list[str]:
    """Sentences about every statistic that leaves its band; none if the curve is as recorded.

    A statistic is reported once, where it is furthest outside.
    """
    if fresh.images != recorded[0].images:
        return [
            f"{plan.method}: the curve has its points at {_listed(fresh.images)} images, the recorded "
            f"ones at {_listed(recorded[0].images)}: batches or phases have changed."
        ]
    found = [_outside(plan.method, band_of(s, recorded), fresh) for s in plan.statistics]
    return [sentence for sentence in found if sentence is not None]


def _outside(method: str, band: Band, fresh: Curve) -> str | None:
    statistic, values = band.statistic, fresh.values.get(band.statistic.name)
    judged = np.isfinite(_measure(statistic, band.high))
    if values is None or not np.isfinite(np.asarray(values)[judged]).all():
        return f"{method}: {statistic.name} is missing or not finite."
    low, high, own = (_measure(statistic, x) for x in (band.low, band.high, values))
    beyond = np.where(judged, np.maximum(low - own, own - high), -np.inf)
    worst = int(beyond.argmax())
    if beyond[worst] <= 0:
        return None
    value = values[worst]
    above = value > band.high[worst]
    name = statistic.name
    meaning = MEANINGS.get(name, f"training loss {name.removeprefix('loss.')}")
    said = ""
    if statistic.lower_is_better:
        said = ": it learns more slowly" if above else ": it learns suspiciously fast"
    count = int((beyond > 0).sum())
    return (
        f"{method}: at {band.images[worst]} images the {meaning} is {value:.4g}, "
        f"{'above' if above else 'below'} the band from {band.low[worst]:.4g} to "
        f"{band.high[worst]:.4g} of {band.seeds} seeds ({count} of {judged.sum()} points are outside)"
        f"{said}."
    )


def _scaled(statistic: Statistic, curve: Curve) -> NDArray[np.float64]:
    if statistic.name not in curve.values:
        raise ConfigError(f"The recorded curve of seed {curve.seed} lacks {statistic.name}.")
    return _measure(statistic, curve.values[statistic.name])


def _measure(statistic: Statistic, values: Sequence[float]) -> NDArray[np.float64]:
    found = np.asarray(values, np.float64)
    if not statistic.log:
        return found
    if (found < 0).any():
        raise ConfigError(f"{statistic.name} is not positive everywhere; judge it with log: false.")
    with np.errstate(divide="ignore"):
        return np.log(found)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
