"""Every method through the real command line on tiny data, and what a run leaves behind."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from command_line import FEW, ROOT, SMALL, Cli, record_of

PRIORS = {"stylegan2"}  # it has no test stage: tests/cli/test_prior.py
OTHERS = {"images", "spandrel"}  # they need files: tests/methods/test_images.py, test_spandrel.py
METHODS = sorted(
    {path.stem for path in (ROOT / "conf" / "method").glob("*.yaml")} - PRIORS - OTHERS
)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_fits_tests_and_records(method: str, cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = cli(f"+method={method}", *SMALL, f"output_dir={out}")
    record = record_of(out)
    assert record["method"] == method
    assert record["n_images"] == 12 == len(list((out / "sr").rglob("*.png")))
    for key in ("psnr_rgb", "psnr_y", "ssim_rgb", "ssim_y", "lr_psnr_bicubic"):
        metric = record["metrics"][key]
        assert metric["n"] == 12
        assert metric["ci95"][0] <= metric["value"] <= metric["ci95"][1]
        assert metric["ci_kind"] == "bootstrap"
        assert metric["higher_is_better"] is True
    assert record["metrics"]["swd_64@tiny-test"]["higher_is_better"] is False
    assert not record["metrics_failed"]
    assert record["cost"]["seconds_per_image"] > 0
    assert record["cost"]["peak_memory_bytes"] >= 0
    assert "psnr_rgb" in done.stdout
    assert Image.open(out / "images" / "grid.png").size[0] > 500
    rows = list(csv.DictReader((out / "per_image.csv").open()))
    assert len(rows) == 12
    mean = np.mean([float(row["psnr_rgb"]) for row in rows])
    assert mean == pytest.approx(record["metrics"]["psnr_rgb"]["value"], abs=1e-9)
    facts = list(csv.DictReader((out / "attributes.csv").open()))
    assert [row["key"] for row in facts] == [row["key"] for row in rows]
    assert {row["glasses"] for row in facts} <= {"0.0", "1.0"}
    assert yaml.safe_load((out / "config.yaml").read_text())["scale"] == "smoke"
    assert (out / "run.log").stat().st_size > 0


def test_a_trained_run_says_what_it_was_trained_on(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cli("+method=scgan", *SMALL, f"output_dir={out}", "images=20", "stage=fit_test")
    record = record_of(out)
    assert record["origin"] == "trained here"
    (trained,) = record["trained_on"]
    assert trained["sources"][0]["identities"]["train"] == 8
    about = {"data": "tiny", "version": 1, "seed": 2020, "images": 24}
    assert trained == about | {"sources": trained["sources"]}
    assert record["budget"] == record["budget"] | {"images": 24, "declared": 64}
    content = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["images_seen"] == 24
    assert "psnr" in (out / "per_image.csv").read_text().splitlines()[0]

    again = tmp_path / "again"
    checkpoint = out / "checkpoints" / "last.ckpt"
    cli("+method=scgan", *SMALL, f"output_dir={again}", "stage=test", f"ckpt={checkpoint}")
    scored = record_of(again)
    assert scored["sr_hash"] == record["sr_hash"]
    assert scored["trained_on"] == record["trained_on"]
    assert scored["weights"][0]["file"] == "last.ckpt"
    values = {k: m["value"] for k, m in record["metrics"].items()}
    assert {k: m["value"] for k, m in scored["metrics"].items()} == values


def test_the_protocol_does_not_depend_on_method_seed_or_training_data(
    cli: Cli, tmp_path: Path
) -> None:
    cli("+method=bicubic", *SMALL, "output_dir=a")
    other = FEW.replace("train: 8", "train: 12")
    cli("+method=scgan", *SMALL, "images=8", "seed=7", other, "output_dir=b")
    cli("+method=bicubic", *SMALL, "data.degradation.jpeg=[30, 40]", "output_dir=c")
    a, b, c = (record_of(tmp_path / name) for name in "abc")
    assert a["protocol"] == b["protocol"]
    assert a["lr_hash"] == b["lr_hash"]
    assert a["protocol"]["hash"] != c["protocol"]["hash"]
    assert a["hr_hash"] == c["hr_hash"]


def test_multirun_gives_every_run_its_folder_and_a_table(cli: Cli, tmp_path: Path) -> None:
    cli("-m", "+method=bicubic,scgan", *SMALL, "images=8")
    records = list((tmp_path / "runs").rglob("result.json"))
    assert sorted(json.loads(p.read_text())["method"] for p in records) == ["bicubic", "scgan"]
    table = cli("leaderboard", "runs").stdout
    assert table.count("###") == 1
    assert "| bicubic |" in table
    assert "smoke" in table
    assert "**" in table


def test_a_failed_run_is_a_sentence_and_costs_the_others_nothing(cli: Cli, tmp_path: Path) -> None:
    done = cli(
        "-m", "+method=bicubic", *SMALL, "data.hr_size=64,48", "output_dir=out", check=False
    )  # fmt: skip
    assert done.returncode == 1
    assert "synthface renders sides of 16, 32, 64" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list((tmp_path / "out").rglob("result.json"))) == 1


def test_a_finished_folder_is_not_overwritten(cli: Cli, tmp_path: Path) -> None:
    cli("+method=bicubic", *SMALL, "output_dir=out")
    before = (tmp_path / "out" / "result.json").read_bytes()
    done = cli("+method=bicubic", *SMALL, "output_dir=out", check=False)
    assert done.returncode == 1
    assert "already holds a finished run" in done.stderr
    assert (tmp_path / "out" / "result.json").read_bytes() == before


def test_sr_images_can_be_dropped_but_their_hash_stays(cli: Cli, tmp_path: Path) -> None:
    cli("+method=bicubic", *SMALL, "output_dir=out", "keep_sr=false", "metrics=none")
    assert not list((tmp_path / "out").rglob("sr/**/*.png"))
    assert len(record_of(tmp_path / "out")["sr_hash"]) == 64


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"not a checkpoint", "is not a PyTorch checkpoint"), (None, "does not exist")],
)
def test_a_bad_checkpoint_is_a_sentence(
    content: bytes | None, said: str, cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "weights.ckpt"
    if content is not None:
        path.write_bytes(content)
    done = cli("+method=scgan", *SMALL, "stage=test", f"ckpt={path}", check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_papers_budget_on_a_cpu_says_how_long_and_names_slim(cli: Cli) -> None:
    words = [word for word in SMALL if not word.startswith("scale=")]
    widths = [
        "method.restore_widths=[8,8,8]", "method.restore_depths=[1,1]", "method.critic_hidden=8",
        "method.degrade_widths=[4,4,4,16]", "method.critic_widths=[4,4,4,4,4,4]",
    ]  # fmt: skip
    run = ["+method=scgan", *words, *widths, "stage=fit", "images=32"]
    done = cli(*run, "method.budget.batch_size=8")
    assert re.search(r"images of this run take about \d+ \w+ on this CPU", done.stderr)
    assert "scale=slim" in done.stderr
