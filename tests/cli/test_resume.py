"""Stopped and resumed equals uninterrupted, to the bit."""

import re
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from command_line import SMALL, Cli, record_of
from facesr_bench.cli import main
from forked import Forked, completed

IMAGES = 96
RUN = ("+method=scgan", *SMALL, f"images={IMAGES}", "metrics=none")


def state(folder: Path) -> dict[str, torch.Tensor]:
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["images_seen"] == IMAGES
    weights: dict[str, torch.Tensor] = content["state_dict"]
    return weights


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    done = completed([*RUN, "output_dir=out"], folder)
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_prints_the_command_that_ends_it_equal(
    number: signal.Signals, whole: Path, cli: Cli, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    run = Forked(lambda: main([*RUN, "output_dir=stopped"]), tmp_path / "said.txt", tmp_path)
    checkpoint = stopped / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send(number)
    assert run.wait() == 130, run.said
    assert "Traceback" not in run.said
    content: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    assert 0 < content["images_seen"] < IMAGES, "stopped too late to test anything"
    command = re.search(r"python -m facesr_bench (.+)", run.said)
    assert command is not None, run.said

    cli(*shlex.split(command[1]))
    resumed, uninterrupted = state(stopped), state(whole)
    assert resumed.keys() == uninterrupted.keys()
    for name, value in uninterrupted.items():
        assert torch.equal(resumed[name], value), name
    one, two = record_of(stopped), record_of(whole)
    assert one["sr_hash"] == two["sr_hash"]
    assert one["trained_on"] == two["trained_on"]
