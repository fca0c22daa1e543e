"""Where PAN's printed formula puts its blurs, and where our variant does."""

import cv2
import numpy as np
import pytest

from degradations.test_golden import degradation
from facesr_bench.degradations.online import Online
from facesr_bench.degradations.steps import Blur, Jpeg, MotionBlur, Noise, Reduce
from facesr_bench.errors import ConfigError
from facesr_bench.resize import resize_matrix

FACTOR, LENGTH = 4, 3


def reduced(image):
    down, across = (resize_matrix(n, n // FACTOR, "bicubic") for n in image.shape[:2])
    return np.einsum("oh,hwc,pw->opc", down, image, across)


def blurred(image, sigma):
    reach = int(np.ceil(4 * sigma))
    return cv2.GaussianBlur(
        image, (2 * reach + 1, 2 * reach + 1), sigma, borderType=cv2.BORDER_REFLECT_101
    )


@pytest.mark.parametrize("at", ["hr", "lr"])
def test_blurs_come_where_the_formula_has_them(at, monkeypatch):
    """J((x * k * b) reduced + n) with known k and b, n = 0 and hardly any JPEG."""
    lengths = []

    def draw(step, rng):
        lengths.append(step.length)
        return {"length": step.length[0], "angle": 0.0}

    monkeypatch.setattr(MotionBlur, "draw", draw)
    image = np.zeros((64, 96, 3))
    image[20:44:3, 30:70:7] = 255.0  # points: each order smears them differently
    fixed = {"blur": (0.3, 0.3), "motion": (LENGTH, LENGTH), "noise": (0, 0), "jpeg": (100, 100)}
    got = Online(FACTOR, p=1.0, motion_at=at, **fixed)(
        image.astype(np.uint8), np.random.default_rng(0)
    )
    soft = blurred(image, 0.3 * FACTOR)
    paper = reduced(horizontal_line(soft, LENGTH * FACTOR))
    ours = horizontal_line(reduced(soft), LENGTH)
    expected, other = (paper, ours) if at == "hr" else (ours, paper)
    assert lengths == [(12, 12)] if at == "hr" else lengths == [(3, 3)]
    assert np.abs(got - expected).mean() < 1.5
    assert np.abs(got - other).mean() > 2 * np.abs(got - expected).mean()


def horizontal_line(image, length):
    """Taps of a line of ``length`` pixels, each tap's share of it."""
    reach = int(np.ceil(length / 2))
    edges = np.clip(np.arange(-reach - 0.5, reach + 1.5), -length / 2, length / 2)
    kernel = np.diff(edges)[None] / length
    return cv2.filter2D(image, cv2.CV_64F, kernel, borderType=cv2.BORDER_REFLECT_101)


def test_the_order_of_the_steps_and_both_names():
    paper, ours = degradation("pan_online"), degradation("pan_online_lr")
    assert [type(s) for s in paper.steps()] == [Blur, MotionBlur, Reduce, Noise, Jpeg]
    assert [type(s) for s in ours.steps()] == [Blur, Reduce, MotionBlur, Noise, Jpeg]
    assert paper.settings() == ours.settings() | {"motion_at": "hr"}
    assert "motion_at" not in ours.settings()  # as old protocols have it
    with pytest.raises(ConfigError, match="motion_at='sr' is none of hr, lr"):
        Online(4, motion_at="sr")
