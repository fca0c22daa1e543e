"""A user's own pictures: what is written, what is refused, and that a bad file costs only itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hydra.utils import get_class
from PIL import Image

from command_line import ROOT
from facesr_bench.cli import main
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.predict.running import predict

BICUBIC: dict[str, Any] = {
    "stage": "predict", "scale": "full", "seed": 1, "ckpt": None, "init": None,
    "trainer": {"accelerator": "cpu"}, "data": {"name": "predict", "hr_size": 64, "factor": 4},
    "method": {"name": "bicubic", "_target_": "facesr_bench.methods.bicubic.Interpolation"},
}  # fmt: skip


def settings(source: Path, **chosen: Any) -> dict[str, Any]:
    rules = yaml.safe_load((ROOT / "conf" / "config.yaml").read_text())["predict"]
    return {**BICUBIC, "input": str(source), "predict": {**rules, **chosen}}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Odd sizes, two of one name, a grey one, one in a folder."""
    folder = tmp_path / "mine"
    (folder / "deeper").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (5, 7, 3)), ("b.jpg", (8, 8, 3)), ("b.png", (6, 6)),
                       ("deeper/c.bmp", (9, 4, 3))):  # fmt: skip
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(folder / name)
    return folder


def test_every_picture_of_a_folder_is_enlarged_under_its_own_name(
    pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict(settings(pictures), out)
    sizes = {path.relative_to(out).as_posix(): Image.open(path).size for path in out.rglob("*.png")}
    assert sizes == {
        "a.png": (28, 20), "b.jpg.png": (32, 32), "b.png.png": (24, 24), "deeper/c.png": (16, 36),
    }  # fmt: skip
    a = Image.open(pictures / "a.png")
    mine, theirs = (
        np.asarray(Image.open(out / "a.png")),
        a.resize((28, 20), Image.Resampling.BICUBIC),
    )
    # Pillow rounds and clips to 8 bits between its two passes, and noise overshoots.
    assert np.abs(mine.astype(int) - np.asarray(theirs).astype(int)).mean() < 1.5
    (note,) = out.glob("predict_*.json")
    rows = json.loads(note.read_text())["pictures"]
    assert [row["size"] for row in rows] == [[[20, 28]], [[32, 32]], [[24, 24]], [[36, 16]]]


TURNED = {
    1: lambda image: image,
    3: lambda image: np.rot90(image, 2),
    6: lambda image: np.rot90(image, 1),  # what the camera stored of an upright face
    8: lambda image: np.rot90(image, -1),
}


@pytest.mark.parametrize("orientation", TURNED)
def test_a_photo_is_turned_as_its_camera_said(orientation: int, tmp_path: Path) -> None:
    y, x = np.mgrid[:16, :24]
    upright = np.stack([x * 10, y * 15, x * 0], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(TURNED[orientation](upright)))
    stored.save(tmp_path / "photo.jpg", quality=100, subsampling=0, exif=exif)
    predict(settings(tmp_path / "photo.jpg"), tmp_path / "out")
    result = Image.open(tmp_path / "out" / "photo.png")
    assert result.size == (96, 64)
    assert not result.getexif()
    small = np.asarray(result.resize((24, 16), Image.Resampling.BOX)).astype(int)
    assert np.abs(small - upright).max() < 12


def test_nothing_is_overwritten_silently(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "deeper").mkdir(parents=True)
    (out / "a.png").write_bytes(b"the user's own")
    with pytest.raises(ConfigError, match="1 of the 4 results are there already"):
        predict(settings(pictures), out)
    assert sorted(path.name for path in out.rglob("*")) == ["a.png", "deeper"]
    predict(settings(pictures, existing="skip"), out)
    assert (out / "a.png").read_bytes() == b"the user's own"
    assert (out / "deeper" / "c.png").exists()
    predict(settings(pictures, existing="overwrite"), out)
    assert Image.open(out / "a.png").size == (28, 20)
    assert len(list(out.glob("predict_*.json"))) == 2
    with pytest.raises(ConfigError, match=r"would replace the pictures themselves: a\.png"):
        predict(settings(pictures / "a.png", existing="overwrite"), pictures)
    with pytest.raises(ConfigError, match=r"predict\.existing=maybe"):
        predict(settings(pictures, existing="maybe"), out)


def test_results_below_the_input_are_no_input(pictures: Path) -> None:
    out = pictures / "out"
    predict(settings(pictures), out)
    predict(settings(pictures, existing="skip"), out)
    assert not (out / "out").exists()


def test_a_bad_file_is_named_and_the_others_go_on(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the real command line: the exit code tells, a sentence names file and reason."""
    (pictures / "empty.png").write_bytes(b"")
    whole = (pictures / "b.jpg").read_bytes()
    (pictures / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    words = ["+method=bicubic", "stage=predict", f"input={pictures}", f"output_dir={out}"]
    assert main([*words, "+data.factor=2", "trainer=cpu"]) == 1
    said = capsys.readouterr().err
    assert "2 of 6 pictures could not be used" in said
    assert "empty.png is empty" in said
    assert "cut.jpg is cut short or damaged" in said
    assert "Traceback" not in said
    assert Image.open(out / "a.png").size == (14, 10)
    assert len(list(out.rglob("*.png"))) == 4
    assert not (out / "config.yaml").exists(), "the folder would count as an unfinished run"


def test_a_size_the_method_does_not_take_is_a_sentence(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "red").save(tmp_path / "face.png")
    Image.new("RGB", (20, 16)).save(tmp_path / "wide.png")
    method = yaml.safe_load((ROOT / "conf" / "method" / "scgan.yaml").read_text())
    slim = {
        "name": "scgan", "_target_": method["_target_"], "shipped": method["shipped"],
        "restore_widths": [64, 32, 32], "restore_depths": [4, 2], "critic_hidden": 64,
        "degrade_widths": [16, 32, 64, 128], "critic_widths": [16, 16, 32, 64, 96, 96],
    }  # fmt: skip
    chosen = {**settings(tmp_path), "method": slim, "scale": "slim"}
    with pytest.raises(DataError, match=r"wide\.png is 16x20, which the method does not take"):
        predict(chosen, tmp_path / "out")
    assert Image.open(tmp_path / "out" / "face.png").size == (64, 64)
    (note,) = (tmp_path / "out").glob("predict_*.json")
    content = json.loads(note.read_text())
    assert content["origin"] == "shipped weights"
    assert content["weights"][0]["sha256"] == method["shipped"]["slim"]["sha256"]


def test_what_is_asked_wrongly_is_told_before_anything_is_written(
    pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for chosen, said in (
        (settings(pictures, faces="yes"), r"predict\.faces=yes"),
        (settings(pictures, template="odd"), r"predict\.template=odd"),
        ({**settings(pictures), "input": None}, "input=FILE"),
    ):
        with pytest.raises(ConfigError, match=said):
            predict(chosen, out)
    with pytest.raises(DataError, match="does not exist"):
        predict(settings(tmp_path / "gone"), out)
    assert not out.exists()


def test_a_checkpoint_of_a_run_is_enough_to_use_what_it_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Method, scale and sizes come from the run's config.yaml; what is typed wins over it."""
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    small = {
        "hr_size": 32, "factor": 4, "restore_widths": [8, 8, 8], "restore_depths": [2, 1],
        "degrade_widths": [8, 8, 16], "degrade_head": 4, "critic_widths": [8, 8, 8, 8, 16],
        "critic_hidden": 8, "noise_dim": 16,
    }  # fmt: skip
    target = "facesr_bench.methods.scgan.SCGAN"
    method = get_class(target)(**small)
    torch.save({"state_dict": method.state_dict(), "images_seen": 5, "trained_on": []}, checkpoint)
    run = {
        "method": {"name": "scgan", "_target_": target, **small},
        "scale": "smoke",
        "data": {"name": "tiny", "hr_size": 32, "factor": 4},
    }
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(run))
    Image.new("RGB", (8, 8), "red").save(tmp_path / "face.png")
    words = ["stage=predict", f"ckpt={checkpoint}", f"input={tmp_path / 'face.png'}", "trainer=cpu"]
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0
    (result,) = (tmp_path / "runs" / "scgan" / "predict").rglob("face.png")
    assert Image.open(result).size == (32, 32)
    (note,) = result.parent.glob("predict_*.json")
    assert json.loads(note.read_text())["origin"] == "trained here"
    assert main(["+method=bicubic", *words]) == 1  # a checkpoint of another method
    assert "do not fit Interpolation" in capsys.readouterr().err
