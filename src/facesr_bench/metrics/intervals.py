"""Confidence intervals: the bootstrap of a mean, the group jackknife of a distance between sets.

Only NumPy is needed here, so that tables and web pages can compare finished runs without PyTorch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import ConfigError

Floats = NDArray[np.float64]
IntervalKind = Literal["bootstrap", "jackknife"]
_CACHED_COUNTS = 2**27  # bytes; 10,000 replicates of 13,000 images
_CHUNK_ELEMENTS = 2**22


@dataclass(frozen=True)
class Interval:
    """Standard error, 95 % interval, and how both were made.

    Attributes:
        units: what was resampled or left out, and how many: "80 people and 500 images", "20 groups of
            images".
    """

    se: float
    ci95: tuple[float, float]
    kind: IntervalKind
    units: str


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a - b over the same images.

    Attributes:
        value: the mean difference.
        ci95: percentile interval; None with fewer than two units to resample.
        p: two-sided bootstrap p-value of "no difference"; None likewise.
        n: images compared.
    """

    value: float
    ci95: tuple[float, float] | None
    p: float | None
    n: int


@dataclass(frozen=True)
class Intervals:
    """How all intervals of a run are made.

    The bootstrap counts follow from (seed, replicates, number of units) alone. All metrics over the
    same images therefore share them, which makes differences between methods paired for nothing.

    Attributes:
        seed: of the bootstrap and of the jackknife's groups.
        replicates: of the bootstrap; 0 for none.
        groups: of the jackknife; 1 for none.
        identities: image key to person, where known. People are resampled then, not images: photos
            of one person are not independent. An image of nobody known stands for itself.
    """

    seed: int = 2020
    replicates: int = 10_000
    groups: int = 20
    identities: Mapping[str, str] = field(default_factory=dict)

    def units(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """For each image the number of the unit (person, or image) that is resampled with it."""
        numbers: dict[tuple[str, str], int] = {}
        names = [
            ("identity", self.identities[key]) if key in self.identities else ("image", key)
            for key in keys
        ]
        return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)

    def mean_replicates(self, keys: Sequence[str], values: Floats) -> Floats:
        """Bootstrap replicates of the mean.

        Args:
            keys: sorted keys of the images (n).
            values: (n,); a value that is not finite counts for nothing.

        Returns:
            (replicates,), without those that drew no finite value at all.
        """
        finite = np.isfinite(values)
        units = self.units(keys)
        number = int(units.max(initial=-1)) + 1
        # A unit drawn c times brings c times its sum and c times its number of images.
        sums = np.bincount(units, np.where(finite, values, 0.0), number)
        sizes = np.bincount(units, finite.astype(np.float64), number)
        table = np.stack([sums, sizes], axis=1)
        parts = [counts @ table for counts in _counts(self.seed, self.replicates, number)]
        totals = np.concatenate(parts) if parts else np.empty((0, 2))
        drawn = totals[:, 1] > 0
        return np.asarray(totals[drawn, 0] / totals[drawn, 1])

    def mean(self, keys: Sequence[str], values: Floats) -> Interval | None:
        """Percentile bootstrap interval; None with fewer than two units or replicates."""
        counted = [key for key, good in zip(keys, np.isfinite(values), strict=True) if good]
        number = len(np.unique(self.units(counted)))
        if self.replicates < 2 or number < 2:
            return None
        return self._bootstrap(self.mean_replicates(keys, values), counted, number)

    def mean_of_means(self, sets: Sequence[Mapping[str, float]]) -> Interval | None:
        """Interval of a mean over sets (conditions, repetitions) of each set's mean over its images.

        Whoever is drawn is drawn in every set: sets that show the same people are no new evidence.

        Args:
            sets: image key to score each; a score that is not finite counts for nothing.

        Returns:
            None with fewer than two units, or where half of the replicates leave a set empty.
        """
        finite = [{k: v for k, v in one.items() if np.isfinite(v)} for one in sets]
        keys = sorted({key for one in finite for key in one})
        unit = dict(zip(keys, self.units(keys).tolist(), strict=True))
        number = len(set(unit.values()))
        if self.replicates < 2 or number < 2:
            return None
        sums, sizes = np.zeros((number, len(sets))), np.zeros((number, len(sets)))
        for column, one in enumerate(finite):
            for key, value in one.items():
                sums[unit[key], column] += value
                sizes[unit[key], column] += 1
        means = []
        for counts in _counts(self.seed, self.replicates, number):
            drawn = counts @ sizes
            whole = (drawn > 0).all(axis=1)
            means.append(((counts @ sums)[whole] / drawn[whole]).mean(axis=1))
        replicates = np.concatenate(means)
        if len(replicates) <= self.replicates / 2:
            return None
        return self._bootstrap(replicates, keys, number)

    def _bootstrap(self, replicates: Floats, keys: Sequence[str], number: int) -> Interval:
        se = float(np.std(replicates, ddof=1))
        people = len({self.identities[key] for key in keys if key in self.identities})
        told = [f"{people} people"] if people else []
        others = number - people
        told += [f"{others} image{'s' * (others > 1)}"] if others else []
        return Interval(se, _percentiles(replicates), "bootstrap", " and ".join(told))

    def of_means(
        self, keys: Sequence[str], values: Floats
    ) -> list[tuple[float, float] | tuple[None, None]]:
        """Percentile intervals of many means over the same images, from one draw of the units.

        Each equals what :meth:`mean` gives for its column alone.

        Args:
            keys: sorted keys of the images (n).
            values: (n, columns); a value that is not finite counts for nothing.

        Returns:
            Lower and upper end of each column; None with fewer than two units or replicates.
        """
        finite = np.isfinite(values)
        units = self.units(keys)
        number, columns = int(units.max(initial=-1)) + 1, values.shape[1]
        sums, sizes = np.zeros((number, columns)), np.zeros((number, columns))
        np.add.at(sums, units, np.where(finite, values, 0.0))
        np.add.at(sizes, units, finite.astype(np.float64))
        if self.replicates < 2 or number < 2:
            return [(None, None)] * columns
        table = np.concatenate([sums, sizes], axis=1)
        totals = np.concatenate([c @ table for c in _counts(self.seed, self.replicates, number)])
        found: list[tuple[float, float] | tuple[None, None]] = []
        for column in range(columns):
            drawn = totals[:, columns + column] > 0
            enough = np.count_nonzero(sizes[:, column]) > 1
            ratio = totals[drawn, column] / totals[drawn, columns + column]
            found.append(_percentiles(ratio) if enough else (None, None))
        return found

    def group_labels(self, number: int) -> NDArray[np.int64]:
        """Jackknife group of each image in key order; sizes differ by at most one.

        Small sets have one group per image.
        """
        groups = min(self.groups, number)
        labels = np.empty(number, dtype=np.int64)
        labels[np.random.default_rng(self.seed).permutation(number)] = np.arange(number) % groups
        return labels

    def jackknife(self, value: float, replicates: Floats) -> Interval | None:
        """Interval from leave-one-group-out values: value +- 1.96 se, without bias correction."""
        groups = len(replicates)
        if groups < 2:
            return None
        spread = float(np.sum((replicates - np.mean(replicates)) ** 2))
        se = float(np.sqrt((groups - 1) / groups * spread))
        ends = (value - 1.96 * se, value + 1.96 * se)
        return Interval(se, ends, "jackknife", f"{groups} groups of images")


