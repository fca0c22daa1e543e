"""Stopped and resumed equals uninterrupted, to the bit."""

import os
import re
import shlex
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from command_line import SMALL, Cli, record_of
from forked import completed

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


def signal_once_saved(number: signal.Signals) -> None:
    """The signal comes right after the first checkpoint, however busy the machine is."""
    save = pl.Trainer.save_checkpoint

    def saved(trainer: pl.Trainer, *words: Any, **more: Any) -> None:
        pl.Trainer.save_checkpoint = save  # type: ignore[method-assign]
        save(trainer, *words, **more)
        os.kill(os.getpid(), number)

    pl.Trainer.save_checkpoint = saved  # type: ignore[method-assign]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_prints_the_command_that_ends_it_equal(
    number: signal.Signals, whole: Path, cli: Cli, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    run = completed(
        [*RUN, "output_dir=stopped"], tmp_path, plant=partial(signal_once_saved, number)
    )
    said = run.stdout + run.stderr
    assert run.returncode == 130, said
    assert "Traceback" not in said
    checkpoint = stopped / "checkpoints" / "last.ckpt"
    content: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    assert 0 < content["images_seen"] < IMAGES, "stopped too late to test anything"
    command = re.search(r"python -m facesr_bench (.+)", said)
    assert command is not None, said

    cli(*shlex.split(command[1]))
    resumed, uninterrupted = state(stopped), state(whole)
    assert resumed.keys() == uninterrupted.keys()
    for name, value in uninterrupted.items():
        assert torch.equal(resumed[name], value), name
    one, two = record_of(stopped), record_of(whole)
    assert one["sr_hash"] == two["sr_hash"]
    assert one["trained_on"] == two["trained_on"]
