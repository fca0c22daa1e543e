"""PULSE's and MATLAB's bicubic against literal builds of both, and against torch's in the interior."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from facesr_bench.degradations.mirrored import (
    MatlabBicubic,
    PulseBicubic,
    keys,
    matlab_matrix,
    pulse_matrix,
)
from facesr_bench.errors import ConfigError

RNG = np.random.default_rng(0)


def noise(side):
    return np.random.default_rng(side).uniform(size=(side, side))


def literal_pulse(image, f):
    """BicubicDownSample as its description reads: pad, convolve with stride, rows first."""
    taps = keys((np.arange(4 * f) - 2 * f + 0.5) / f)
    taps = torch.from_numpy(taps / taps.sum())
    pad = (3 * f) // 2
    after = 3 * f - pad
    x = torch.from_numpy(image)[None, None]
    x = F.conv2d(F.pad(x, (0, 0, pad, after), "reflect"), taps[None, None, :, None], stride=(f, 1))
    x = F.conv2d(F.pad(x, (pad, after, 0, 0), "reflect"), taps[None, None, None, :], stride=(1, f))
    return x[0, 0].numpy()


def literal_matlab(line, f):
    """imresize of one column, pixel by pixel, with indices that start at 1."""
    n, out = len(line), []
    for i in range(1, n // f + 1):
        u = i * f + 0.5 * (1 - f)
        total = weight_sum = 0.0
        for j in range(int(np.floor(u - 2 * f)), int(np.floor(u - 2 * f)) + 4 * f + 2):
            weight = float(keys(np.array((u - j) / f)))
            k = j  # the auxiliary index 1, 2 ... n, n ... 2, 1 repeated
            while not 1 <= k <= n:
                k = 1 - k if k < 1 else 2 * n + 1 - k
            total, weight_sum = total + weight * line[k - 1], weight_sum + weight
        out.append(total / weight_sum)
    return np.array(out)


@pytest.mark.parametrize(
    ("side", "factor"), [(64, 4), (64, 8), (128, 8), (30, 2), (30, 3), (125, 5), (16, 1)]
)
def test_pulse_equals_the_literal_operator(side, factor):
    image, matrix = noise(side), pulse_matrix(side, factor)
    np.testing.assert_allclose(matrix @ image @ matrix.T, literal_pulse(image, factor), atol=1e-12)


@pytest.mark.parametrize(("side", "factor"), [(64, 4), (16, 8), (30, 3)])
def test_matlab_equals_the_literal_operator(side, factor):
    line = noise(side)[0]
    expected = literal_matlab(line, factor)
    np.testing.assert_allclose(matlab_matrix(side, factor) @ line, expected, atol=1e-12)


@pytest.mark.parametrize("make", [pulse_matrix, matlab_matrix])
def test_the_interior_is_torchs_antialiased_bicubic_and_the_border_is_not(make):
    image, matrix = noise(64), make(64, 4)
    ours = matrix @ image @ matrix.T
    torchs = F.interpolate(
        torch.from_numpy(image)[None, None], (16, 16), mode="bicubic", antialias=True
    )[0, 0].numpy()
    gap = np.abs(ours - torchs)
    assert gap[2:-2, 2:-2].max() < 1e-6
    assert 1e-3 < gap.max() < 0.06
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("kind", [PulseBicubic, MatlabBicubic])
def test_8_bits_and_the_operator_for_lr_consistency(kind):
    image = np.random.default_rng(1).integers(0, 256, (32, 24, 3), np.uint8)
    degrade = kind(4)
    lr = degrade(image, RNG)
    assert lr.shape == (8, 6, 3) and lr.dtype == np.uint8
    floats = degrade.downsample(torch.from_numpy(image).permute(2, 0, 1)[None].double())
    unrounded = floats[0].permute(1, 2, 0).numpy().clip(0, 255)
    assert np.abs(lr - unrounded).max() <= (0.5 + 1e-9 if kind is PulseBicubic else 1.5)
    assert degrade.settings()["kind"] != PulseBicubic(4).settings()["kind"] or kind is PulseBicubic


def test_too_small_to_be_reflected():
    with pytest.raises(ConfigError, match="reflects 12 pixels"):
        PulseBicubic(8)(np.zeros((8, 8, 3), np.uint8), RNG)
    with pytest.raises(ConfigError, match="reflects 5 pixels"):
        PulseBicubic(3)(np.zeros((3, 3, 3), np.uint8), RNG)


def test_pulses_lr_files_are_truncated():
    """As torchvision's ToPILImage makes them of floats; half of all values are a level lower."""
    image = np.random.default_rng(2).integers(0, 256, (64, 96, 3), np.uint8)
    degrade = PulseBicubic(4, quantise="truncate")
    lr, rounded = degrade(image, RNG), PulseBicubic(4)(image, RNG)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].double().div(255)
    official = degrade.downsample(x).clamp(0, 1).mul(255).byte()[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(lr, official)
    assert set(np.unique(rounded.astype(int) - lr)) == {0, 1}
    assert (rounded != lr).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("level", [0, 1, 100, 254, 255])
@pytest.mark.parametrize("factor", [3, 4, 16])
def test_a_flat_area_keeps_its_level_when_truncated(level, factor):
    flat = np.full((48, 48, 3), level, np.uint8)
    assert (PulseBicubic(factor, "truncate")(flat, RNG) == level).all()


def test_how_pulse_comes_to_8_bits_is_part_of_the_protocol():
    truncating = PulseBicubic(4, "truncate")
    assert truncating.settings() == {"kind": "pulse bicubic", "factor": 4, "quantise": "truncate"}
    assert truncating.at_factor(2).settings() == PulseBicubic(2, "truncate").settings()
    assert PulseBicubic(4).settings() == {
        "kind": "pulse bicubic",
        "factor": 4,
    }  # as old records say
    with pytest.raises(ConfigError, match="Choose one of truncate, round"):
        PulseBicubic(4, "floor")


def test_odd_factors_as_officially():
    image = np.random.default_rng(3).integers(0, 256, (123, 87, 3), np.uint8)
    assert PulseBicubic(3, "truncate")(image, RNG).shape == (41, 29, 3)
