"""Intervals against formulas and SciPy."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from facesr_bench.errors import ConfigError
from facesr_bench.metrics.intervals import Intervals, paired_difference

N = 300
KEYS = [f"{i:04d}" for i in range(N)]
VALUES = np.random.default_rng(1).gamma(4.0, 2.0, N)


def test_mean_equals_the_normal_interval_and_scipys_bootstrap():
    interval = Intervals().mean(KEYS, VALUES)
    se = np.std(VALUES) / np.sqrt(N)
    assert interval.se == pytest.approx(se, rel=0.02)
    normal = (VALUES.mean() - 1.96 * se, VALUES.mean() + 1.96 * se)
    assert interval.ci95 == pytest.approx(normal, abs=0.15 * se)
    scipys = stats.bootstrap(
        (VALUES,), np.mean, n_resamples=10_000, method="percentile", random_state=0
    )
    assert interval.ci95 == pytest.approx(tuple(scipys.confidence_interval), abs=0.1 * se)
    assert Intervals().mean(KEYS, VALUES) == interval != Intervals(seed=1).mean(KEYS, VALUES)


def test_metrics_share_the_draws_so_differences_are_paired():
    intervals = Intervals(replicates=500)
    other = VALUES + np.random.default_rng(2).normal(0, 1, N)
    difference = intervals.mean_replicates(KEYS, VALUES) - intervals.mean_replicates(KEYS, other)
    np.testing.assert_allclose(difference, intervals.mean_replicates(KEYS, VALUES - other))


def test_chunks_and_the_cache_do_not_change_the_draws(monkeypatch):
    whole = Intervals(replicates=100).mean_replicates(KEYS, VALUES)
    monkeypatch.setattr("facesr_bench.metrics.intervals._CHUNK_ELEMENTS", 7 * N)
    monkeypatch.setattr("facesr_bench.metrics.intervals._CACHED_COUNTS", 0)
    np.testing.assert_allclose(Intervals(replicates=100).mean_replicates(KEYS, VALUES), whole)


def test_people_are_resampled_where_known():
    """Ten photos of each person, equal to each other: only 30 independent values, not 300."""
    person = np.repeat(np.arange(30), 10)
    values = VALUES[:30][person]
    known = Intervals(identities={key: str(p) for key, p in zip(KEYS, person, strict=True)})
    assert known.mean(KEYS, values).se == pytest.approx(np.std(VALUES[:30]) / 30**0.5, rel=0.03)
    assert Intervals().mean(KEYS, values).se < 0.4 * known.mean(KEYS, values).se


def test_images_without_a_value_count_for_nothing():
    holes = np.append(VALUES, np.full(60, np.nan))
    keys = [*KEYS, *(f"z{i}" for i in range(60))]
    assert Intervals().mean(keys, holes).se == pytest.approx(
        Intervals().mean(KEYS, VALUES).se, rel=0.05
    )
    assert Intervals().mean(["a", "b"], np.array([1.0, np.nan])) is None


def test_many_means_at_once_have_the_intervals_each_has_alone():
    people = {key: str(number // 3) for number, key in enumerate(KEYS[:200])}
    holes = np.where(np.arange(len(VALUES)) % 5, VALUES, np.nan)
    one, none = np.full(len(VALUES), np.nan), np.full(len(VALUES), np.nan)
    one[:3] = 1.0  # three photos of one person are no interval
    intervals = Intervals(replicates=500, identities=people)
    found = intervals.of_means(KEYS, np.stack([VALUES, holes, one, none], axis=1))
    for column, ends in zip((VALUES, holes), found[:2], strict=True):
        assert ends == pytest.approx(intervals.mean(KEYS, column).ci95, rel=1e-12)
    assert found[2:] == [(None, None)] * 2
    assert intervals.mean(KEYS, one) is None


def test_jackknife_of_a_mean_is_the_textbook_standard_error():
    labels = Intervals().group_labels(N)
    assert np.bincount(labels).tolist() == [15] * 20
    means = np.array([VALUES[labels == g].mean() for g in range(20)])
    dropped = np.array([VALUES[labels != g].mean() for g in range(20)])
    interval = Intervals().jackknife(VALUES.mean(), dropped)
    assert interval.se == pytest.approx(np.std(means, ddof=1) / 20**0.5, rel=1e-9)
    assert interval.ci95[1] == pytest.approx(VALUES.mean() + 1.96 * interval.se)
    assert sorted(Intervals().group_labels(7)) == list(range(7))
    assert Intervals().jackknife(1.0, np.array([1.0])) is None


def test_paired_difference_agrees_with_the_t_test():
    a = dict(zip(KEYS, VALUES, strict=True))
    shift = np.random.default_rng(3).normal(0, 1.3, N)
    shift += 0.12 - shift.mean()
    b = dict(zip(KEYS, VALUES - shift, strict=True))
    found = paired_difference(a, b, Intervals())
    test = stats.ttest_1samp(shift, 0)
    assert found.value == pytest.approx(shift.mean()) and found.n == N
    assert found.p == pytest.approx(test.pvalue, abs=0.015)
    assert 0.05 < found.p < 0.2
    assert found.ci95 == pytest.approx(tuple(test.confidence_interval()), abs=0.01)
    assert paired_difference(a, a, Intervals()).p == 1.0
    far = paired_difference(a, {key: value - 9 for key, value in a.items()}, Intervals())
    assert far.p == pytest.approx(2 / 10_001)


def test_only_the_same_images_are_paired():
    with pytest.raises(ConfigError, match="1 images, such as 'b'"):
        paired_difference({"a": 1.0, "b": 2.0}, {"a": 1.0}, Intervals())


def test_tables_need_no_pytorch():
    code = "import sys, facesr_bench.metrics.intervals; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
