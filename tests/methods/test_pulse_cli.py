"""PULSE through the real command line: killed half-way, it goes on and ends as if nothing had been."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from command_line import SMALL, Cli, record_of
from facesr_bench import store
from facesr_bench.nets.stylegan2 import StyleGAN2
from forked import completed


def columns(folder: Path) -> list[dict[str, str]]:
    """Findings but for the time they took."""
    with (folder / "per_image.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def kill_after_five_images() -> None:
    """In the middle of the third batch of two."""
    write, written = store.write_atomically, []

    def write_and_die(path: Path, *words: Any, **more: Any) -> None:
        write(path, *words, **more)
        written.append(path)
        if len(written) == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    store.write_atomically = write_and_die


def test_a_killed_evaluation_goes_on_with_the_next_batch(cli: Cli, tmp_path: Path) -> None:
    torch.manual_seed(0)
    prior = {k: v.contiguous() for k, v in StyleGAN2(64, 16, 16, 2, 512, 16).state_dict().items()}
    save_file(prior, tmp_path / "prior.safetensors")
    run = (
        "+method=pulse", *SMALL, "metrics=none", "prior@method.prior=file",
        f"method.prior.path={tmp_path / 'prior.safetensors'}", "method.batch_size=2",
        "method.steps=30", "method.fit_samples=20000",
    )  # fmt: skip
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    done = completed([*run, "output_dir=killed"], tmp_path, plant=kill_after_five_images)
    assert done.returncode == -signal.SIGKILL, done.stderr
    before = {p: p.stat().st_mtime_ns for p in (killed / "sr").rglob("*.png")}
    assert len(before) == 5, done.stderr
    assert not (killed / "result.json").exists()

    said = cli(*run, "output_dir=killed").stderr
    cli(*run, "output_dir=whole")
    kept = sorted(p for p, then in before.items() if p.stat().st_mtime_ns == then)
    assert len(kept) == 4  # half a batch is made again
    assert f"{len(kept)} of 12 SR images are there from an earlier attempt" in said
    one, two = record_of(killed), record_of(whole)
    assert one["sr_hash"] == two["sr_hash"]
    assert columns(killed) == columns(whole) and len(columns(whole)) == 12
    for name in ("converged", "lr_mse", "best_lr_mse", "loss"):
        assert one["findings"][name] == two["findings"][name]
        assert one["findings"][name]["n"] == 12
    for key in ("trained_on", "weights", "protocol", "n_images"):
        assert one[key] == two[key]
    assert two["weights"][0]["role"] == "prior"
    assert two["cost"]["batch"] == 2
    assert two["prior"]["family"] == "stylegan2" and two["prior"]["resolution"] == 64
    assert "Images restored at once: 2." in said
