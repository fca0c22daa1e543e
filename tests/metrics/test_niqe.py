"""NIQE against pyiqa fed the same model, and the rules about size, flat images and names."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facesr_bench.datasets.synthface import render_face
from facesr_bench.degradations.mirrored import matlab_matrix
from facesr_bench.errors import ConfigError, MissingRequirement, NotComputed
from facesr_bench.metrics import niqe_features
from facesr_bench.metrics.base import Expected, ScoreBatch
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.niqe import NIQE, enlarged
from facesr_bench.metrics.niqe_features import block_features, grey, studio_luma
from facesr_bench.metrics.suite import MetricSuite
from metrics.fabricated import FabricatedWeights
from metrics.sharding import assert_shards_agree

REAL = os.environ.get("FACESR_TEST_WEIGHTS")
MAT, NPZ = "niqe_modelparameters.mat", "niqe_pris_params.npz"


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A made-up pristine model in both official layouts; scores come out as with the real one."""
    from scipy.io import savemat

    rng = np.random.default_rng(3)
    rotation = np.linalg.qr(rng.normal(size=(36, 36)))[0]
    covariance = rotation * np.geomspace(2e-3, 20, 36) @ rotation.T
    covariance = (covariance + covariance.T) / 2
    mean = np.tile([2.7, 0.8, *[0.8, 0.1, 0.2, 0.3] * 4], 2)[None]
    made_up = FabricatedWeights(tmp_path, monkeypatch)
    release = {"mu_prisparam": mean, "cov_prisparam": covariance}
    made_up.put("niqe", lambda path: savemat(path, release))
    basicsr = {"mu_pris_param": mean, "cov_pris_param": covariance}
    window = np.zeros((7, 7))
    made_up.put("niqe_basicsr", lambda path: np.savez(path, **basicsr, gaussian_window=window))
    return made_up.folder


