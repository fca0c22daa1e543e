"""Checkpoints of chosen epochs, and what is measured of each."""

from pathlib import Path

import pytest
import torch

from command_line import SMALL, Cli, record_of
from facesr_bench.checkpoints import read_checkpoint
from metrics.fabricated import FabricatedWeights, inception

TRAIN = 32
"""HR images to train on: an epoch."""


def test_fid_of_kept_epochs(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))
    FabricatedWeights(tmp_path / "fabricated", monkeypatch).put("fid_inception", inception)
    scgan = ("+method=scgan", *SMALL)
    fitted = cli(
        *scgan, "stage=fit", "output_dir=run", "keep_epochs=[1, 2, 9]", f"images={2 * TRAIN}",
        "method.budget.batch_size=12", "method.budget.short_last_batch=true", "method.lr=0.01",
    )  # fmt: skip
    said = " ".join((fitted.stdout + fitted.stderr).split())
    assert "keep_epochs: this run ends before epoch 9 does" in said
    checkpoints = tmp_path / "run" / "checkpoints"
    assert sorted(path.name for path in checkpoints.iterdir()) == [
        "epoch-1.ckpt",
        "epoch-2.ckpt",
        "last.ckpt",
    ]
    found = []
    for epoch in (1, 2):
        file = checkpoints / f"epoch-{epoch}.ckpt"
        assert read_checkpoint(file)["images_seen"] == epoch * TRAIN
        cli(
            *scgan, "stage=test", f"ckpt={file}", "+measure@metrics.measures.fid_kid=fid_kid",
            "metrics.only=[fid_kid]", "metrics.allow_small=true", f"output_dir=at{epoch}",
        )  # fmt: skip
        record = record_of(tmp_path / f"at{epoch}")
        (key,) = (name for name in record["metrics"] if name.startswith("fid_n12@"))
        found.append(record["metrics"][key]["value"])
        assert record["trained_on"][-1]["images"] == epoch * TRAIN
    assert found[0] != found[1]
    assert all(value > 0 for value in found)


def test_a_kept_epoch_is_the_training_as_it_stood(cli: Cli, tmp_path: Path) -> None:
    words = ("+method=scgan", *SMALL, "stage=fit")
    cli(*words, "output_dir=long", "keep_epochs=[1]", f"images={2 * TRAIN}")
    cli(*words, "output_dir=short", f"images={TRAIN}")
    kept = read_checkpoint(tmp_path / "long" / "checkpoints" / "epoch-1.ckpt")["state_dict"]
    ended = read_checkpoint(tmp_path / "short" / "checkpoints" / "last.ckpt")["state_dict"]
    assert all(torch.equal(kept[name], ended[name]) for name in ended)


def test_what_is_no_epoch_is_refused(cli: Cli) -> None:
    said = cli("+method=scgan", *SMALL, "stage=fit", "keep_epochs=[0]", check=False)
    assert said.returncode == 1
    assert "keep_epochs is a list of epochs, counted from 1, not 0." in said.stderr
