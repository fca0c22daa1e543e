"""Comparing two runs on the same images."""

import numpy as np
import pytest
from scipy import stats

from facesr_bench.errors import ConfigError
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.pairing import paired
from facesr_bench.metrics.scores import read_identities, read_per_image, write_per_image

N, GROUPS = 400, 20
RNG = np.random.default_rng(3)
HARD = RNG.normal(20, 3, N)  # what an image is like, for every method
A, B = HARD + RNG.normal(0.1, 0.5, N), HARD + RNG.normal(0, 0.5, N)
KEYS = [f"{i:03d}.png" for i in range(N)]
ENTRY = {"value": 0.0, "n": N, "settings": {"peak": 255}}


def columns():
    return dict(zip(KEYS, A, strict=True)), dict(zip(KEYS, B, strict=True))


def test_images_are_paired_not_compared_as_two_sets():
    difference = paired(ENTRY, ENTRY, *columns())
    width = difference.ci95[1] - difference.ci95[0]
    unpaired = Intervals().mean(KEYS, A)
    assert difference.value == pytest.approx(np.mean(A - B))
    assert width < 0.3 * (unpaired.ci95[1] - unpaired.ci95[0])
    assert difference.p == pytest.approx(stats.ttest_rel(A, B).pvalue, abs=0.01)


def test_people_are_resampled_where_they_are_known():
    people = {key: f"p{i // 20}" for i, key in enumerate(KEYS)}
    same = {key: 20.0 + i // 20 for i, key in enumerate(KEYS)}  # all photos of a person agree
    zero = dict.fromkeys(KEYS, 0.0)
    alone = paired(ENTRY, ENTRY, same, zero).ci95
    grouped = paired(ENTRY, ENTRY, same, zero, Intervals(identities=people)).ci95
    assert grouped[1] - grouped[0] > 3 * (alone[1] - alone[0])


def leave_out(values):
    """A distance that happens to be a mean: its jackknife is known."""
    groups = np.arange(N) % GROUPS
    replicates = [float(np.mean(values[groups != g])) for g in range(GROUPS)]
    return {**ENTRY, "value": float(np.mean(values)), "replicates": replicates}


def test_distances_are_paired_by_the_groups_left_out():
    difference = paired(leave_out(A), leave_out(B))
    groups = (A - B).reshape(-1, GROUPS).mean(axis=0)
    se = np.std(groups, ddof=1) / np.sqrt(GROUPS)
    assert difference.value == pytest.approx(np.mean(A - B))
    half = 1.96 * se
    expected = (difference.value - half, difference.value + half)
    assert difference.ci95 == pytest.approx(expected, rel=1e-9)
    assert difference.p == pytest.approx(2 * stats.norm.sf(abs(difference.value) / se), rel=1e-9)
    assert paired(leave_out(A), leave_out(A)).p == 1.0


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"settings": {"peak": 1}}, "other settings"),
        ({}, "nothing to pair by"),
        ({"replicates": [1.0] * 19}, "cannot be paired"),
    ],
)
def test_what_cannot_be_paired_is_refused(other, said):
    first = leave_out(A) if "replicates" in other else ENTRY
    with pytest.raises(ConfigError, match=said):
        paired(first, {**ENTRY, **other})


def test_the_table_on_disk_keeps_bits_and_people(tmp_path):
    path = tmp_path / "per_image.csv"
    a, _ = columns()
    write_per_image(path, {"x": a, "y": {KEYS[0]: float("nan")}}, {KEYS[1]: "Ann, B.", "z": None})
    read = read_per_image(path)
    assert read["x"] == a and np.isnan(read["y"][KEYS[0]]) and len(read["y"]) == 1
    assert read_identities(path) == {KEYS[1]: "Ann, B."}
    assert path.read_text().splitlines()[-1] == "z,,,"
