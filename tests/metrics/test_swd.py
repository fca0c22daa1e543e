"""SWD against the official code's numbers, and what makes the production order trustworthy."""

import numpy as np
import pytest
import torch

from facesr_bench.errors import ConfigError, NotComputed
from facesr_bench.metrics import swd
from facesr_bench.metrics.base import Expected, ScoreBatch
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.swd import SWD
from facesr_bench.metrics.swd_distance import sliced_distance, sliced_distances, sliced_jackknife
from facesr_bench.metrics.swd_patches import (
    draw_patches,
    laplacian_pyramid,
    normalise,
    unit_directions,
)
from facesr_bench.metrics.swd_reference import reference_swd


def pattern(a, b, shape=(4, 3, 64, 64)):
    """The patterns of the golden test: uint8 (N, H, W, 3)."""
    k = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    rows, columns = np.arange(shape[2])[:, None], np.arange(shape[3])[None]
    noise = np.sin(12.9898 * (k + 1) + 78.233 * (b + 1)) * 43758.5453
    waves = 40 * (np.sin(a * rows) + np.cos(1.3 * a * columns))
    image = np.round(127 + waves + 40 * (noise - np.floor(noise) - 0.5))
    return np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))


A, B = pattern(0.21, 0), pattern(0.35, 7)


@pytest.mark.parametrize(
    ("fakes", "minibatch", "expected"),
    [
        (B, None, (94.6849, 227.1900, 385.8528)),
        (A.copy(), None, (76.2418, 89.2550, 53.0203)),
        (B, 2, (98.8407, 236.0312, 373.9007)),
    ],
)
def test_golden_numbers_come_out_with_the_official_draws(fakes, minibatch, expected):
    got = reference_swd(A, fakes, np.random.RandomState(0), minibatch)
    assert got == pytest.approx(expected, abs=3e-4)


def batch(sr, hr, keys):
    tensors = (torch.from_numpy(images).permute(0, 3, 1, 2) for images in (sr, hr))
    return ScoreBatch(list(keys), *tensors, None, [None] * len(sr))


def results(sr, hr, batches, **arguments):
    metric = SWD("toy", **arguments)
    keys = np.array([f"{i:02d}" for i in range(len(sr))])
    for chosen in batches:
        metric.update(batch(sr[chosen], hr[chosen], keys[chosen]))
    return metric.results(Intervals())


def test_batches_and_order_cannot_move_a_bit():
    whole = results(B, A, [[0, 1, 2, 3]])
    parts = results(B, A, [[2], [3, 0], [1]])
    assert whole == parts
    assert list(whole) == ["swd_64@toy", "swd_32@toy", "swd_16@toy", "swd_mean@toy"]
    levels = [whole[f"swd_{side}@toy"].value for side in (64, 32, 16)]
    assert whole["swd_mean@toy"].value == pytest.approx(np.mean(levels), rel=1e-12)
    assert results(B, A, [[0, 1, 2, 3]], seed=1)["swd_64@toy"].value != levels[0]


def test_the_production_order_gives_the_published_quantity():
    """Other random places, the same distance; with 4 images one draw varies by 3 to 7 %."""
    official = [reference_swd(A, B, np.random.RandomState(seed)) for seed in range(5)]
    ours = []
    for seed in range(5):
        levels = results(B, A, [[0, 1, 2, 3]], seed=seed)
        ours.append([levels[f"swd_{side}@toy"].value for side in (64, 32, 16)])
    np.testing.assert_allclose(np.mean(ours, axis=0), np.mean(official, axis=0), rtol=0.08)


def test_floor_is_the_score_of_a_perfect_method():
    perfect, worse = results(A, A, [[0, 1, 2, 3]]), results(B, A, [[0, 1, 2, 3]])
    for name, value in perfect.items():
        assert value.value == value.floor == worse[name].floor > 10
        assert worse[name].value > value.floor


def test_jackknife_drops_groups_from_both_clouds():
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal((12 * 16, 147)).astype(np.float32) + shift for shift in (0, 0.2))
    directions = unit_directions(rng.standard_normal((147, 40)))
    groups = np.repeat(np.arange(12) % 5, 16)
    value, dropped = sliced_jackknife(a, b, directions, groups, threads=2)
    assert value == sliced_distance(a, b, directions)
    assert [value] == sliced_distances([a], b, directions, threads=3)
    for group in range(5):
        kept = groups != group
        expected = sliced_distance(a[kept], b[kept], directions)
        assert dropped[group] == pytest.approx(expected, rel=1e-5)


