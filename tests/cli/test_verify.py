"""``facesr-bench verify``: a run that is what it says passes; a pixel, a weight, a number do not."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import record_of
from facesr_bench.errors import DataError, UsageError
from facesr_bench.results import read_record
from facesr_bench.store import SRStore
from facesr_bench.verify.__main__ import main


@pytest.fixture(autouse=True)
def _here(own_surroundings: None) -> None: ...


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_run, tmp_path / "run"))


def verdict_of(run: Path) -> dict[str, Any]:
    entry: dict[str, Any] = read_record(run / "result.json")["verified"][-1]
    return entry


def change(run: Path, **entries: Any) -> None:
    (run / "result.json").write_text(json.dumps(record_of(run) | entries))


def change_a_pixel(run: Path) -> None:
    path = sorted((run / "sr").rglob("*.png"))[7]
    image = np.array(Image.open(path))
    image[5, 9, 1] ^= 1
    Image.fromarray(image).save(path)


def change_a_weight(run: Path, by: float) -> None:
    path = run / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    name = next(n for n in content["state_dict"] if ".R_LS." in n and n.endswith("weight"))
    content["state_dict"][name][0, 0, 0, 0] += by
    torch.save(content, path)


def test_an_untouched_run_passes(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = record_of(run)
    assert main([str(run / "result.json"), "--seed", "1"]) == 0
    assert "verified: 3 images made again, equal to the bit (seed 1)" in capsys.readouterr().out
    after = read_record(run / "result.json")
    entry = after.pop("verified")[0]
    assert after == before  # additive
    assert (entry["verdict"], entry["share"], entry["same_device"]) == ("verified", 0.05, True)
    assert entry["images"] == {"images": 3, "differing": 0, "largest_difference": 0}
    assert {"psnr_rgb", "ssim_y"} <= set(entry["scores"])
    assert entry["weights"] == "equal"
    assert entry["tolerance"]["levels"] == 0
    assert any("swd_64@tiny-test" in note for note in entry["notes"])

    assert main([str(run), "--share", "1.0"]) == 0
    entry = verdict_of(run)
    assert entry["images"]["images"] == 12
    assert set(entry["scores"]) == set(before["metrics"])
    assert len(read_record(run / "result.json")["verified"]) == 2


def test_one_changed_pixel_is_caught(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_a_pixel(run)
    assert main([str(run), "--seed", "1"]) == 1  # by the hash, whatever is made again
    assert "stored SR images hash to" in capsys.readouterr().out
    keys = sorted(p.relative_to(run / "sr").as_posix()[:-4] for p in (run / "sr").rglob("*.png"))
    change(run, sr_hash=SRStore(run / "sr").hash(keys))  # who changes one can change the other
    assert main([str(run), "--share", "1.0"]) == 1
    said = capsys.readouterr().out
    assert f"{keys[7]} by up to 1 of 255 in 1 pixels" in said
    assert verdict_of(run)["verdict"] == "differs"
    assert verdict_of(run)["images"]["differing"] == 1
    assert "the stored SR images hash to" not in said


@pytest.mark.parametrize("by", [0.5, 1e-6])
def test_one_changed_weight_is_caught(run: Path, by: float) -> None:
    change_a_weight(run, by)
    assert main([str(run), "--seed", "1"]) == 1
    entry = verdict_of(run)
    assert entry["weights"] == "differ"
    if by > 0.1:  # not by its hash alone: the pictures are others
        assert entry["images"]["differing"] == 3


def test_a_number_nobody_measured_is_caught(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = record_of(run)["metrics"]
    metrics["psnr_rgb"]["value"] += 0.5
    change(run, metrics=metrics)
    assert main([str(run), "--seed", "1"]) == 1
    assert "the record says psnr_rgb" in capsys.readouterr().out
    metrics["psnr_rgb"]["value"] -= 0.5
    metrics["swd_64@tiny-test"]["value"] *= 0.9
    change(run, metrics=metrics)
    assert main([str(run), "--share", "1.0"]) == 1
    assert "swd_64@tiny-test is" in capsys.readouterr().out


def test_a_changed_table_is_caught(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (run / "per_image.csv").read_text().splitlines()
    column = lines[0].split(",").index("psnr_y")
    swapped = [line.split(",") for line in lines]
    swapped[1][column], swapped[2][column] = swapped[2][column], swapped[1][column]  # the same mean
    (run / "per_image.csv").write_text("\n".join(",".join(row) for row in swapped) + "\n")
    assert main([str(run), "--share", "1.0"]) == 1
    assert "psnr_y of 2 images differs" in capsys.readouterr().out


def test_another_device_has_its_tolerance(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(run, device=record_of(run)["device"] | {"name": "Another CPU"})
    change_a_pixel(run)
    keys = sorted(p.relative_to(run / "sr").as_posix()[:-4] for p in (run / "sr").rglob("*.png"))
    change(run, sr_hash=SRStore(run / "sr").hash(keys))
    assert (
        main([str(run), "--share", "1.0"]) == 0
    )  # where it was made this is one image that differs
    entry = verdict_of(run)
    assert (entry["verdict"], entry["findings"]) == ("verified", [])
    assert (entry["same_device"], entry["images"]["differing"]) == (False, 1)
    assert entry["tolerance"] == {"levels": 1, "mean_levels": 0.02, "score": 1e-4}
    capsys.readouterr()
    change_a_weight(run, 0.5)
    assert main([str(run), "--seed", "1"]) == 1
    assert "are not what the weights make" in capsys.readouterr().out


def test_images_that_were_not_kept_are_scored_as_made_again(run: Path) -> None:
    change(run, config=record_of(run)["config"] | {"keep_sr": False})
    shutil.rmtree(run / "sr")
    assert main([str(run), "--seed", "1"]) == 0
    assert verdict_of(run)["sr_hash"] is None
    change_a_weight(run, 0.5)
    assert main([str(run), "--seed", "1"]) == 1
    assert any(f.startswith("psnr_rgb of 3 images") for f in verdict_of(run)["findings"])


def test_what_cannot_be_made_again_says_why(run: Path) -> None:
    before = (run / "result.json").read_bytes()
    (run / "checkpoints" / "last.ckpt").rename(run / "moved.ckpt")
    with pytest.raises(DataError, match="Say where they are with --weights"):
        main([str(run)])
    with pytest.raises(UsageError, match="at most 1"):
        main([str(run), "--share", "5"])
    with pytest.raises(DataError, match=r"no result\.json"):
        main([str(run / "sr")])
    assert (run / "result.json").read_bytes() == before
    assert main([str(run), "--weights", str(run / "moved.ckpt")]) == 0
