"""PSNR and SSIM against scikit-image and torchmetrics, at odd and non-square sizes."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr

from facesr_bench.errors import DataError, NotComputed
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.psnr_ssim import CAP_DB, PSNR, SSIM, planes

SIZES = [(64, 64), (37, 52), (11, 90)]


def pair(size, noise=12, seed=0):
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1], :3][:2]
    hr = np.clip(127 + 90 * np.sin(rows / 9) * np.cos(columns / 7), 0, 255).astype(np.uint8)
    sr = np.clip(hr + rng.normal(0, noise, hr.shape), 0, 255).astype(np.uint8)
    return sr, hr


def batch(*pairs):
    sr, hr = (
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        for images in zip(*pairs, strict=True)
    )
    keys = [f"{i}.png" for i in range(len(pairs))]
    return ScoreBatch(keys, sr, hr, None, [None] * len(pairs))


def value(metric, *pairs):
    metric.update(batch(*pairs))
    return metric.results(Intervals(replicates=0))[metric.keys[0]].value


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("colour", ["rgb", "y"])
def test_equals_scikit_image(size, colour):
    sr, hr = pair(size)
    a, b = planes(sr, colour), planes(hr, colour)
    expected = peak_signal_noise_ratio(b, a, data_range=255)
    assert value(PSNR(colour), (sr, hr)) == pytest.approx(expected, abs=1e-10)
    expected = structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, channel_axis=2,
    )  # fmt: skip
    assert value(SSIM(colour), (sr, hr)) == pytest.approx(expected, abs=1e-10)


def test_luma_is_studio_swing_and_not_rounded():
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 1, 0]]], dtype=np.uint8)
    expected = [16.0, 235.0, 16 + 65.481, 16 + 128.553 / 255]
    np.testing.assert_allclose(planes(corners, "y")[0, :, 0], expected, atol=1e-12)


def test_psnr_is_the_mean_of_images_not_the_pooled_error():
    pairs = [pair((24, 24), noise, seed=noise) for noise in (2, 60)]
    both = batch(*pairs)
    per_image = torchmetrics_psnr(
        both.sr.double(), both.hr.double(), data_range=255.0, reduction="none", dim=(1, 2, 3)
    )
    pooled = torchmetrics_psnr(both.sr.double(), both.hr.double(), data_range=255.0)
    got = value(PSNR(), *pairs)
    assert got == pytest.approx(per_image.mean().item(), abs=1e-6)
    assert got > pooled + 3


def test_equal_images_are_capped_and_the_settings_say_so():
    _, hr = pair((16, 16))
    metric = PSNR()
    assert value(metric, (hr, hr)) == CAP_DB == metric.settings()["cap_db"]
    assert value(SSIM(), (hr, hr)) == pytest.approx(1.0, abs=1e-12)


def test_scores_are_listed_by_key_and_counted_once():
    metric = PSNR()
    one = batch(pair((16, 16), 3), pair((16, 16), 30))
    metric.update(one)
    metric.update(one)  # as a padding sampler would
    result = metric.results(Intervals())["psnr_rgb"]
    listed = metric.per_image()["psnr_rgb"]
    assert result.n == 2 and list(listed) == ["0.png", "1.png"]
    assert result.value == np.mean(list(listed.values()))
    assert result.ci95[0] <= result.value <= result.ci95[1] and result.ci_kind == "bootstrap"
    assert metric.compute()["psnr_rgb"].item() == result.value


def test_refusals_are_sentences():
    with pytest.raises(NotComputed, match=r"at least 11x11 pixels, not 10x64$"):
        value(SSIM(), pair((10, 64)))
    sr, hr = torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 9, 8, dtype=torch.uint8)
    with pytest.raises(DataError, match="8x8 pixels cannot be compared with HR images of 9x8"):
        ScoreBatch(["a"], sr, hr, None, [None])
    with pytest.raises(DataError, match="must be uint8"):
        ScoreBatch(["a"], sr.float(), None, None, [None])
