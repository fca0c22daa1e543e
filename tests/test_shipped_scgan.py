"""The weights that ship, and the claim the README makes for them."""

import hashlib
import json
from pathlib import Path

import yaml

from command_line import ROOT, Cli, record_of

METHOD = yaml.safe_load((ROOT / "conf" / "method" / "scgan.yaml").read_text())


def test_the_file_is_the_one_its_card_names() -> None:
    shipped = METHOD["shipped"]["slim"]
    path = ROOT / "methods" / "scgan" / shipped["file"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == shipped["sha256"]
    assert path.stat().st_size < 4e6
    card = path.with_suffix(".md").read_text()
    assert shipped["sha256"] in card
    assert "experiment=demo/scgan" in card


def test_the_claim_decided_before_training(cli: Cli, tmp_path: Path) -> None:
    """On held-out wild LR: a smaller SWD than bicubic at the finest level, intervals disjoint."""
    run = ("+data=tiny", "scale=slim", "stage=test", "trainer=cpu", "metrics.only=[swd]")
    cli("+method=bicubic", *run, "output_dir=bicubic")
    cli("+method=scgan", *run, "output_dir=scgan")
    bicubic, scgan = (record_of(tmp_path / name) for name in ("bicubic", "scgan"))
    assert bicubic["protocol"] == scgan["protocol"]
    assert scgan["origin"] == "shipped weights"
    key = "swd_64@tiny-test"
    assert scgan["metrics"][key]["ci95"][1] < bicubic["metrics"][key]["ci95"][0]


def test_golden_inputs_are_those_that_ship(cli: Cli, tmp_path: Path) -> None:
    """The inputs of `tiny` are pinned: whoever changes them raises the version and this hash."""
    pinned = json.loads((ROOT / "tests" / "tiny_protocol.json").read_text())
    cli("+method=nearest", "+data=tiny", "trainer=cpu", "metrics=none", "output_dir=out")
    record = record_of(tmp_path / "out")
    assert {"protocol": record["protocol"], "lr_hash": record["lr_hash"]} == pinned
