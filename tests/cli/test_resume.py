"""Stopped and resumed equals uninterrupted, to the bit."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from command_line import SMALL, Cli, record_of

RUN = ("+method=scgan", *SMALL, "images=320", "metrics=none")


def state(folder: Path) -> dict[str, torch.Tensor]:
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["images_seen"] == 320
    return content["state_dict"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_prints_the_command_that_ends_it_equal(
    number: signal.Signals, cli: Cli, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "facesr_bench", *RUN, "output_dir=stopped"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    checkpoint = tmp_path / "stopped" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    content = torch.load(checkpoint, weights_only=True)
    assert 0 < content["images_seen"] < 320, "stopped too late to test anything"
    command = re.search(r"python -m facesr_bench (.+)", said)
    assert command is not None, said

    cli(*shlex.split(command[1]))
    cli(*RUN, "output_dir=whole")
    resumed, whole = state(tmp_path / "stopped"), state(tmp_path / "whole")
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name
    one, two = record_of(tmp_path / "stopped"), record_of(tmp_path / "whole")
    assert one["sr_hash"] == two["sr_hash"]
    assert one["trained_on"] == two["trained_on"]
