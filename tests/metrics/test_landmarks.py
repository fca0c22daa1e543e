"""Where landmarks come from, and distances between them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facesr_bench.errors import ConfigError, MissingRequirement
from facesr_bench.faces.yunet import Face
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.landmarks import (
    FOUND,
    NONE,
    STORED,
    LandmarkSource,
    between_eyes,
    mean_distance,
    stand_in,
)

POINTS = np.array([[20, 30], [40, 30], [30, 40], [22, 50], [38, 50]], dtype=np.float32)


class Stub:
    """Finds a face whose score and place are in the first pixel."""

    settings = {"detector": "stub"}  # noqa: RUF012

    def best(self, image):
        return Face(float(image[0, 0, 0]) / 100, (0, 0, 1, 1), POINTS + float(image[0, 0, 1]))


def batch(stored):
    n = len(stored)
    sr = torch.zeros(n, 3, 64, 64, dtype=torch.uint8)
    hr = sr.clone()
    hr[:, 0, 0, 0] = torch.tensor([95, 61, 60, 95][:n])
    hr[:, 1, 0, 0] = torch.arange(n)
    lr = torch.full((n, 3, 16, 16), 200, dtype=torch.uint8)
    return ScoreBatch([str(k) for k in range(n)], sr, hr, lr, [None] * n, list(stored))


def test_auto_takes_what_is_stored_and_finds_the_rest_on_hr():
    broken = POINTS.copy()
    broken[0, 0] = np.nan
    given = batch([POINTS * 2, None, None, broken])
    points, origins = LandmarkSource("auto", Stub()).find(given, given.hr)
    assert origins.tolist() == [STORED, FOUND, NONE, FOUND]  # 0.60 is not above 0.6
    assert np.array_equal(points[0], POINTS * 2) and points[2] is None
    assert np.array_equal(points[1], POINTS + 1) and np.array_equal(points[3], POINTS + 3)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [("stored", [STORED, NONE, NONE, STORED]), ("detect", [FOUND, FOUND, NONE, FOUND])],
)
def test_the_two_other_ways(origin, expected):
    given = batch([POINTS, None, None, POINTS])
    assert LandmarkSource(origin, Stub()).find(given, given.hr)[1].tolist() == expected


def test_no_truth_no_search():
    given = batch([None, POINTS])
    assert LandmarkSource("auto", Stub()).find(given, None)[1].tolist() == [NONE, STORED]


def test_settings_tell_what_happened():
    source = LandmarkSource("auto", Stub())
    assert source.describe(np.array([STORED, NONE], np.int8)) == {"landmarks": "stored"}
    told = source.describe(np.array([STORED, FOUND, FOUND], np.int8), "the enlarged LR")
    assert told["landmarks"] == "1 stored, 2 found on the enlarged LR, score > 0.6"
    assert told["landmarks_from"] == {"detector": "stub"}
    with pytest.raises(ConfigError, match="stored, detect, auto"):
        LandmarkSource("guess", Stub())


def test_without_the_detector_auto_is_refused_and_offers_to_do_without(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingRequirement) as caught:
        LandmarkSource()
    assert "weights import FILE --as yunet; or do without detection" in str(caught.value)
    assert "landmarks=stored" in str(caught.value)
    with pytest.raises(MissingRequirement) as caught:
        LandmarkSource("detect")
    assert "landmarks=stored" not in str(caught.value)
    assert LandmarkSource("stored").detector is None


@pytest.mark.parametrize(
    ("origin", "truth", "said"),
    [
        ("stored", "HR", "the data set stores no landmarks for them"),
        ("detect", "the enlarged LR", "no face was found on the enlarged LR"),
        ("detect", None, "there is no HR to find faces on"),
        ("auto", "HR", "the data set stores no landmarks for them and no face was found on HR"),
        ("auto", None, "the data set stores no landmarks for them and there is no HR to find"),
    ],
)
def test_the_reason_names_what_was_looked_at(origin, truth, said):
    assert LandmarkSource(origin, Stub()).lacking(truth).startswith(said)


def test_the_stand_in_does_not_depend_on_what_training_left_on():
    given = batch([None, None])
    given.lr[:] = torch.randint(0, 256, given.lr.shape, generator=torch.manual_seed(0))
    plain = stand_in(given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(stand_in(given), plain)


def test_distances_by_hand():
    moved = POINTS + np.array([3, 4])
    moved[4] = POINTS[4]
    assert mean_distance(moved, POINTS) == pytest.approx(4.0)
    assert between_eyes(POINTS) == 20.0


def test_the_stand_in_for_hr_is_the_lr_enlarged_to_8_bits():
    given = batch([None, None])
    given.lr[1, :, 8:] = 0
    large = stand_in(given)
    assert large.shape == (2, 3, 64, 64) and large.dtype == torch.uint8
    assert large[0].unique().tolist() == [200]
    assert large[1, 0, 31:33, 5].tolist() != [200, 0]  # bicubic, no blocks
    from PIL import Image

    expected = Image.fromarray(given.lr[1].permute(1, 2, 0).numpy()).resize(
        (64, 64), Image.Resampling.BICUBIC
    )
    gap = large[1].permute(1, 2, 0).numpy().astype(int) - np.asarray(expected)
    assert np.abs(gap).max() <= 1
    assert stand_in(ScoreBatch(["0"], given.sr[:1], None, None, [None])) is None


def test_the_distance_of_the_eyes_is_that_in_the_plane():
    points = np.zeros((5, 2), np.float32)
    points[0], points[1] = (1, 2), (4, 6)
    assert between_eyes(points) == 5.0
