"""Pro-PULSE through the real command line: all stages in one run, then scored at a side output."""

from pathlib import Path

import torch

from command_line import SMALL, Cli, record_of
from methods.propulse_smoke import small_prior

LAST = sum(p.numel() for p in small_prior().network.synthesis.b64.parameters())
SIDE = ("data.hr_size=32", "data.factor=2", "data.source.identities={train: 2, val: 1, test: 3}")


def test_a_run_of_all_stages_and_a_side_output_of_it(cli: Cli, tmp_path: Path) -> None:
    torch.save({"state_dict": small_prior().network.state_dict()}, tmp_path / "prior.ckpt")
    prior = ("prior@method.prior=file", "method.prior.path=prior.ckpt")
    done = cli("+method=propulse", *SMALL, *prior, "output_dir=out", "metrics=core")
    record = record_of(tmp_path / "out")
    assert "E_W+ 64" in done.stderr
    assert record["budget"]["images"] == record["budget"]["declared"] == 4 * 8
    assert record["loss_networks"] == []
    assert record["n_images"] == 12
    assert 0 < record["metrics"]["psnr_rgb"]["value"] < 60
    assert (tmp_path / "out" / "images" / "grid.png").is_file()
    checkpoint = "ckpt=out/checkpoints/last.ckpt"
    cli("+method=propulse", *SMALL, *SIDE, *prior, checkpoint, "stage=test",
        "output_dir=side", "metrics=core")  # fmt: skip
    side = record_of(tmp_path / "side")
    # a branch in the place of the last block
    assert side["cost"]["params"] - record["cost"]["params"] == 8 * 128 + 128 + 8256 + 195 - LAST
    assert side["origin"] == "trained here"
