"""Interpolation equals Pillow, at every kernel and factor, for images that are not square too."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from PIL import Image

from facesr_bench.errors import ConfigError
from facesr_bench.resize import KERNELS, resize

CONF = Path(__file__).parents[2] / "conf" / "method"
Interpolation = get_class("facesr_bench.methods.bicubic.Interpolation")


def plane(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).random((height, width)).astype(np.float32)


def pillow(image: np.ndarray, height: int, width: int, kernel: str) -> np.ndarray:
    return np.array(
        Image.fromarray(image).resize((width, height), Image.Resampling[kernel.upper()])
    )


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("size", [(16, 16), (12, 20), (7, 5)])
def test_equals_pillow_in_float(kernel, factor, size):
    lr = np.stack([plane(*size) * scale for scale in (1.0, 0.7, 0.3)])
    sr = Interpolation(kernel, factor).super_resolve(torch.from_numpy(lr)[None])[0].numpy()
    for channel, result in zip(lr, sr, strict=True):
        expected = pillow(channel, size[0] * factor, size[1] * factor, kernel).clip(0, 1)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_within_one_level_of_pillow_in_8_bits(kernel, factor):
    # Contrast that cannot overshoot 8 bits: Pillow clips between its passes, we do not.
    lr = np.rint(plane(16, 24) * 95 + 80).astype(np.uint8)
    batch = torch.from_numpy(lr / np.float32(255)).expand(1, 3, 16, 24)
    sr = Interpolation(kernel, factor).super_resolve(batch)[0, 0].mul(255).round().numpy()
    assert np.abs(sr - pillow(lr, 16 * factor, 24 * factor, kernel)).max() <= 1


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [((64, 48), (16, 12)), ((96, 72), (32, 24)), ((50, 30), (17, 13))])
def test_reducing_equals_pillow_too(kernel, size):
    image = plane(*size[0])
    reduced = resize(torch.from_numpy(image)[None, None], size[1], kernel)[0, 0].numpy()
    np.testing.assert_allclose(reduced, pillow(image, *size[1], kernel), rtol=0, atol=1e-6)


def test_overshoot_is_clamped():
    step = torch.zeros(1, 3, 8, 8)
    step[..., 4:] = 1.0
    assert resize(step, (32, 32), "bicubic").max() > 1.01
    sr = Interpolation("bicubic", 4).super_resolve(step)
    assert sr.min() == 0.0
    assert sr.max() == 1.0


def test_the_harness_may_run_it_without_training():
    method = Interpolation("lanczos", 4)
    assert not method.trainable
    assert sum(p.numel() for m in method.inference_modules() for p in m.parameters()) == 0
    method.check_sizes((16, 12), (64, 48))
    with pytest.raises(ConfigError, match="enlarges by 4"):
        method.check_sizes((16, 16), (128, 128))
    batch = {"lr": torch.rand(2, 3, 16, 12), "key": ["a", "b"]}
    assert method.test_step(batch, 0).shape == (2, 3, 64, 48)


@pytest.mark.parametrize("arguments", [{"kernel": "cubic"}, {"factor": 0}, {"factor": 1.5}])
def test_bad_arguments_are_refused_in_a_sentence(arguments):
    with pytest.raises(ConfigError, match=r"is not one of|must be a whole number"):
        Interpolation(**arguments)


@pytest.mark.parametrize("name", ["bicubic", "nearest", "lanczos"])
def test_config_builds_the_kernel_it_is_named_after(name):
    config = OmegaConf.create({"data": {"factor": 8}})
    config.method = OmegaConf.load(CONF / f"{name}.yaml")
    assert config.method.pop("name") == name
    method = instantiate(config.method)
    assert (method.kernel, method.factor) == (name, 8)
