"""DAP-FSR's unaligned LR: geometry checked with shapes whose place is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra.utils import get_method
from PIL import Image

from facesr_bench.data import Sample
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.degradations.unaligned import Unaligned
from facesr_bench.errors import ConfigError
from facesr_bench.images import hash_images
from facesr_bench.stream import fixed_lr

SHIPPED = Path(__file__).parents[2] / "datasets" / "synthface" / "tiny_test.zip"
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


def stretched(photo, border):
    """A sample as prepare makes it: HR stretched to 128x128, the border in the owner's proportions."""
    hr = np.asarray(Image.fromarray(photo).resize((128, 128), Image.Resampling.BICUBIC))
    sides = (border, border)
    wide = np.pad(photo, (sides, sides, (0, 0)), mode="reflect")
    return Sample("a.png", hr=hr, border=wide, border_size=(border,) * 4)


def spread(lr):
    """Covariance of a white shape on black, in Yale B's own pixels (168 wide, 192 high)."""
    weights = lr[..., 0].astype(float).ravel()
    yy, xx = np.mgrid[0:128, 0:128]
    places = np.stack([xx.ravel() * 168 / 128, yy.ravel() * 192 / 128])
    return np.cov(places, aweights=weights)


def test_a_circle_stays_one_in_the_owners_proportions():
    yy, xx = np.mgrid[0:192, 0:168]
    distance = np.hypot(xx - 83.5, yy - 95.5)
    disc = (255 * (40.5 - distance).clip(0, 1)).astype(np.uint8)
    sample = stretched(np.repeat(disc[..., None], 3, axis=2), 43)
    degrade = Unaligned(1, rotation=[45, 45], translation=0.0, scale=[1, 1])
    exact = 40.0**2 / 4  # variance of a disc of radius 40, either way
    assert spread(degrade.degrade(sample, rng())) == pytest.approx(exact * np.eye(2), abs=4)
    sheared = spread(degrade(sample.hr, rng()))  # turned after the stretch, as without a border
    assert abs(sheared[0, 1]) > 40


@pytest.mark.parametrize(("angle", "scale"), [(45.0, 1.0), (-30.0, 0.8), (17.0, 0.9)])
def test_a_stretched_face_is_turned_as_opencv_turns_the_owners_photo(angle, scale):
    """Yale B: 278x254 pixels about the crop's centre, then the crop, then the stretch."""
    face = Image.fromarray(shipped_face().hr).resize((168, 192), Image.Resampling.BICUBIC)
    sample = stretched(np.asarray(face), 43)
    ranges = {"rotation": [angle] * 2, "translation": 0.0, "scale": [scale] * 2}
    lr = Unaligned(8, **ranges).degrade(sample, rng())
    centre = (43 + 84 - 0.5, 43 + 96 - 0.5)  # OpenCV counts from the first pixel's centre
    turn = cv2.getRotationMatrix2D(centre, angle, scale)
    turned = cv2.warpAffine(
        sample.border, turn, (254, 278), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    cut = Image.fromarray(turned[43:235, 43:211])
    wanted = np.asarray(cut.resize((16, 16), Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(lr - wanted).mean() < 1  # half of it: Pillow's transform cuts fractions off
    assert np.abs(Unaligned(8, **ranges)(sample.hr, rng()) - wanted).mean() > 2


def shipped_face():
    split = get_method("facesr_bench.datasets.synthface.split.read_archive")(SHIPPED, "studio")
    return split[0]


def test_lr_pixels_of_a_bordered_face_to_the_byte():
    """Another border on every side, and no reflection in it."""
    face = shipped_face()
    ramp = np.arange(44 + 17 + 9, dtype=np.uint8)[:, None]
    wide = np.broadcast_to(ramp, (64 + 12 + 15, *ramp.shape[:1], 3)).copy()
    wide[12:76, 9:53] = face.hr[:, 10:54]
    sample = Sample(face.key, hr=face.hr, border=wide, border_size=(12, 17, 15, 9))
    lr = fixed_lr(sample, Unaligned(4), 2020, "lr")
    assert lr.shape == (16, 16, 3)
    assert hash_images([(face.key, lr)])[:16] == "760c8aafb2a20f66"


def test_hr_is_needed_and_arguments_are_checked():
    with pytest.raises(ConfigError, match=r"translation=0\.7"):
        Unaligned(8, translation=0.7)
    with pytest.raises(ConfigError, match="rotation"):
        Unaligned(8, rotation=[45, -45])
    assert Unaligned(8).settings()["scale"] == [0.8, 1.0]
    assert Unaligned(8).downsample(None) is None
