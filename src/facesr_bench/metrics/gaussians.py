"""Sets of features as Gaussians, and what is left of them without one group of images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError

Features = NDArray[Any]
"""(n, d), float32 or float64; a memory map will do."""
Floats = NDArray[np.float64]
Groups = NDArray[np.int64]

NOBODY = -1
"""The group that no row belongs to: nothing is left out."""

_BLOCK_ROWS = 2048


@dataclass(frozen=True)
class Statistics:
    """A Gaussian fitted to features.

    Attributes:
        mean: (d,).
        covariance: (d, d), unbiased.
        count: images behind it; None where the file they came in does not say.
    """

    mean: Floats
    covariance: Floats
    count: int | None


def statistics(features: Features) -> Statistics:
    """Mean and unbiased covariance in float64, whatever the features' type; a block at a time.

    Raises:
        DataError: fewer than two rows, or values that are not finite.
    """
    mean, scatter = _scatter(features)
    return Statistics(mean, scatter / (len(features) - 1), len(features))


class FewRows:
    """A set of fewer images than dimensions, as centred rows in float64."""

    def __init__(self, features: Features, groups: Groups) -> None:
        rows = features.astype(np.float64)
        _check_finite(rows)
        self.centre = rows.mean(axis=0)
        rows -= self.centre
        self.rows = rows
        self.groups = groups
        self._squares = np.einsum("ij,ij->i", rows, rows)

    def moments(self, keep: NDArray[np.bool_]) -> tuple[Floats, float]:
        """Mean and trace of the covariance of some rows."""
        number = int(keep.sum())
        _check_count(number)
        shift = keep @ self.rows / number
        return self.centre + shift, float(
            (self._squares[keep].sum() - number * (shift @ shift)) / (number - 1)
        )

    def factor_without(self, group: int) -> tuple[Floats, Floats]:
        """Mean, and F (n', d) with F'F the covariance."""
        rows = self.rows[self.groups != group]
        _check_count(len(rows))
        shift = rows.mean(axis=0)
        rows -= shift
        rows /= np.sqrt(len(rows) - 1.0)
        return self.centre + shift, rows


class ManyRows:
    """A set of at least as many images as dimensions: its scatter matrix, less that of a group."""

    def __init__(self, features: Features, groups: Groups) -> None:
        self.features = features
        self.groups = groups
        self.mean, self.scatter = _scatter(features)

    def without(self, group: int) -> Statistics:
        """Statistics of the rows of all other groups."""
        if group == NOBODY:
            count = len(self.features)
            return Statistics(self.mean, self.scatter / (count - 1), count)
        dropped = self.features[self.groups == group].astype(np.float64)
        count = len(self.features) - len(dropped)
        _check_count(count)
        dropped -= self.mean
        total = dropped.sum(axis=0)  # the rows that stay sum to minus this
        covariance = self.scatter - dropped.T @ dropped
        covariance -= np.outer(total, total) / count
        covariance /= count - 1
        return Statistics(self.mean - total / count, covariance, count)

    def factor_without(self, group: int) -> tuple[Floats, Floats]:
        """Mean, and F (d, d) with F'F the covariance."""
        statistic = self.without(group)
        return statistic.mean, _factor(statistic.covariance)


class Fixed:
    """Statistics whose images are gone: nothing can be left out of them."""

    def __init__(self, fitted: Statistics) -> None:
        self.statistics = fitted
        self._factor: Floats | None = None

    def without(self, group: int) -> Statistics:
        """The statistics as they are."""
        return self.statistics

    def factor_without(self, group: int) -> tuple[Floats, Floats]:
        """Mean, and F (d, d) with F'F the covariance, computed once."""
        if self._factor is None:
            self._factor = _factor(self.statistics.covariance)
        return self.statistics.mean, self._factor


def side_of(side: Features | Statistics, groups: Groups) -> FewRows | ManyRows | Fixed:
    """Hold a set in the form its size asks for."""
    if isinstance(side, Statistics):
        _check_finite(side.mean)
        _check_finite(side.covariance)
        return Fixed(side)
    _check_count(len(side))
    return FewRows(side, groups) if len(side) < side.shape[1] else ManyRows(side, groups)


def _factor(covariance: Floats) -> Floats:
    """F with F'F = S; by eigenvectors where S is singular (a unit that never fires)."""
    try:
        return np.asarray(np.linalg.cholesky(covariance).T)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(np.sqrt(np.clip(values, 0.0, None))[:, None] * vectors.T)


def _scatter(features: Features) -> tuple[Floats, Floats]:
    """Mean (d,) and the sum of outer products about it (d, d)."""
    _check_count(len(features))
    starts = range(0, len(features), _BLOCK_ROWS)
    blocks = [slice(start, start + _BLOCK_ROWS) for start in starts]
    total = np.zeros(features.shape[1])
    for block in blocks:
        total += features[block].sum(axis=0, dtype=np.float64)
    _check_finite(total)
    mean = total / len(features)
    scatter = np.zeros((features.shape[1], features.shape[1]))
    for block in blocks:
        rows = features[block] - mean  # float64, as the mean is
        scatter += rows.T @ rows
    return mean, scatter


def _check_count(number: int) -> None:
    if number < 2:
        raise DataError(
            "A covariance needs at least two images on each side, but there "
            f"{'is one' if number else 'are none'}."
        )


def _check_finite(values: Floats) -> None:
    if not np.isfinite(values).all():
        raise DataError(
            "Features are not finite; the network's weights or the reference's file are damaged."
        )
