"""Shared by tests that call commands in this process."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import SMALL, restored_surroundings
from facesr_bench.cli import main as front_door
from facesr_bench.weights.registry import CONF_VARIABLE


@pytest.fixture
def own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands log and write below tmp_path, and leave nothing behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CONF_VARIABLE, "")
    root = logging.getLogger("facesr_bench")
    before = (root.level, root.propagate, list(root.handlers))
    yield
    root.setLevel(before[0])
    root.propagate, root.handlers = before[1], before[2]


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SCGAN, trained for two steps, on twelve faces in batches of three."""
    out = tmp_path_factory.mktemp("run") / "out"
    words = ["+method=scgan", *SMALL, "images=16", "data.test_batch_size=3", f"output_dir={out}"]
    with restored_surroundings():
        assert front_door(words) == 0
    return out
