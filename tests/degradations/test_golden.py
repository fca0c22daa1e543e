"""LR pixels of every degradation, to the byte: a protocol's numbers hang on them."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_method, instantiate
from omegaconf import OmegaConf

from facesr_bench.data import Sample
from facesr_bench.degradations.resizing import pillow_resize
from facesr_bench.images import hash_images
from facesr_bench.stream import fixed_lr

ROOT = Path(__file__).parents[2]
GOLDEN = {
    "area": "130e50ce72f96923",
    "bicubic": "877cda3019a60b47",
    "bicubic_matlab": "af8b199d1c19ea9c",
    "bicubic_of_whole": "4ae27039ac9a643b",
    "bicubic_pulse": "b4d846cd11c89a6d",
    "bilinear": "73827a8edb592a82",
    "dap_unaligned": "0afbb13434aa62e6",
    "pan_online": "3a3ed1f62f4da1d1",
    "pan_online_lr": "39d7c8241d513b16",
    "scgan_complex": "dc21b16b6dfa7ced",
    "scgan_simple": "73827a8edb592a82",
    "wild": "dfae79fba3f6e763",
}


def faces():
    """Eight of the shipped test faces: PNG files, so the same bytes everywhere."""
    read = get_method("facesr_bench.datasets.synthface.split.read_archive")
    split = read(ROOT / "datasets" / "synthface" / "tiny_test.zip", "studio")
    return [Sample(key, hr=split[i].hr) for i, key in enumerate(list(split.keys)[:8])]


@pytest.fixture(scope="module")
def samples():
    return faces()


def degradation(name, factor=4):
    config = OmegaConf.create({"data": {"factor": factor}})
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config.data.degradation = compose(f"degradation/{name}").degradation
    return instantiate(config.data.degradation)


def pooled(sample):
    """As a prepared split with ``pool: 2`` hands it out."""
    half = pillow_resize(sample.hr, (sample.hr.shape[0] // 2, sample.hr.shape[1] // 2), "box")
    return Sample(sample.key, hr=half, border=sample.hr)


def digest(name, samples):
    made = degradation(name)
    if name == "bicubic_of_whole":
        samples = [pooled(sample) for sample in samples]
    return hash_images((s.key, fixed_lr(s, made, 2020, "lr")) for s in samples)


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "conf/degradation").glob("*.yaml")))
def test_lr_pixels(name, samples):
    assert digest(name, samples)[:16] == GOLDEN[name]


def test_no_two_degradations_give_the_same_lr_but_the_alias():
    assert GOLDEN["scgan_simple"] == GOLDEN["bilinear"]
    others = [value for name, value in GOLDEN.items() if name != "scgan_simple"]
    assert len(set(others)) == len(others)
