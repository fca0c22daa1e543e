"""KID against torch-fidelity's own function on the same float64 features."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from facesr_bench.errors import DataError
from facesr_bench.metrics import kid
from facesr_bench.metrics.kid import kernel_distance


def features(n, seed, d=64):
    return np.random.default_rng(seed).uniform(0, 1 + 0.05 * seed, (n, d))


def reference(x, y, size, subsets=100, seed=2020):
    found = kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subset_size=size, kid_subsets=subsets,
        rng_seed=seed, verbose=False,
    )  # fmt: skip
    names = ("kernel_inception_distance_mean", "kernel_inception_distance_std")
    return [found[name] for name in names]


@pytest.mark.parametrize(("n", "m"), [(200, 150), (60, 200), (21, 20)])
@pytest.mark.parametrize("rows", [37, 2048])
def test_one_gram_matrix_equals_torch_fidelity(n, m, rows, monkeypatch):
    monkeypatch.setattr(kid, "_BLOCK_ROWS", rows)  # blocks of blocks, and all in one
    x, y = features(n, 1), features(m, 2)
    found = kernel_distance(x, y)
    assert found.subset_size == min(n, m) // 2
    expected = reference(x, y, found.subset_size)
    assert [found.mean, found.spread] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert found.mean > 1e-4


def test_many_images_take_the_other_way_to_the_same_number(monkeypatch):
    x, y = features(300, 1), features(500, 2)
    calls = []
    real = kid._sums_by_subset
    monkeypatch.setattr(kid, "_sums_by_subset", lambda *a: calls.append(1) or real(*a))
    found = kernel_distance(x, y, seed=7, subsets=30, largest_subset=20)
    assert calls and found.subset_size == 20
    expected = reference(x, y, 20, subsets=30, seed=7)
    assert [found.mean, found.spread] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_subsets_stop_at_a_thousand():
    x = features(2004, 1, d=4)
    assert kernel_distance(x, x, subsets=2).subset_size == 1000


def test_float32_features_are_reduced_in_float64():
    x, y = (features(40, seed).astype(np.float32) for seed in (1, 2))
    assert kernel_distance(x, y) == kernel_distance(x.astype(np.float64), y.astype(np.float64))


def test_too_few_images_are_a_sentence():
    with pytest.raises(DataError, match="at least 4 images on each side, but there are 9 and 3"):
        kernel_distance(features(9, 1), features(3, 2))
