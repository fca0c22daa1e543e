"""Two processes by the real command line; that they train alike: methods/test_training_ranks.py."""

from pathlib import Path

import torch

from command_line import TINY, Cli, record_of
from forked import two_ranks

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


def test_two_ranks_score_like_one(cli: Cli, fresh_cli: Cli, tmp_path: Path) -> None:
    odd = "data.source.identities={train: 8, train_lr: 8, test: 7}"
    run = ("+method=bicubic", *TINY, odd, "data.source.photos.test=1", "data.test_batch_size=3")
    cli(*run, "trainer=cpu", "output_dir=one")
    fresh_cli(*run, *TWO, "output_dir=two")
    one, two = record_of(tmp_path / "one"), record_of(tmp_path / "two")
    assert one["n_images"] == two["n_images"] == 7
    assert one["sr_hash"] == two["sr_hash"]
    assert {k: m["value"] for k, m in one["metrics"].items()} == {
        k: m["value"] for k, m in two["metrics"].items()
    }
    csv = [(tmp_path / name / "per_image.csv").read_bytes() for name in ("one", "two")]
    assert csv[0] == csv[1]


def test_a_gan_trains_on_two_ranks(tmp_path: Path) -> None:
    """Manual optimisation with several backward passes needs the right DDP setting; none is given."""
    run = ["+method=scgan", *TINY, "images=32", "metrics=none", "output_dir=two"]
    for rank in two_ranks(run, tmp_path):
        assert rank.wait() == 0, rank.said
    content = torch.load(tmp_path / "two" / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["images_seen"] == 32
    assert record_of(tmp_path / "two")["n_images"] == 12


def test_a_batch_two_ranks_cannot_share_is_refused(tmp_path: Path) -> None:
    run = ["+method=scgan", *TINY, "method.budget.batch_size=5", "output_dir=two"]
    for rank in two_ranks(run, tmp_path):
        assert rank.wait() != 0
        assert "2 processes cannot share evenly" in rank.said
