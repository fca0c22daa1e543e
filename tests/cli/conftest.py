"""Shared by tests that call commands in this process."""

from pathlib import Path

import pytest

from command_line import SMALL, restored_surroundings
from facesr_bench.cli import main as front_door
from facesr_bench.weights.registry import CONF_VARIABLE


@pytest.fixture
def own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands write below tmp_path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CONF_VARIABLE, "")


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SCGAN, trained for two steps, on twelve faces in batches of three."""
    out = tmp_path_factory.mktemp("run") / "out"
    words = ["+method=scgan", *SMALL, "images=16", "data.test_batch_size=3", f"output_dir={out}"]
    with restored_surroundings():
        assert front_door(words) == 0
    return out
