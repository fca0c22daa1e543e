"""Downscale is Pillow's resize to the last bit; without antialiasing, what cv2 and torch do."""

import numpy as np
import pytest
import torch
from PIL import Image

from facesr_bench.degradations.resizing import Downscale
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.resize import KERNELS
from facesr_bench.seeding import numpy_rng

RNG = np.random.default_rng(0)
SIZES = [(64, 64), (16, 16), (48, 80), (128, 96)]


def picture(height: int, width: int) -> np.ndarray:
    """Noise: every pixel matters, so a wrong tap shows."""
    return numpy_rng(1, "picture", f"{height}x{width}").integers(
        0, 256, (height, width, 3), np.uint8
    )


@pytest.mark.parametrize("operator", KERNELS)
@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", SIZES)
def test_equals_pillow_bit_for_bit(operator, factor, size):
    hr = picture(*size)
    wanted = (size[1] // factor, size[0] // factor)
    expected = np.array(Image.fromarray(hr).resize(wanted, Image.Resampling[operator.upper()]))
    np.testing.assert_array_equal(Downscale(factor, operator)(hr, RNG), expected)


def test_operators_differ_from_each_other():
    results = {Downscale(4, name)(picture(64, 64), RNG).tobytes() for name in KERNELS}
    assert len(results) == len(KERNELS)


@pytest.mark.parametrize("operator", KERNELS)
def test_the_float_operator_is_the_one_that_made_the_pixels(operator):
    degrade, hr = Downscale(4, operator), picture(48, 80)
    images = torch.from_numpy(hr).permute(2, 0, 1)[None].double()
    reduced = degrade.downsample(images)[0].permute(1, 2, 0).clamp(0, 255).numpy()
    lr = degrade(hr, RNG)
    assert reduced.shape == lr.shape
    # Pillow rounds after each of its two passes and clips overshoot in between.
    assert np.abs(reduced - lr).mean() < 0.5
    assert np.abs(reduced - lr)[4:-4, 4:-4].max() < 12


def test_without_antialiasing_most_pixels_are_not_looked_at():
    hr = picture(16, 24)
    x = hr.astype(float)
    mid = (x[1::4] + x[2::4]) / 2
    mid = (mid[:, 1::4] + mid[:, 2::4]) / 2
    np.testing.assert_array_equal(Downscale(4, "bilinear", False)(hr, RNG), np.rint(mid))
    taps = np.array([-0.09375, 0.59375, 0.59375, -0.09375])  # a = -0.75, half a pixel off
    rows = sum(t * x[i::4] for i, t in enumerate(taps))
    cubic = sum(t * rows[:, i::4] for i, t in enumerate(taps)).clip(0, 255)
    np.testing.assert_array_equal(Downscale(4, "bicubic", False)(hr, RNG), np.rint(cubic))


def test_nothing_is_drawn():
    rng = np.random.default_rng(7)
    Downscale(4)(picture(16, 16), rng)
    assert rng.random() == np.random.default_rng(7).random()


def test_settings_tell_variants_apart():
    variants = [Downscale(4), Downscale(2), Downscale(4, "box"), Downscale(4, "bicubic", False)]
    assert len({str(sorted(v.settings().items())) for v in variants}) == len(variants)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"factor": 0}, "whole number of at least 1"),
        ({"factor": 2.5}, "whole number of at least 1"),
        ({"factor": 4, "operator": "area"}, "'area' is not an operator"),
        ({"factor": 4, "operator": "lanczos", "antialias": False}, "no form without antialiasing"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Downscale(**arguments)


@pytest.mark.parametrize("size", [(66, 64), (64, 63), (2, 64)])
def test_sizes_that_do_not_divide_are_refused(size):
    with pytest.raises(ConfigError, match=rf"{size[0]}x{size[1]} pixels cannot be reduced by 4"):
        Downscale(4)(picture(*size), RNG)


@pytest.mark.parametrize("image", [np.zeros((16, 16), np.uint8), np.zeros((16, 16, 3), np.float32)])
def test_other_arrays_are_refused(image):
    with pytest.raises(DataError, match=r"takes uint8 \(H, W, 3\)"):
        Downscale(4)(image, RNG)