def test_interval_and_choice_of_images():
    few = results(B, A, [[0, 1, 2, 3]], max_images=3)["swd_mean@toy"]
    assert few.n == 3 and few.ci_kind == "jackknife"
    assert few.ci95[1] - few.value == pytest.approx(1.96 * few.se, rel=1e-9)
    alone = results(B[:1], A[:1], [[0]])["swd_mean@toy"]
    assert alone.n == 1 and alone.ci95 is None


def test_pyramid_adds_up_and_takes_odd_sizes():
    import cv2

    image = pattern(0.21, 0, (1, 3, 45, 71))[0]
    levels = laplacian_pyramid(image)
    assert [level.shape for level in levels] == [(45, 71, 3), (23, 36, 3)]
    up = cv2.pyrUp(levels[1], dstsize=(71, 45))
    np.testing.assert_allclose(levels[0] + up, image, atol=1e-4)
    got = results(image[None], image[None, ::-1].copy(), [[0]])
    assert list(got) == ["swd_45@toy", "swd_23@toy", "swd_mean@toy"]


def test_normalised_channels_and_a_flat_one():
    patches = np.random.default_rng(0).uniform(0, 9, (50, 147)).astype(np.float32)
    patches[:, 49:98] = 7.0
    channels = normalise(patches).reshape(50, 3, 49)
    np.testing.assert_allclose(channels.mean(axis=(0, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(channels.std(axis=(0, 2)), [1, 0, 1], atol=1e-6)


def test_refusals_are_sentences():
    with pytest.raises(NotComputed, match="at least 16 pixels, not 15x40"):
        results(A[:1, :15, :40], A[:1, :15, :40], [[0]])
    metric = SWD("toy")
    metric.update(batch(A[:1], A[:1], ["a"]))
    metric.update(batch(A[:1, :32, :32], A[:1, :32, :32], ["b"]))
    with pytest.raises(NotComputed, match="images of one size"):
        metric.results(Intervals())
    with pytest.raises(ConfigError, match="smallest=4 is less than a patch"):
        SWD("toy", smallest=4)


def test_of_large_sets_only_the_chosen_are_kept_whatever_the_batches():
    many = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), np.uint8)
    keys = [f"{i:03d}" for i in range(300)]

    def score(parts):
        metric = SWD("toy", max_images=9)
        metric.expect(Expected(300))
        for part in parts:
            metric.update(batch(many[part], many[part], [keys[i] for i in part]))
        kept = {name: len(table) for name, table in metric.rows().items()}
        return kept, metric.results(Intervals())["swd_16@toy"]

    kept, value = score([range(300)])
    assert len(set(kept.values())) == 1 and 9 <= kept["sr/16"] < 80
    assert value.n == value.settings["images"] == 9
    assert score([range(1, 300, 2), range(0, 300, 2)])[1] == value


def test_patches_are_cut_wherever_a_whole_one_fits() -> None:
    level = np.arange(9 * 8, dtype=np.float32).reshape(9, 8, 1).repeat(3, axis=2)
    centres = draw_patches(level, 400, np.random.default_rng(0))[:, 24]
    assert set(centres.tolist()) == {8 * row + column for row in (3, 4, 5) for column in (3, 4)}


def test_replicates_lie_about_the_value_of_all_directions(monkeypatch):
    """They come of fewer, which put the distance a little elsewhere."""
    monkeypatch.setattr(swd, "sliced_jackknife", lambda *_: (5.0, np.array([4.0, 6.5])))
    found = results(B, A, [[0, 1, 2, 3]])["swd_16@toy"]
    np.testing.assert_allclose(np.subtract(found.replicates, found.value), [-1.0, 1.5], rtol=1e-6)


def test_chosen_images_are_in_the_order_of_their_keys():
    """Groups of the jackknife go by that order, in every metric alike."""
    metric = SWD("toy", max_images=3)
    small = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    metric.update(batch(small, small, list("hgfedcba")))
    chosen = metric._chosen()
    assert len(chosen) == 3
    assert chosen == sorted(chosen)
    assert chosen != sorted(chosen, key=metric._rank), "else this test sees nothing"
