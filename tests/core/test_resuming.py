"""The command printed after a stop: what it keeps of the first one's words, and what it must drop."""

from pathlib import Path

import pytest

from facesr_bench.resuming import how_to_resume

RUN = ["+method=scgan", "+data=tiny", "seed=3"]


def command(words: list[str], folder: Path) -> str:
    """The words after ``python -m facesr_bench``."""
    _, found = how_to_resume(words, folder).split("  python -m facesr_bench ")
    return found


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    return tmp_path


@pytest.mark.parametrize(
    "dropped",
    ["init=first.ckpt", "+init=first.ckpt", "ckpt=before.ckpt", "++ckpt=b.ckpt", "output_dir=old"],
)
def test_training_goes_on_from_the_checkpoint_alone(dropped: str, trained: Path) -> None:
    """``init=`` beside ``ckpt=`` would be refused, and the old ``ckpt=`` lies further back."""
    ends = f"ckpt={trained}/checkpoints/last.ckpt output_dir={trained}"
    assert command([*RUN, dropped, "images=9"], trained) == (
        f"+method=scgan +data=tiny seed=3 images=9 {ends}"
    )


def test_what_only_looks_like_it_is_kept(trained: Path) -> None:
    words = ["+method=propulse", "method.init=kaiming", "method.prior.ckpt=p", "+data.init=1"]
    assert command(words, trained).startswith(" ".join(words))


def test_images_made_so_far_are_enough(tmp_path: Path) -> None:
    """An evaluation keeps where its weights come from."""
    (tmp_path / "sr").mkdir()
    for weights in ("init=a.ckpt", "ckpt=a.ckpt"):
        words = [*RUN, "stage=test", weights, "output_dir=old"]
        expected = f"+method=scgan +data=tiny seed=3 stage=test {weights} output_dir={tmp_path}"
        assert command(words, tmp_path) == expected


def test_adaptation_keeps_what_it_adapts(trained: Path) -> None:
    words = ["stage=adapt", *RUN, "ckpt=source.ckpt", "output_dir=old"]
    expected = f"stage=adapt {' '.join(RUN)} ckpt=source.ckpt output_dir={trained}"
    assert command(words, trained) == expected


def test_pictures_that_are_there_are_skipped(tmp_path: Path) -> None:
    words = ["stage=predict", "input=in", "predict.existing=refuse", "ckpt=a.ckpt"]
    expected = f"stage=predict input=in ckpt=a.ckpt output_dir={tmp_path} predict.existing=skip"
    assert command(words, tmp_path) == expected


def test_nothing_to_go_on_from_is_said(tmp_path: Path) -> None:
    said = how_to_resume([*RUN, "init=first.ckpt"], tmp_path)
    assert said == " No checkpoint was written yet; start the same command again."
