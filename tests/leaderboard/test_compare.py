"""Two runs on the same images: a real difference is called real, noise is not."""

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.errors import ConfigError
from facesr_bench.leaderboard.__main__ import main
from facesr_bench.leaderboard.compare import Compared, compare, read_run
from facesr_bench.results import write_record
from leaderboard.made_records import metric, wider


def write_run(folder: Path, label: str, shift: float, seed: int, **changes: Any) -> Path:
    """200 images of 100 people; PSNR is 20 + what the image adds + shift + a little noise."""
    folder.mkdir()
    hardness, noise = random.Random(0), random.Random(seed)
    values = [20 + hardness.gauss(0, 3) + shift + noise.gauss(0, 0.2) for _ in range(200)]
    record = wider(label=label, **changes)
    settings = changes.pop("settings", {"range": 1})
    mean = sum(values) / len(values)
    record["metrics"] = {
        "psnr_rgb": metric(mean, higher=True, settings=settings, n=200),
        "fid@x": metric(
            20 - shift, n=200, replicates=[20 - shift + r / 10 for r in range(20)], settings={}
        ),
        "kid@x": metric(1, settings={}, n=200),
    }
    write_record(folder / "result.json", record)
    with (folder / "per_image.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "identity", "psnr_rgb"])
        for number, value in enumerate(values):
            writer.writerow([f"{number:03d}.png", f"p{number // 2}", repr(value)])
    return folder


def of(found: list[Compared]) -> dict[str, Compared]:
    return {item.key: item for item in found}


def test_a_tenth_of_a_decibel_is_real_when_images_are_the_same(tmp_path: Path) -> None:
    """Both intervals are over 0.8 dB wide; paired, the difference is sure."""
    a = read_run(write_run(tmp_path / "a", "a", 0.1, 1))
    b = read_run(write_run(tmp_path / "b", "b", 0.0, 2))
    found = of(compare(a, b))["psnr_rgb"]
    assert found.better == "a"
    assert found.difference is not None
    assert found.difference.value == pytest.approx(0.1, abs=0.05)
    assert of(compare(b, a))["psnr_rgb"].better == "b"


def test_noise_is_no_difference(tmp_path: Path) -> None:
    a = read_run(write_run(tmp_path / "a", "a", 0.0, 1))
    b = read_run(write_run(tmp_path / "b", "b", 0.0, 2))
    assert of(compare(a, b))["psnr_rgb"].better == "neither"


def test_distances_are_paired_by_their_replicates(tmp_path: Path) -> None:
    a = read_run(write_run(tmp_path / "a", "a", 2.0, 1))
    b = read_run(write_run(tmp_path / "b", "b", 0.0, 2))
    found = of(compare(a, b))
    assert found["fid@x"].better == "a"  # lower is better
    assert found["kid@x"].better is None
    assert "nothing to pair by" in found["kid@x"].why_not


def test_other_settings_cannot_be_compared(tmp_path: Path) -> None:
    a = read_run(write_run(tmp_path / "a", "a", 0.0, 1))
    b = read_run(write_run(tmp_path / "b", "b", 0.0, 2, settings={"range": 255}))
    found = of(compare(a, b))["psnr_rgb"]
    assert found.difference is None
    assert "other settings" in found.why_not


def test_other_inputs_are_refused(tmp_path: Path) -> None:
    a = read_run(write_run(tmp_path / "a", "a", 0.0, 1))
    other = {"name": "tiny", "version": 1, "hash": "b" * 64}
    b = read_run(write_run(tmp_path / "b", "b", 0.0, 2, protocol=other))
    with pytest.raises(ConfigError, match="Only runs on the same inputs"):
        compare(a, b)


def test_the_command_prints_a_row_for_each_metric(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_run(tmp_path / "a", "same", 0.5, 1), write_run(tmp_path / "b", "same", 0.0, 2)
    assert main(["compare", str(a), str(b), "--format", "markdown"]) == 0
    out = capsys.readouterr().out
    assert "| psnr_rgb ↑ |" in out
    assert "**same (first)**" in out
    assert "kid@x: There is nothing to pair by" in out
