"""Every YAML in conf/degradation builds a degradation that follows data.factor."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from facesr_bench.degradations.base import Degradation

CONF = Path(__file__).parents[2] / "conf" / "degradation"


@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("*.yaml")))
@pytest.mark.parametrize("factor", [2, 8])
def test_builds_and_runs(name, factor):
    config = OmegaConf.create({"data": {"factor": factor}})
    with initialize_config_dir(str(CONF.parent), version_base="1.3"):
        config.data.degradation = compose(f"degradation/{name}").degradation
    degrade: Degradation = instantiate(config.data.degradation)
    lr = degrade(np.zeros((32, 48, 3), np.uint8), np.random.default_rng(0))
    assert lr.shape == (32 // factor, 48 // factor, 3)
    assert degrade.settings()["factor"] == factor
    # Settings go into a hash as JSON: no lists of OmegaConf, no numpy numbers.
    assert all(
        type(v) in {int, float, str, bool, list, type(None)} for v in degrade.settings().values()
    )


def test_there_are_all_that_protocols_name():
    expected = {
        "area", "bicubic", "bicubic_matlab", "bicubic_of_whole", "bicubic_pulse", "bilinear",
        "dap_unaligned", "pan_online", "pan_online_lr", "scgan_complex", "scgan_simple", "wild",
    }  # fmt: skip
    assert expected <= {path.stem for path in CONF.glob("*.yaml")}


def test_complex_is_the_papers_and_wild_is_milder():
    complex_, wild = (OmegaConf.load(CONF / f"{name}.yaml") for name in ("scgan_complex", "wild"))
    assert (complex_.blur, complex_.noise, complex_.jpeg) == ([0.5, 8], [1, 25], [30, 95])
    assert complex_.exposure is None
    assert (wild.blur, wild.noise, wild.jpeg) == ([0.5, 3], [1, 15], [40, 95])
