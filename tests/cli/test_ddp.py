"""Two processes on the CPU: the same test numbers, and training that agrees with one process."""

from pathlib import Path

import torch

from command_line import TINY, Cli, record_of

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


def test_two_ranks_score_like_one(cli: Cli, tmp_path: Path) -> None:
    odd = "data.source.identities={train: 8, train_lr: 8, test: 7}"
    run = ("+method=bicubic", *TINY, odd, "data.source.photos.test=1", "data.test_batch_size=3")
    cli(*run, "trainer=cpu", "output_dir=one")
    cli(*run, *TWO, "output_dir=two")
    one, two = record_of(tmp_path / "one"), record_of(tmp_path / "two")
    assert one["n_images"] == two["n_images"] == 7
    assert one["sr_hash"] == two["sr_hash"]
    assert {k: m["value"] for k, m in one["metrics"].items()} == {
        k: m["value"] for k, m in two["metrics"].items()
    }
    csv = [(tmp_path / name / "per_image.csv").read_bytes() for name in ("one", "two")]
    assert csv[0] == csv[1]


def test_a_gan_trains_on_two_ranks(cli: Cli, tmp_path: Path) -> None:
    """Manual optimisation with several backward passes needs the right DDP setting; none is given."""
    cli("+method=scgan", *TINY, *TWO, "images=32", "metrics=none", "output_dir=two")
    content = torch.load(tmp_path / "two" / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["images_seen"] == 32
    assert record_of(tmp_path / "two")["n_images"] == 12


def test_a_batch_two_ranks_cannot_share_is_refused(cli: Cli) -> None:
    done = cli(
        "+method=scgan", *TINY, *TWO, "method.budget.batch_size=5", check=False, timeout=120
    )  # fmt: skip
    assert done.returncode != 0
    assert "2 processes cannot share evenly" in done.stderr


PAN = ("+method=pan", *TINY, "images=28", "stage=fit", "metrics=none")
"""Seven steps of four images: every phase gets one."""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["images_seen"] == 28
    state: dict[str, torch.Tensor] = content["state_dict"]
    return state


def test_pan_trains_alike_on_one_rank_and_two(cli: Cli, tmp_path: Path) -> None:
    """With a distance, whose losses and gradients do not depend on how a batch is shared."""
    cli(*PAN, "method.objective=l1", "trainer=cpu", "output_dir=one")
    cli(*PAN, "method.objective=l1", *TWO, "output_dir=two")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=0, msg=name)


def test_pans_gan_trains_on_two_ranks(cli: Cli, tmp_path: Path) -> None:
    """Layers of later stages have no gradient yet, which DDP must be told to expect."""
    cli(*PAN, *TWO, "output_dir=two")
    state = weights(tmp_path / "two")
    assert all(torch.isfinite(value).all() for value in state.values())
    assert any(name.startswith("D.") for name in state)
