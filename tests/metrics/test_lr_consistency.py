"""LR consistency on cases with an answer on paper."""

import math

import pytest
import torch
from torch.nn import functional

from facesr_bench.errors import DataError
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.lr_consistency import LRL2, LRPSNR
from facesr_bench.resize import resize


def box(images):
    return functional.avg_pool2d(images, 4)


def batch(offset=3, side=32):
    lr = torch.randint(20, 200, (2, 3, 8, 10), dtype=torch.uint8)
    sr = lr.repeat_interleave(side // 8, 2).repeat_interleave(side // 8, 3) + offset
    return ScoreBatch(["a", "b"], sr, None, lr, [None, None])


def values(metric, images):
    metric.update(images)
    found = metric.results(Intervals(replicates=0))
    assert tuple(found) == metric.keys
    return {key: value.value for key, value in found.items()}


def test_a_constant_offset_with_the_protocols_operator():
    assert values(LRL2(box), batch())["lr_l2"] == pytest.approx((3 / 255) ** 2, rel=1e-5)
    expected = 20 * math.log10(255 / 3)
    assert values(LRPSNR(box), batch())["lr_psnr"] == pytest.approx(expected, abs=1e-4)


def test_the_downsampled_image_is_not_rounded():
    images = batch(offset=0)
    images.sr[:, :, ::4, ::4] += (
        4  # a quarter of a grey level after the box: rounding would hide it
    )
    assert values(LRL2(box), images)["lr_l2"] == pytest.approx((0.25 / 255) ** 2, rel=1e-3)


@pytest.mark.parametrize("operator", [None, lambda images: None])
def test_bicubic_stands_in_and_the_key_says_so(operator):
    images = batch()
    found = values(metric := LRL2(operator), images)
    small = resize(images.sr.double() / 255, (8, 10))
    expected = torch.mean((small - images.lr / 255.0) ** 2).item()
    assert found == {"lr_l2_bicubic": pytest.approx(expected, rel=1e-4)}
    assert metric.settings()["operator"] == "antialiased bicubic"
    assert LRL2(box).settings()["operator"] != metric.settings()["operator"]


def test_the_batch_size_cannot_move_a_bit():
    images = batch()
    whole, single = LRPSNR(), LRPSNR()
    whole.update(images)
    for i in range(2):
        single.update(
            ScoreBatch([images.keys[i]], images.sr[i : i + 1], None, images.lr[i : i + 1], [None])
        )
    assert whole.per_image() == single.per_image()


def test_an_operator_of_another_factor_is_refused():
    with pytest.raises(DataError, match=r"makes 4x5 pixels .* of 16x20, but its LR has 8x10"):
        values(LRL2(box), batch(side=16))
