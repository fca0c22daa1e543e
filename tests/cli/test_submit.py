"""``facesr-bench submit``: what is not right is refused with every reason, the rest is packed alike."""

import csv
import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command_line import record_of
from facesr_bench.errors import DataError
from facesr_bench.leaderboard.run_tables import run_tables
from facesr_bench.submit.__main__ import main
from facesr_bench.submit.packing import _verdict


@pytest.fixture(autouse=True)
def _here(own_surroundings: None) -> None: ...


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """The smoke run, its record made to tell of a whole one."""
    copy = Path(shutil.copytree(trained_run, tmp_path / "run"))
    change(copy, scale="slim", budget={"images": 64, "declared": 64, "fit_seconds": 1.0})
    return copy


def change(run: Path, **entries: Any) -> None:
    (run / "result.json").write_text(json.dumps(record_of(run) | entries))


def packed(run: Path, *words: str, out: str = "results") -> Path:
    assert main([str(run), "--out", out, *words]) == 0
    (found,) = Path(out).glob("*/*/manifest.json")
    return found.parent


def test_a_submission_holds_what_is_needed_and_no_more(run: Path) -> None:
    folder = packed(run)
    assert folder.parent.name == "tiny@1"
    assert folder.name == f"scgan-{record_of(run)['sr_hash'][:8]}"
    names = {path.name for path in folder.iterdir()}
    assert names == {"result.json", "per_image.csv", "grid.png", "card.md", "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == names - {"manifest.json"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / "result.json").read_bytes() == (run / "result.json").read_bytes()
    card = (folder / "card.md").read_text()
    for word in ("psnr_rgb", "trained here", "scale=slim", "not verified", "grid.png"):
        assert word in card


def test_the_same_run_gives_the_same_bytes(run: Path) -> None:
    one, two = packed(run, "--sr", out="one"), packed(run, "--sr", out="two")
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes(), path.name
    with zipfile.ZipFile(one / "sr.zip") as archive:
        assert len(archive.namelist()) == 12
    assert packed(run, "--no-grid", out="one") == one  # again, without what is not asked for now
    assert not (one / "sr.zip").exists()
    assert not (one / "grid.png").exists()


def a_pixel(run: Path) -> None:
    path = next((run / "sr").rglob("*.png"))
    image = np.array(Image.open(path))
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save(path)


def a_row(run: Path) -> None:
    lines = (run / "per_image.csv").read_text().splitlines()
    (run / "per_image.csv").write_text("\n".join(lines[:-1]) + "\n")


def a_value(run: Path) -> None:
    metrics = record_of(run)["metrics"]
    metrics["ssim_y"]["value"] += 0.01
    change(run, metrics=metrics)


FAULTS = {
    "pixel": (a_pixel, "its SR images hash to"),
    "row": (a_row, "per_image.csv has 11 rows"),
    "value": (a_value, "the record says ssim_y"),
    "image": (lambda run: next((run / "sr").rglob("*.png")).unlink(), "lacks the SR images of 1"),
    "images": (lambda run: shutil.rmtree(run / "sr"), "its SR images are gone"),
    "table": (lambda run: (run / "per_image.csv").unlink(), "cannot be read"),
    "versions": (
        lambda run: change(run, versions={"python": "3.12"}),
        "versions lacks facesr-bench",
    ),
    "smoke": (lambda run: change(run, scale="smoke"), "smoke budget, which is no result"),
    "short": (
        lambda run: change(run, budget={"images": 6, "declared": 64}),
        "smoke budget, which is no result",
    ),
    "schema": (lambda run: change(run, schema=0), "its schema is 0"),
    "protocol": (lambda run: change(run, protocol={"name": "tiny"}), "version is not a whole"),
    "weights": (lambda run: change(run, weights=[{"file": "a.ckpt"}]), "a.ckpt has no sha256"),
    "differs": (
        lambda run: change(run, verified=[{"verdict": "differs", "findings": ["a weight"]}]),
        "verified and differs: a weight",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_and_nothing_written(fault: str, run: Path) -> None:
    spoil, said = FAULTS[fault]
    spoil(run)
    with pytest.raises(DataError, match=said):
        main([str(run), "--out", "results"])
    assert not Path("results").exists()


def test_a_smoke_budget_goes_in_marked_only(run: Path) -> None:
    change(run, scale="smoke")
    folder = packed(run, "--smoke")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["marks"]["smoke budget"] == "scale=smoke: it shows that the code runs"
    assert (
        "**smoke budget**: scale=smoke: it shows that the code runs"
        in (folder / "card.md").read_text()
    )


def test_a_submission_bears_what_its_row_bears(run: Path) -> None:
    change(
        run,
        test_overlap={"known": True, "images": 3},
        loss_networks=["lpips_alex"],
        metrics={**record_of(run)["metrics"], "lpips_alex": {
            "value": 0.2, "n": 12, "higher_is_better": False, "settings": {}}},
        git={"commit": "0" * 40, "dirty": True},
    )  # fmt: skip
    folder = packed(run)
    (table,) = run_tables([(run, record_of(run))])
    (row,) = table.rows
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["division"] == row.division == "protocol data"
    assert row.status is not None
    assert manifest["status"] == [row.status.name, row.status.reason]
    assert [mark.text for mark in row.marks] == ["scale=slim", "trained on 3 of the test images"]
    assert list(manifest["marks"]) == sorted([*(m.text for m in row.marks), "changed checkout"])
    card = (folder / "card.md").read_text()
    for mark in row.marks:
        assert f"**{mark.text}**: {mark.why}" in card
    assert f"- status: {row.status.name}: " in card
    assert "| 0.2000 ‡ | 12 |" in card
    assert "‡: `lpips_alex`: lpips\\_alex is in its training loss" in card


def test_words_of_others_format_nothing(run: Path) -> None:
    change(run, label="<b>../|x|", paper="[click](http://x)")
    folder = packed(run)
    assert folder.parent == Path("results") / "tiny@1"
    card = (folder / "card.md").read_text()
    assert "<b>" not in card
    assert "[click](" not in card


def test_keys_come_from_the_table(run: Path) -> None:
    with (run / "per_image.csv").open() as file:
        assert len(list(csv.DictReader(file))) == record_of(run)["n_images"]


def test_the_card_tells_of_the_last_verification() -> None:
    def verified(day: str, same: bool, images: int) -> dict[str, Any]:
        return {"when": f"{day}T10:00:00", "same_device": same, "images": {"images": images}}

    both = [verified("2026-01-01", True, 3), verified("2026-01-02", False, 12)]
    told = "verified on 2026-01-02: 12 images made again, within the tolerance between devices"
    assert _verdict({"verified": both}) == told
    assert _verdict({}) == "not verified by a repetition"
