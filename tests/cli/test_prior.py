"""A prior from training to a file, through the real command line."""

import json
from pathlib import Path

import torch
from PIL import Image

from command_line import SMALL, TINY, Cli
from facesr_bench.priors.sources import from_file
from forked import two_ranks


def test_train_ship_and_use_a_prior(cli: Cli, tmp_path: Path) -> None:
    """One command trains, without a test stage; the file made of it tells its story."""
    done = cli("+method=stylegan2", *SMALL, "images=32", "preview_every=16", "output_dir=run")
    run = tmp_path / "run"
    assert "Trained on 32 images" in done.stderr
    assert not (run / "result.json").exists()
    pictures = sorted(path.name for path in (run / "images").iterdir())
    assert pictures == ["preview_000000016.png", "preview_000000032.png"]
    with Image.open(run / "images" / pictures[1]) as picture:
        assert picture.size == (512, 512)

    cli("prior", "ship", "run/checkpoints/last.ckpt", "--out", "mine.safetensors")
    card = json.loads((tmp_path / "mine.json").read_text())
    assert card["resolution"] == 64
    (trained,) = card["trained_on"]
    assert trained.pop("sources")[0]["identities"]["train"] == 8  # what was changed for this run
    assert trained == {"data": "tiny", "version": 1, "seed": 2020, "images": 32}
    prior = from_file(str(tmp_path / "mine.safetensors"))
    ws = torch.randn(1, prior.network.num_codes, prior.network.w_dim)
    assert prior.network.synthesis(ws).shape == (1, 3, 64, 64)


def test_a_prior_has_no_test_stage(cli: Cli) -> None:
    done = cli("+method=stylegan2", *SMALL, "stage=test", "ckpt=x.ckpt", check=False)
    assert done.returncode != 0
    assert "does not super-resolve" in done.stderr


def test_a_prior_trains_on_two_ranks(tmp_path: Path) -> None:
    """Both penalties take second gradients; path lengths and the mean code are those of all ranks."""
    for rank in two_ranks(["+method=stylegan2", *TINY, "images=32", "output_dir=two"], tmp_path):
        assert rank.wait() == 0, rank.said
    content = torch.load(tmp_path / "two" / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["images_seen"] == 32
    assert all(v.isfinite().all() for v in content["state_dict"].values())
    assert content["state_dict"]["generator.mapping.w_avg"].abs().sum() > 0