def paired_difference(
    a: Mapping[str, float], b: Mapping[str, float], intervals: Intervals
) -> PairedDifference:
    """Compare two methods on the same images; images without a finite value in both are left out.

    Args:
        a: image key to score.
        b: image key to score of the other method.
        intervals: seed, replicates and identities.

    Raises:
        ConfigError: the two do not cover the same images, or share no finite value.
    """
    if a.keys() != b.keys():
        only = sorted(a.keys() ^ b.keys())
        raise ConfigError(
            f"Only scores of the same images can be paired; {len(only)} images, such as "
            f"{only[0]!r}, were scored in one run only."
        )
    keys = sorted(a)
    differences = np.array([a[key] - b[key] for key in keys], dtype=np.float64)
    counted = differences[np.isfinite(differences)]
    if not len(counted):
        raise ConfigError("The two runs share no image with a finite value in both.")
    value = float(np.mean(counted))
    if intervals.mean(keys, differences) is None:
        return PairedDifference(value, None, None, len(counted))
    replicates = intervals.mean_replicates(keys, differences)
    # One replicate is added on the far side, so that p is never zero (Davison & Hinkley 1997, 4.2).
    tail = 1 + min(int(np.sum(replicates <= 0)), int(np.sum(replicates >= 0)))
    p = min(1.0, 2 * tail / (len(replicates) + 1))
    return PairedDifference(value, _percentiles(replicates), p, len(counted))


def _percentiles(replicates: Floats) -> tuple[float, float]:
    low, high = np.quantile(replicates, [0.025, 0.975])
    return float(low), float(high)


def _counts(seed: int, replicates: int, units: int) -> Iterator[Floats]:
    """How often each unit is drawn in each replicate, (rows, units) at a time."""
    small = replicates * units <= _CACHED_COUNTS
    source = _cached_counts(seed, replicates, units) if small else _draw(seed, replicates, units)
    for chunk in source:
        yield chunk.astype(np.float64)


@lru_cache(maxsize=1)
def _cached_counts(seed: int, replicates: int, units: int) -> tuple[NDArray[np.uint8], ...]:
    return tuple(_draw(seed, replicates, units))


def _draw(seed: int, replicates: int, units: int) -> Iterator[NDArray[np.uint8]]:
    if units == 0:
        return
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK_ELEMENTS // units)
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        # A unit is drawn about once; 255 times never happens among two or more units that matter.
        yield rng.multinomial(units, np.full(units, 1 / units), size=rows).astype(np.uint8)
