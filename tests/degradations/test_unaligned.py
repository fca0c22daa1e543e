"""DAP-FSR's unaligned LR: geometry checked with shapes whose place is known."""

import numpy as np
import pytest

from facesr_bench.data import Sample
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.degradations.unaligned import Unaligned
from facesr_bench.errors import ConfigError

STILL = {"rotation": [0, 0], "translation": 0.0, "scale": [1, 1]}


def rng(seed=0):
    return np.random.default_rng(seed)


def dot(side, x, y, radius=6.0):
    """A soft white dot on black."""
    yy, xx = np.mgrid[0:side, 0:side]
    blob = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * radius**2))
    return np.repeat((255 * blob).astype(np.uint8)[..., None], 3, axis=2)


def place(lr, factor):
    """Centre of mass in HR pixels."""
    weights = lr[..., 0].astype(float) ** 2
    yy, xx = np.mgrid[0 : lr.shape[0], 0 : lr.shape[1]]
    x, y = ((w * weights).sum() / weights.sum() for w in (xx, yy))
    return (x + 0.5) * factor - 0.5, (y + 0.5) * factor - 0.5


def test_without_motion_it_is_bicubic():
    image = np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8)
    moved = Unaligned(8, **STILL)(image, rng())
    plain = Downscale(8, "bicubic")(image, rng())
    assert moved.shape == (16, 16, 3)
    assert np.abs(moved.astype(int) - plain).max() <= 1  # Pillow rounds twice, we once


def test_rotation_is_counter_clockwise_about_the_centre():
    degrade = Unaligned(4, rotation=[90, 90], translation=0.0, scale=[1, 1])
    x, y = place(degrade(dot(128, 95.5, 63.5), rng()), 4)  # right of the centre
    assert (x, y) == pytest.approx((63.5, 31.5), abs=0.7)  # above it


def test_scale_shrinks_the_face_about_the_centre():
    degrade = Unaligned(4, rotation=[0, 0], translation=0.0, scale=[0.5, 0.5])
    # The reflected border comes into view, so the dot is placed where it is not mirrored.
    lr = degrade(dot(128, 95.5, 63.5), rng())[8:24, 16:24]
    x, y = place(lr, 4)
    assert (x + 64, y + 32) == pytest.approx((79.5, 63.5), abs=1.0)


def test_shifts_are_whole_pixels_within_their_share_of_the_bordered_image():
    degrade = Unaligned(1, rotation=[0, 0], translation=0.05, scale=[1, 1])
    border = (128 + 2 * 29) * 0.05  # 9.3
    places = np.array([place(degrade(dot(128, 60, 70), rng(seed)), 1) for seed in range(40)])
    shifts = places - (60, 70)
    assert np.abs(shifts - np.rint(shifts)).max() < 0.05
    assert 7 <= np.abs(shifts).max() <= border
    assert shifts.min() < -4 and shifts.max() > 4


def test_the_photo_around_the_crop_comes_into_view():
    crop = np.full((133, 107, 3), 100, np.uint8)
    bordered = np.full((193, 167, 3), 200, np.uint8)
    bordered[30:163, 30:137] = crop
    hr = np.full((128, 128, 3), 100, np.uint8)
    sample = Sample("a.png", hr=hr, border=bordered, border_size=(30, 30, 30, 30))
    degrade = Unaligned(8, rotation=[45, 45], translation=0.0, scale=[1, 1])
    with_photo, reflected = degrade.degrade(sample, rng()), degrade(hr, rng())
    assert with_photo.shape == (16, 16, 3)
    assert with_photo[0, 0, 0] > 180 and with_photo[8, 8, 0] == 100
    assert (reflected == 100).all()
    # The crop is 133 x 107, so an unmoved LR is squeezed as HR is.
    still = Unaligned(8, **STILL).degrade(sample, rng())
    assert np.abs(still.astype(int) - 100).max() <= 6


def test_hr_is_needed_and_arguments_are_checked():
    with pytest.raises(ConfigError, match=r"translation=0\.7"):
        Unaligned(8, translation=0.7)
    with pytest.raises(ConfigError, match="rotation"):
        Unaligned(8, rotation=[45, -45])
    assert Unaligned(8).settings()["scale"] == [0.8, 1.0]
    assert Unaligned(8).downsample(None) is None