@pytest.fixture
def pyiqa_niqe(monkeypatch, tmp_path):
    """pyiqa's NIQE of RGB or grey uint8 images, with the model in a folder; it may fetch nothing."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    niqe_arch = pytest.importorskip("pyiqa.archs.niqe_arch")

    def score(images, folder):
        network = niqe_arch.NIQE(pretrained_model_path=str(Path(folder) / MAT))
        tensors = (torch.from_numpy(image / 255).float() for image in images)
        return [
            network(t.permute(2, 0, 1)[None] if t.ndim == 3 else t[None, None]).item()
            for t in tensors
        ]

    return score


def face(number, size=256):
    return render_face(2020, number, 0, size).image


def as_batch(images, hr=None):
    def stack(parts):
        return torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2)

    keys = [f"{i:02d}" for i in range(len(images))]
    return ScoreBatch(keys, stack(images), hr and stack(hr), None, [None] * len(images))


def scored(metric, *batches):
    for batch in batches:
        metric.update(batch)
    return metric.results(Intervals(replicates=0))


def scores_of(images, **arguments):
    """Scores of images that may differ in size."""
    scores = []
    for image in images:
        metric = NIQE(**arguments)
        metric.update(as_batch([image]))
        ((_, column),) = metric.per_image().items()
        scores.append(column["00"])
    return scores


def varied():
    """Sizes that are no multiples of 96, not square; noise; a black part wider than a block."""
    noise = np.random.default_rng(0).normal(0, 8, (200, 260, 3))
    half_black = face(3).copy()
    half_black[:, :110] = 0
    return [
        face(0),
        np.clip(face(1, 512)[100:300, 120:380] + noise, 0, 255).astype(np.uint8),
        face(2, 512)[60:390, 100:297],
        half_black,
        face(4, 512)[:192, 150:342],
    ]


def test_exact_mode_equals_pyiqa(weights, pyiqa_niqe):
    images = [grey(image).astype(np.uint8) for image in varied()]
    expected = pyiqa_niqe(images, weights)
    got = scores_of([image[..., None].repeat(3, axis=2) for image in images], exact=True)
    assert got == pytest.approx(expected, abs=1e-3)
    assert max(expected) - min(expected) > 1  # they are not all the same image


def test_default_is_near_pyiqa_on_colour_images(weights, pyiqa_niqe):
    images = [*varied(), *(face(number) for number in range(5, 10))]
    gaps = np.subtract(scores_of(images), pyiqa_niqe(images, weights))
    assert abs(gaps.mean()) < 0.01 and abs(gaps).max() < 0.2


def test_brightness_of_flat_areas_does_not_matter(weights, monkeypatch):
    """The statistics do not see an offset, but the sign of rounding dust depends on it."""
    image = face(0) // 2
    image[40:, 60:180] = 50
    brighter = [image + np.uint8(offset) for offset in (0, 10, 45)]
    scores = scores_of(brighter)
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-9)
    monkeypatch.setattr(niqe_features, "DUST", 0.0)
    assert np.ptp(scores_of(brighter)) > 1e-2


def test_a_flat_block_counts_as_in_the_release(weights):
    image = face(0)
    image[:, 80:] = 37
    features = block_features(grey(image))
    flat = np.isnan(features).any(axis=1)
    assert flat.tolist() == [False, True, False, True]
    assert (features[flat][:, [0, 2, 18]] == 0.2).all()  # the minimum of nan: the grid's first
    assert np.isfinite(scores_of([image])).all()


def test_grey_is_full_range_and_halves_go_up():
    pixels = [[255, 255, 255], [0, 0, 0], [255, 0, 0], [1, 1, 1], [0, 0, 250], [0, 10, 95]]
    # the last: 28.5 and 5.87 + 10.83 = 16.7
    assert grey(np.array([pixels], dtype=np.uint8)).tolist() == [[255, 0, 76, 1, 29, 17]]


def test_both_official_files_give_the_same_value_and_column(weights):
    batch = as_batch([face(0), face(1)])
    from_mat = scored(NIQE(), batch)
    (weights / MAT).unlink()
    from_npz = scored(NIQE(), batch)
    assert from_mat == from_npz and list(from_mat) == ["niqe"]
    (weights / NPZ).unlink()
    with pytest.raises(MissingRequirement, match=r"weights 'niqe' are missing.*--as niqe"):
        NIQE()


def test_small_images_are_enlarged_in_colour_under_another_name(weights):
    small = face(0, 512)[100:350:2, 120:400:2]  # 125 x 140
    result = scored(NIQE(), as_batch([small]))
    assert list(result) == ["niqe_up192"]
    # 140 * 192 / 125 = 215.04
    large = np.asarray(Image.fromarray(small).resize((215, 192), Image.Resampling.BICUBIC))
    assert result["niqe_up192"].value == scored(NIQE(), as_batch([large]))["niqe"].value
    assert "short side 192" in result["niqe_up192"].settings["enlarged"]

    grey_first = Image.fromarray(grey(small).astype(np.uint8))
    planes = np.asarray(grey_first.resize((215, 192), Image.Resampling.BICUBIC))
    other = scored(NIQE(), as_batch([planes[..., None].repeat(3, axis=2)]))["niqe"].value
    assert abs(other - result["niqe_up192"].value) > 1e-4


@pytest.mark.parametrize(
    ("size", "expected"),
    [((64, 64), (192, 192)), ((130, 100), (250, 192)), ((191, 300), (192, 302))],
)
def test_long_side_is_in_proportion(size, expected):
    assert enlarged(np.zeros((*size, 3), np.uint8)).shape == (*expected, 3)


def test_from_192_pixels_on_nothing_is_resized(weights):
    image = face(0)[:192, :200]
    assert enlarged(image) is image
    result = scored(NIQE(), as_batch([image]))
    assert list(result) == ["niqe"] and result["niqe"].settings["enlarged"] is None


def test_the_two_names_never_share_a_mean(weights):
    large = as_batch([face(0)])
    small = ScoreBatch(["small"], large.sr[:, :, :128, :128], None, None, [None])
    suite = MetricSuite([NIQE()])
    scores = suite.score([large, small])
    assert not scores.values and not scores.failed and not scores.per_image
    assert set(scores.skipped) == {"niqe", "niqe_up192"}
    assert "score them as two test sets" in scores.skipped["niqe"]
    assert list(suite.score([small]).values) == ["niqe_up192"]  # nothing stays behind


def test_flat_images_are_counted_not_scored(weights):
    flat = np.full((256, 256, 3), 90, dtype=np.uint8)
    metric = NIQE()
    result = scored(metric, as_batch([face(0), flat, face(1)]))["niqe"]
    column = metric.per_image()["niqe"]
    assert (result.n, result.not_scored) == (2, 1) and np.isnan(column["01"])
    assert result.value == pytest.approx((column["00"] + column["02"]) / 2, abs=1e-12)
    with pytest.raises(NotComputed, match="none of the 1 images"):
        scored(NIQE(), as_batch([flat]))


def test_floor_is_what_hr_scores_over_the_same_images(weights):
    hr = [face(number) for number in range(3)]
    flat = np.zeros_like(hr[0])
    sr = [hr[0] // 2 + 40, flat, np.roll(hr[2], 7, axis=1)]
    metric = NIQE()
    result = scored(metric, as_batch(sr, hr))
    assert list(result) == ["niqe"] and list(metric.per_image()) == ["niqe"]
    same = scored(NIQE(), as_batch([hr[0], hr[2]]))["niqe"].value
    assert result["niqe"].floor == pytest.approx(same, rel=1e-6)  # kept in float32
    assert abs(same - result["niqe"].value) > 1e-3
    ideal = scored(NIQE(), as_batch(hr, hr))["niqe"]
    assert ideal.value == pytest.approx(ideal.floor, rel=1e-6)
    assert scored(NIQE(), as_batch(sr))["niqe"].floor is None  # real LR: no HR
    assert scored(NIQE(score_hr=False), as_batch(sr, hr))["niqe"].floor is None


def test_hr_is_scored_once_for_all_methods(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))
    hr = [face(0), np.zeros_like(face(0)), face(2)]
    sr = [np.roll(image, 5, axis=0) for image in hr]
    counted = []
    each = NIQE._each
    monkeypatch.setattr(NIQE, "_each", lambda self, images: counted.append(1) or each(self, images))

    def score(expected):
        return MetricSuite([NIQE()]).score([as_batch(sr, hr)], expected).values["niqe"]

    cold, warm = score(Expected(3, "abc")), score(Expected(3, "abc"))
    assert cold == warm and cold.floor is not None and len(counted) == 3
    assert score(Expected(3, "other")) == cold and len(counted) == 5
    next((tmp_path / "cache" / "features").glob("*.npz")).write_bytes(b"damaged")
    assert score(Expected(3, "abc")) == score(Expected(3, "other")) == cold


@pytest.mark.parametrize("size", [128, 256])
def test_shards_agree(weights, size):
    hr = [face(number, size) for number in range(5)]
    sr = [*(image[:, ::-1].copy() for image in hr[:4]), np.zeros_like(hr[4])]
    assert_shards_agree(NIQE, as_batch(sr, hr), tolerance=0)


def test_modes_do_not_share_a_column(weights):
    exact, default = NIQE(exact=True).settings(), NIQE().settings()
    assert exact["zero_below"] == 0 and default["zero_below"] == 1e-6 and exact != default
    assert NIQE(score_hr=False).settings() == default


def basicsr_luma(image):
    """BasicSR's to_y_channel of a uint8 RGB image, rounded as calculate_niqe does."""
    r, g, b = (image[..., channel].astype(np.float64) / 255 for channel in range(3))
    return np.round(65.481 * r + 128.553 * g + 24.966 * b + 16)


