"""The Fréchet distance and its jackknife against scipy's matrix square root, in every shape."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from facesr_bench.errors import DataError
from facesr_bench.metrics import gaussians
from facesr_bench.metrics.frechet import frechet_distance, frechet_jackknife
from facesr_bench.metrics.gaussians import Statistics, statistics
from facesr_bench.metrics.intervals import Intervals

D = 40


def features(n, seed, d=D):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((d, d)) / np.sqrt(d)
    return rng.standard_normal((n, d)) @ mixing * rng.uniform(0.5, 2, d) + rng.uniform(0, 1, d)


def by_sqrtm(a, b):
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = a.mean(axis=0) - b.mean(axis=0)
    return gap @ gap + np.trace(s) + np.trace(t) - 2 * np.trace(sqrtm(s @ t)).real


@pytest.mark.parametrize(
    ("n", "m", "tolerance"),
    [(400, 300, 1e-8), (30, 25, 1e-6), (30, 300, 1e-6), (300, 30, 1e-6), (2, 2, 1e-6)],
)
def test_every_form_equals_the_matrix_square_root(n, m, tolerance):
    a, b = features(n, 1), features(m, 2)
    expected = by_sqrtm(a, b)
    for one in (a, statistics(a)):
        for other in (b, statistics(b)):
            assert frechet_distance(one, other) == pytest.approx(expected, rel=tolerance)
    assert expected > 1


def test_float32_features_are_reduced_in_float64(monkeypatch):
    monkeypatch.setattr(
        gaussians, "_BLOCK_ROWS", 7
    )  # 300 rows make many blocks, the last one short
    a = (features(300, 1) + 1000).astype(np.float32)
    fitted = statistics(a)
    wide = a.astype(np.float64)
    np.testing.assert_allclose(fitted.mean, wide.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(fitted.covariance, np.cov(wide, rowvar=False), rtol=1e-9, atol=1e-12)
    assert fitted.count == 300


def test_units_that_never_fire_and_equal_sets():
    a, b = features(300, 1), features(200, 2)
    alive = frechet_distance(a, b)
    padded = [np.pad(x, ((0, 0), (0, 3))) for x in (a, b)]
    assert frechet_distance(*padded) == pytest.approx(alive, rel=1e-6)
    for n in (300, 20):
        assert 0 <= frechet_distance(a[:n], a[:n].copy()) < 1e-5


@pytest.mark.parametrize(("n", "m"), [(400, 300), (30, 33), (33, 400), (400, 33)])
@pytest.mark.parametrize("fixed", [False, True])
def test_replicates_are_the_distances_without_a_group(n, m, fixed):
    a, b = features(n, 1), features(m, 2)
    grouping = Intervals(groups=5)
    groups_a, groups_b = grouping.group_labels(n), grouping.group_labels(m)
    if fixed:
        other, groups_b = statistics(b), None
    else:
        other = b
    value, replicates = frechet_jackknife(a, other, groups_a, groups_b)
    assert value == pytest.approx(by_sqrtm(a, b), rel=1e-6)
    assert len(replicates) == 5
    for group, replicate in enumerate(replicates):
        kept = b if fixed else b[groups_b != group]
        assert replicate == pytest.approx(by_sqrtm(a[groups_a != group], kept), rel=1e-6)


def test_what_cannot_be_is_told_in_a_sentence():
    a = features(30, 1)
    with pytest.raises(DataError, match="at least two images on each side, but there is one"):
        frechet_distance(a[:1], a)
    with pytest.raises(DataError, match="there are none"):
        frechet_distance(a, a[:0])
    with pytest.raises(DataError, match="of 40 dimensions cannot be compared with features of 39"):
        frechet_distance(a, a[:, :39])
    with pytest.raises(DataError, match="not finite"):
        frechet_distance(np.where(a > 1, np.nan, a), a)
    with pytest.raises(DataError, match="not finite"):
        frechet_distance(a, Statistics(np.full(D, np.inf), np.eye(D), None))
