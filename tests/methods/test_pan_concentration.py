"""Fig. 1 of PAN: the ratio of Eq. 1, against a loop over pairs, and its fall with the dimension."""

import math

import numpy as np
import pytest

from facesr_bench.methods.pan.concentration import distance_ratio


def test_it_is_the_equation() -> None:
    points = np.random.default_rng(2020).uniform(size=(40, 3)).astype(np.float32)
    ratios = []
    for i, x in enumerate(points):
        gaps = sorted(math.dist(x, y) for j, y in enumerate(points) if j != i)[
            : round(math.log(40))
        ]
        ratios.append((max(gaps) - min(gaps)) / min(gaps))
    assert distance_ratio(3, 40) == pytest.approx((np.mean(ratios), np.std(ratios)), rel=1e-3)


def test_it_falls_to_nothing_with_the_dimension() -> None:
    means, deviations = zip(*map(distance_ratio, (2, 10, 100, 1000, 10_000)), strict=True)
    assert list(means) == sorted(means, reverse=True)
    assert means[0] > 1 and means[-1] < 0.02 and deviations[-1] < 0.01