def basicsr_niqe(image, folder):
    """BasicSR's NIQE of an RGB image, written down from its description with scipy."""
    from scipy.ndimage import correlate
    from scipy.special import gamma

    def fit(values):
        shapes = np.arange(0.2, 10.001, 0.001)
        ratios = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
        left, right = (
            np.sqrt(np.mean(side**2)) for side in (values[values < 0], values[values > 0])
        )
        g, r = left / right, np.mean(np.abs(values)) ** 2 / np.mean(values**2)
        wanted = r * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
        alpha = shapes[np.argmin((ratios - wanted) ** 2)]
        width = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
        return alpha, left * width, right * width

    offsets = np.arange(-3, 4)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    plane = basicsr_luma(image)
    high, wide = (side // 96 for side in plane.shape)
    plane, scales = plane[: high * 96, : wide * 96], []
    for side in (96, 48):
        mean = correlate(plane, window, mode="nearest")
        spread = np.sqrt(np.abs(correlate(plane**2, window, mode="nearest") - mean**2))
        normal, rows = (plane - mean) / (spread + 1), []
        for x in range(wide):
            for y in range(high):
                block = normal[y * side : (y + 1) * side, x * side : (x + 1) * side]
                alpha, left, right = fit(block)
                row = [alpha, (left + right) / 2]
                for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
                    alpha, left, right = fit(block * np.roll(block, shift, axis=(0, 1)))
                    row += [
                        alpha,
                        (right - left) * gamma(2 / alpha) / gamma(1 / alpha),
                        left,
                        right,
                    ]
                rows.append(row)
        scales.append(np.array(rows))
        plane = matlab_matrix(plane.shape[0], 2) @ plane @ matlab_matrix(plane.shape[1], 2).T
    features = np.concatenate(scales, axis=1)
    model = np.load(Path(folder) / NPZ)
    gap = model["mu_pris_param"][0] - features.mean(0)
    pooled = (model["cov_pris_param"] + np.cov(features, rowvar=False)) / 2
    return float(np.sqrt(gap @ np.linalg.pinv(pooled) @ gap))


def test_bt601_is_basicsrs_convention_under_a_key_of_its_own(weights):
    images = [face(0), varied()[1], varied()[2]]
    expected = [basicsr_niqe(image, weights) for image in images]
    assert scores_of(images, colour="bt601", exact=True) == pytest.approx(expected, abs=2e-3)
    full, studio = scores_of(images), scores_of(images, colour="bt601")
    assert min(abs(np.subtract(full, studio))) > 5e-3  # no mode is the other
    result = scored(NIQE(colour="bt601"), as_batch([face(0)]))
    assert list(result) == ["niqe@bt601"] and "BT.601" in result["niqe@bt601"].settings["colour"]
    small = scored(NIQE(colour="bt601"), as_batch([face(0)[:128, :128]]))
    assert list(small) == ["niqe_up192@bt601"]
    with pytest.raises(ConfigError, match="colour=yiq is not one of full, bt601"):
        NIQE(colour="yiq")


def test_studio_luma():
    pixels = np.array(
        [[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8
    )
    assert studio_luma(pixels).tolist() == [[235, 16, 81, 145, 41]]


def test_both_conventions_are_measured_side_by_side_and_keep_their_hr_apart(
    weights, tmp_path, monkeypatch
):
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))
    batch = as_batch([face(0), face(1)], [face(2), face(3)])
    first = MetricSuite([NIQE(), NIQE(colour="bt601")]).score([batch], Expected(2, "abc")).values
    again = MetricSuite([NIQE(), NIQE(colour="bt601")]).score([batch], Expected(2, "abc")).values
    assert set(first) == {"niqe", "niqe@bt601"} and first == again
    assert abs(first["niqe"].floor - first["niqe@bt601"].floor) > 1e-3


@pytest.mark.skipif(REAL is None, reason="FACESR_TEST_WEIGHTS names no folder")
def test_the_real_model_orders_degradations_and_equals_pyiqa(pyiqa_niqe, monkeypatch):
    monkeypatch.setenv("FACESR_WEIGHTS", REAL)
    images = [face(number) for number in range(4)]
    expected = pyiqa_niqe([grey(image).astype(np.uint8) for image in images], REAL)
    greys = [grey(image).astype(np.uint8)[..., None].repeat(3, axis=2) for image in images]
    assert scores_of(greys, exact=True) == pytest.approx(expected, abs=1e-3)
    gaps = np.subtract(scores_of(images), pyiqa_niqe(images, REAL))
    assert abs(gaps.mean()) < 0.01 and abs(gaps).max() < 0.2
    nearest = [image[::4, ::4].repeat(4, axis=0).repeat(4, axis=1) for image in images]
    assert np.mean(scores_of(nearest)) > np.mean(scores_of(images)) + 3


@pytest.mark.skipif(REAL is None, reason="FACESR_TEST_WEIGHTS names no folder")
def test_the_real_files_hold_the_same_numbers(monkeypatch, tmp_path):
    monkeypatch.setenv("FACESR_WEIGHTS", REAL)
    digest = NIQE().model.digest
    (tmp_path / NPZ).write_bytes((Path(REAL) / NPZ).read_bytes())
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path))
    assert NIQE().model.digest == digest
