"""One headline table of each paper at smoke scale, through the real front door, in this process."""

import json
import sys
from pathlib import Path

import pytest

from facesr_bench.cli import main
from facesr_bench.leaderboard.__main__ import main as leaderboard
from facesr_bench.leaderboard.lookup import on_benchmark
from facesr_bench.leaderboard.provenance import is_smoke
from facesr_bench.papers import find_table, read_paper

TABLES = {
    "scgan/table1": (8, ["images=16", "method.lr=3.0e-4"]),
    "pan/table1": (3, []),
    "propulse/table1": (3, []),
    "dap_fsr/table1": (6, []),
}
"""Experiment, its records at smoke scale, further overrides."""
TRAININGS = {"scgan/table1": 4, "pan/table1": 0, "propulse/table1": 0, "dap_fsr/table1": 0}
"""Runs without a record: trainings of rows that are tested on several sets."""


@pytest.mark.parametrize("experiment", list(TABLES))
def test_a_table_runs_and_is_not_run_twice(
    experiment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["facesr-bench"])
    count, further = TABLES[experiment]
    words = ["-m", f"experiment={experiment}", "scale=smoke", "output_dir=out", *further]
    assert main(words) == 0, capsys.readouterr()
    runs = count + TRAININGS[experiment]
    assert f"{runs} runs: 0 kept from before, {runs} ran, 0 without" in capsys.readouterr().out
    paper = read_paper(experiment.split("/", maxsplit=1)[0])
    records = [json.loads(path.read_text()) for path in Path("out").rglob("result.json")]
    assert len(records) == count
    table = next(t for t in paper.tables.values() if t.experiment == experiment)
    rows = {name for block in table.blocks for name in block.rows if paper.rows[name].method}
    like = [(n, r) for n in rows for r in records if paper.is_like(paper.rows[n], r)]
    assert {name for name, _ in like} == rows
    switched = [["lr=0.0003"] if "method.lr=3.0e-4" in further else []] * len(like)
    assert [paper.departures(paper.rows[name], record) for name, record in like] == switched
    for record in records:
        assert is_smoke(record) == (record["method"] != "bicubic")
        assert not any(on_benchmark(record, block) for block in table.blocks)
        assert record["test_overlap"] == {"known": True, "images": 0}
        assert record["metrics"]["psnr_rgb"]["n"] == record["n_images"]
    assert leaderboard(["out", "--paper", paper.name, "--table", table.number]) == 0
    out = capsys.readouterr().out
    assert "not run" in out
    hidden = len({id(record) for _, record in like})  # a run may be of several rows
    assert f"Hidden here: {hidden} runs of this table on tiny" in out
    if experiment == "pan/table1":  # the cheapest
        assert main(words) == 0
        assert f"{runs} runs: {runs} kept from before, 0 ran" in capsys.readouterr().out


def test_a_table_is_not_one_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["facesr-bench"])
    assert main(["experiment=scgan/table1"]) == 2
    assert "is Table 1 of scgan, several runs: add -m" in capsys.readouterr().err
    assert find_table(read_paper("scgan"), "1").experiment == "scgan/table1"
