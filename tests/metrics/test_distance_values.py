"""From features to finished values: the statistics that are kept, and each value's own interval."""

import numpy as np
import pytest

from facesr_bench.metrics.distance_values import TwoSets, frechet_values
from facesr_bench.metrics.gaussians import statistics
from facesr_bench.metrics.intervals import Intervals

RNG = np.random.default_rng(0)
SR, REFERENCE = RNG.normal(size=(40, 3)), RNG.normal(0.5, 1.2, size=(60, 3))


def test_statistics_are_the_mean_and_the_unbiased_covariance() -> None:
    found = statistics(REFERENCE.astype(np.float32))
    np.testing.assert_allclose(found.mean, REFERENCE.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.covariance, np.cov(REFERENCE, rowvar=False), rtol=1e-5)
    assert found.count == 60


def test_each_of_both_values_lies_in_the_middle_of_its_interval() -> None:
    found = frechet_values(TwoSets(SR, REFERENCE, None, {}), "fid", Intervals())
    plain, corrected = found["fid"], found["fid_jk"]
    assert corrected.value < plain.value, "few images make the plain one too large"
    for value in (plain, corrected):
        assert value.ci95 is not None
        assert np.mean(value.ci95) == pytest.approx(value.value)
    assert plain.se == corrected.se
