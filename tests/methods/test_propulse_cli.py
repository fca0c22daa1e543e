"""Pro-PULSE through the real command line: all stages in one run, then scored at a side output."""

import json
from pathlib import Path

import pytest
import torch

from command_line import SMALL, Cli, record_of
from facesr_bench.evaluate.__main__ import main as evaluate
from facesr_bench.images import read_rgb
from methods.propulse_smoke import small_prior

LAST = sum(p.numel() for p in small_prior().network.synthesis.b64.parameters())
SIDE = ("data.hr_size=32", "data.factor=2", "data.source.identities={train: 2, val: 1, test: 3}")


def test_a_run_of_all_stages_and_a_side_output_of_it(cli: Cli, tmp_path: Path) -> None:
    torch.save({"state_dict": small_prior().network.state_dict()}, tmp_path / "prior.ckpt")
    prior = ("prior@method.prior=file", "method.prior.path=prior.ckpt")
    done = cli(
        "+method=propulse", *SMALL, *prior, "output_dir=out", "metrics=core", "side_outputs=all"
    )
    record = record_of(tmp_path / "out")
    assert "E_W+ 64" in done.stderr
    assert "levels off HR reduced by method.lr_operator" in done.stderr  # "wild" LR
    assert record["budget"]["images"] == record["budget"]["declared"] == 4 * 8
    assert record["loss_networks"] == ["synthface_identity"]
    assert record["n_images"] == 12
    assert 0 < record["metrics"]["psnr_rgb"]["value"] < 60
    assert any(entry["file"] == "prior.ckpt" for entry in record["weights"])
    # its image of 32 pixels is stored and scored at that side, by the same metrics
    assert set(record["side_outputs"]) == {"32"}
    images = sorted((tmp_path / "out" / "sr_32").rglob("*.png"))
    assert len(images) == 12 and read_rgb(images[0]).shape == (32, 32, 3)
    assert 0 < record["metrics"]["psnr_rgb_32px"]["value"] < 60
    columns = (tmp_path / "out" / "per_image.csv").read_text().splitlines()[0].split(",")
    assert {"psnr_rgb", "psnr_rgb_32px"} <= set(columns)
    # scored again from the stored images, both sides come out the same
    evaluate([str(tmp_path / "out"), "--metrics", "psnr_rgb", "ssim_rgb"])
    again = record_of(tmp_path / "out")
    assert {"psnr_rgb", "psnr_rgb_32px", "ssim_rgb_32px"} <= set(again["rescored"][0]["metrics"])
    for key in ("psnr_rgb", "psnr_rgb_32px"):
        assert again["metrics"][key]["value"] == pytest.approx(record["metrics"][key]["value"])
    assert json.dumps(again["side_outputs"]) == json.dumps(record["side_outputs"])
    # and the network alone, as a method of that side
    checkpoint = "ckpt=out/checkpoints/last.ckpt"
    cli("+method=propulse", *SMALL, *SIDE, *prior, checkpoint, "stage=test",
        "output_dir=side", "metrics=core")  # fmt: skip
    side = record_of(tmp_path / "side")
    # a branch in the place of the last block
    assert side["cost"]["params"] - record["cost"]["params"] == 8 * 128 + 128 + 8256 + 195 - LAST
    assert side["origin"] == "trained here"
