"""The random degradation: its pixels are pinned, its draws have the statistics they claim."""

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, interpolate, pad

from facesr_bench.degradations.blind import Blind, blur_matrix
from facesr_bench.errors import ConfigError
from facesr_bench.seeding import numpy_rng

WILD: dict[str, Any] = {
    "blur": (0.5, 3),
    "noise": (1, 15),
    "jpeg": (40, 95),
    "exposure": (0.75, 1.25),
}
OFF: dict[str, Any] = {"blur": None, "noise": None, "jpeg": None, "operators": ["bicubic"]}


def ramp(height: int, width: int) -> np.ndarray:
    """A smooth picture made of integers alone, the same on every machine."""
    y, x, c = np.ogrid[:height, :width, :3]
    return ((3 * y * (c + 1) + 5 * x + x * y // 7 + 40 * c) % 256).astype(np.uint8)


@pytest.mark.parametrize(
    ("arguments", "size", "golden"),
    [
        ({}, (64, 64), "a3fe175f0170ee50"),
        ({}, (16, 16), "a4937ed87e7d8f89"),
        (WILD, (64, 64), "55bff350130dddb0"),
        (WILD, (48, 80), "1ff13bc2cb2e8a95"),
    ],
)
def test_golden_pixels(arguments, size, golden):
    # The same values came from scipy's blur and torch's interpolate, composed from the text alone.
    degrade, digest = Blind(4, **arguments), hashlib.sha256()
    for index in range(20):
        lr = degrade(ramp(*size), numpy_rng(2020, "lr", f"golden/{index:06d}"))
        assert lr.shape == (size[0] // 4, size[1] // 4, 3)
        assert lr.dtype == np.uint8
        digest.update(lr.tobytes())
    assert digest.hexdigest()[:16] == golden


def test_neither_order_nor_company_matters():
    degrade, keys = Blind(4), [f"{i}.png" for i in range(8)]
    alone = {key: Blind(4)(ramp(64, 64), numpy_rng(1, "lr", key)).tobytes() for key in keys}
    back = {key: degrade(ramp(64, 64), numpy_rng(1, "lr", key)).tobytes() for key in keys[::-1]}
    assert alone == back
    assert len(set(alone.values())) == len(keys)


@pytest.mark.parametrize("size", [(64, 64), (16, 16), (48, 32)])
@pytest.mark.parametrize("operator", ["bilinear", "bicubic"])
def test_blur_and_reduction_equal_torch(size, operator):
    sigma = 1.4  # 11 taps, which torch can still reflect at 16 pixels
    degrade = Blind(4, **{**OFF, "blur": (sigma, sigma), "operators": [operator]})
    taps = torch.exp(-0.5 * (torch.arange(-5, 6, dtype=torch.float64) / sigma) ** 2)
    taps /= taps.sum()
    kernel = torch.outer(taps, taps).expand(3, 1, 11, 11)
    images = torch.from_numpy(ramp(*size)).permute(2, 0, 1)[None].double()
    blurred = conv2d(pad(images, (5, 5, 5, 5), mode="reflect"), kernel, groups=3)
    small = interpolate(blurred, (size[0] // 4, size[1] // 4), mode=operator, antialias=True)
    expected = small[0].permute(1, 2, 0).clamp(0, 255).round().byte().numpy()
    np.testing.assert_array_equal(degrade(ramp(*size), np.random.default_rng(0)), expected)


def test_a_kernel_longer_than_the_image_is_reflected_again_and_again():
    matrix = blur_matrix(5, 8.0)  # 49 taps
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    padded = np.pad(np.arange(5.0) ** 2, 24, mode="reflect")
    taps = np.exp(-0.5 * (np.arange(-24, 25) / 8.0) ** 2)
    expected = np.convolve(padded, taps / taps.sum(), mode="valid")
    np.testing.assert_allclose(matrix @ np.arange(5.0) ** 2, expected, atol=1e-12)
    np.testing.assert_array_equal(blur_matrix(1, 3.0), [[1.0]])


def test_draws_fill_their_ranges_evenly():
    degrade = Blind(4, **WILD)
    drawn = [degrade.draw(numpy_rng(0, "lr", i)) for i in range(4000)]
    for name, (low, high) in WILD.items():
        values = np.array([getattr(d, "quality" if name == "jpeg" else name) for d in drawn])
        spread = (high - low) / np.sqrt(12)
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 5 * spread / np.sqrt(4000)
        assert abs(values.std() / spread - 1) < 0.05
    qualities = [d.quality for d in drawn]
    assert {40, 95} <= set(qualities)  # both ends included
    share = np.mean([d.operator == "bilinear" for d in drawn])
    assert abs(share - 0.5) < 0.04
    numbers = np.array([(d.blur, d.exposure, d.noise, d.quality) for d in drawn], dtype=float)
    assert np.abs(np.corrcoef(numbers.T) - np.eye(4)).max() < 0.08  # drawn independently


@pytest.mark.parametrize("switch", ["blur", "noise", "jpeg", "exposure", "operators"])
def test_one_switch_leaves_the_other_draws_alone(switch):
    off = ["bilinear"] if switch == "operators" else None
    names = {"blur", "noise", "quality", "exposure", "operator"}
    names -= {{"jpeg": "quality", "operators": "operator"}.get(switch, switch)}
    for index in range(5):
        full = Blind(4, **WILD).draw(numpy_rng(3, "lr", index))
        less = Blind(4, **{**WILD, switch: off}).draw(numpy_rng(3, "lr", index))
        assert {n: getattr(full, n) for n in names} == {n: getattr(less, n) for n in names}


def test_noise_has_its_sigma_and_is_independent_per_channel():
    grey = np.full((256, 256, 3), 128, np.uint8)
    lr = Blind(2, **{**OFF, "noise": (10, 10)})(grey, np.random.default_rng(1)).astype(float) - 128
    assert abs(lr.std() / 10 - 1) < 0.02
    assert abs(lr.mean()) < 0.2
    assert np.abs(np.corrcoef(lr.reshape(-1, 3).T) - np.eye(3)).max() < 0.03


def test_exposure_scales_values_and_clips():
    grey = np.full((16, 16, 3), 200, np.uint8)
    for gain, value in ((1.25, 250), (0.75, 150), (1.5, 255)):
        lr = Blind(4, **{**OFF, "exposure": (gain, gain)})(grey, np.random.default_rng(1))
        assert set(lr.ravel().tolist()) == {value}


def test_worse_quality_is_further_from_the_image():
    def error(jpeg: tuple[int, int] | None) -> float:
        lr = Blind(4, **{**OFF, "jpeg": jpeg})(ramp(64, 64), np.random.default_rng(1))
        return float(np.abs(lr.astype(float) - clean).mean())

    clean = Blind(4, **OFF)(ramp(64, 64), np.random.default_rng(1)).astype(float)
    assert error(None) == 0 < error((95, 95)) < error((30, 30))


def test_settings_tell_every_argument_apart():
    changes: list[dict[str, Any]] = [
        {},
        {"factor": 2},
        {"blur": (0.5, 7)},
        {"noise": None},
        {"jpeg": (30, 90)},
        {"exposure": (1, 1)},
        {"operators": ["bicubic"]},
    ]
    assert len({str(Blind(**change).settings()) for change in changes}) == len(changes)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"blur": (3, 0.5)}, "blur=.3, 0.5. must run upwards"),
        ({"blur": (0, 3)}, "blur=.0, 3. must run upwards"),
        ({"blur": 3}, "blur must be two numbers"),
        ({"noise": (-1, 3)}, "noise=.-1, 3. must run upwards"),
        ({"noise": (1, float("nan"))}, "noise=.1, nan. must run upwards"),
        ({"jpeg": (0, 95)}, "jpeg=.0, 95. must run upwards within .1, 100."),
        ({"jpeg": (30, 101)}, "jpeg=.30, 101. must run"),
        ({"jpeg": (30.5, 95)}, "must be whole numbers"),
        ({"exposure": (0, 1)}, "exposure=.0, 1. must run"),
        ({"operators": []}, "operators must be a list of at least one"),
        ({"operators": "bicubic"}, "operators must be a list"),
        ({"operators": ["area"]}, "operators must be a list"),
        ({"factor": -4}, "whole number of at least 1"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Blind(**arguments)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ConfigError, match="64x66 pixels cannot be reduced by 4"):
        Blind(4)(np.zeros((64, 66, 3), np.uint8), np.random.default_rng(0))
