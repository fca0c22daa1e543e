"""Where PAN's printed formula puts its blurs, and where our variant does."""

import cv2
import numpy as np
import pytest

from degradations.test_golden import degradation
from facesr_bench.degradations.online import Online
from facesr_bench.degradations.steps import Blur, Jpeg, MotionBlur, Noise, Reduce
from facesr_bench.errors import ConfigError

FACTOR, LENGTH = 4, 3


def horizontal_line(image, length):
    """A line of ``length`` pixels along x, each of its points shared between its two pixels."""
    reach = int(np.ceil(length / 2))
    points = np.linspace(-length / 2, length / 2, 4001)
    taps = np.arange(-reach, reach + 1)
    kernel = np.maximum(0, 1 - np.abs(points - taps[:, None])).mean(1)[None]
    return cv2.filter2D(image, cv2.CV_64F, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


@pytest.mark.parametrize("at", ["hr", "lr"])
def test_blurs_come_where_the_formula_has_them(at, monkeypatch):
    """J((x * k * b) reduced + n) with a known b, hardly any k, n = 0 and hardly any JPEG.

    Every fourth pixel of a random image is kept, so that a blur before and one after are far apart.
    """
    monkeypatch.setattr(
        MotionBlur, "draw", lambda step, rng: {"length": step.length[0], "angle": 0.0}
    )
    grey = np.random.default_rng(1).integers(0, 256, (64, 96, 1)).astype(np.uint8)
    image = np.repeat(grey, 3, axis=2)
    fixed = {"blur": (0.01, 0.01), "motion": (LENGTH, LENGTH), "noise": (0, 0), "jpeg": (100, 100)}
    degrade = Online(FACTOR, p=1.0, motion_at=at, operator="nearest", **fixed)
    x = image.astype(np.float64)
    for step in degrade.steps():
        if not isinstance(step, Jpeg):
            x = step.apply(x, **step.draw(np.random.default_rng(0)))
    paper = horizontal_line(image.astype(np.float64), LENGTH * FACTOR)[2::FACTOR, 2::FACTOR]
    ours = horizontal_line(image[2::FACTOR, 2::FACTOR].astype(np.float64), LENGTH)
    expected, other = (paper, ours) if at == "hr" else (ours, paper)
    assert np.abs(x - expected).max() < 3  # lines are shared among taps a little differently
    assert np.abs(x - other).mean() > 10
    lr = degrade(image, np.random.default_rng(0))
    assert lr.shape == (16, 24, 3) and np.abs(lr - expected).mean() < 3


def test_the_order_of_the_steps_and_both_names():
    paper, ours = degradation("pan_online"), degradation("pan_online_lr")
    assert [type(s) for s in paper.steps()] == [Blur, MotionBlur, Reduce, Noise, Jpeg]
    assert [type(s) for s in ours.steps()] == [Blur, Reduce, MotionBlur, Noise, Jpeg]
    assert paper.settings() == ours.settings() | {"motion_at": "hr"}
    assert "motion_at" not in ours.settings()  # as old protocols have it
    with pytest.raises(ConfigError, match="motion_at='sr' is none of hr, lr"):
        Online(4, motion_at="sr")
