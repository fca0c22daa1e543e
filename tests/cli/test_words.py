"""Small things that the words of a command line decide."""

import pytest
from omegaconf import OmegaConf

from facesr_bench.cli import config_dirs
from facesr_bench.config import check_choices, plain, register_resolvers
from facesr_bench.errors import ConfigError


def test_every_folder_of_configuration_counts() -> None:
    words = ["--config-dir", "a", "-cd", "b", "--config-dir=c", "+method=x", "--config-dir=d=e"]
    assert config_dirs(words) == ["a", "b", "c", "d=e"]


@pytest.mark.parametrize(("scale", "width"), [("full", 256), ("slim", 256), ("smoke", 8)])
def test_a_scale_that_is_not_told_is_the_papers(scale: str, width: int) -> None:
    register_resolvers()
    config = OmegaConf.create({"scale": scale, "width": "${scale_of:{full: 256, smoke: 8}}"})
    assert plain(config)["width"] == width


def test_a_checkpoint_and_weights_to_start_from_exclude_each_other() -> None:
    chosen = {"stage": "fit", "scale": "full", "save_minutes": 10, "ckpt": None, "init": None}
    for one in ("ckpt", "init"):
        check_choices(chosen | {one: "file"})
    with pytest.raises(ConfigError, match="exclude each other"):
        check_choices(chosen | {"ckpt": "a", "init": "b"})
