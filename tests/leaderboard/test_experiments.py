"""Experiments of papers' tables: every row is run as what it is, and a second go runs nothing twice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import ROOT
from facesr_bench.errors import ConfigError
from facesr_bench.experiments.note import note_finished
from facesr_bench.experiments.plan import Cell, left_out, plan
from facesr_bench.experiments.sweep import Sweep, _words
from facesr_bench.papers import find_table, paper_names, read_paper

EXPERIMENTS = sorted(
    path.relative_to(ROOT / "conf" / "experiment").with_suffix("").as_posix()
    for path in (ROOT / "conf" / "experiment").glob("*/table*.yaml")
)
ALREADY = {
    "C + Predict offset scale": "DAP-FSR, source only",
    "F + Constrained adaptation": "DAP-FSR",
}
"""Rows that are those of another table: one run serves both."""


def table_of(experiment: str) -> dict[str, Any]:
    """The block as Hydra composes it: what the paper's tables share, and this one's over it."""
    own = yaml.safe_load((ROOT / "conf" / "experiment" / f"{experiment}.yaml").read_text())
    paper = experiment.split("/", maxsplit=1)[0]
    shared = yaml.safe_load((ROOT / "conf" / "table" / f"{paper}.yaml").read_text())
    return {**shared, **own["table"]}


def value_of(word: str) -> tuple[str, Any]:
    key, _, value = word.partition("=")
    return key, yaml.safe_load(value)


def test_every_printed_table_has_its_experiment() -> None:
    told = {t.experiment for name in paper_names() for t in read_paper(name).tables.values()}
    assert told == set(EXPERIMENTS)
    for experiment in EXPERIMENTS:
        table = table_of(experiment)
        paper = read_paper(table["paper"])
        assert find_table(paper, table["number"]).experiment == experiment


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_row_of_the_suite_is_run_with_its_switches(experiment: str) -> None:
    table = table_of(experiment)
    paper = read_paper(table["paper"])
    printed = find_table(paper, table["number"])
    rows = {name for block in printed.blocks for name in block.rows if paper.rows[name].method}
    cells = table["cells"]
    for name in rows:
        who, words = paper.rows[name], cells[ALREADY.get(name, name)]["run"]
        chosen = dict(value_of(word) for word in words if word.startswith("method."))
        defaults = dict(who.switches)
        default = next(w for w in paper.rows.values() if w.method == who.method)
        config = {**default.switches} | {k.removeprefix("method."): v for k, v in chosen.items()}
        if who.method == "pan" and "method.pool" not in chosen:
            config["pool"] = 1
        strategy = dict(map(value_of, words)).get("adaptation.strategy")
        record = {
            "method": who.method,
            "config": {"method": config},
            "adaptation": None if strategy is None else {"strategy": strategy},
        }
        assert f"+method={who.method}" in words
        assert paper.is_row(who, record), (name, config, defaults)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_data_are_those_of_the_blocks_and_exist(experiment: str) -> None:
    table = table_of(experiment)
    for cell in plan(table, "full", Path("runs"), []):
        (data,) = (word.split("=")[1] for word in cell.overrides if word.startswith("+data="))
        assert (ROOT / "conf" / "data" / f"{data}.yaml").is_file()
    for cell in plan(table, "smoke", Path("runs"), ["scale=smoke"]):
        assert any(word.startswith("+data=tiny") for word in cell.overrides)


def overrides(cells: Sequence[Cell], name: str) -> set[str]:
    (found,) = (cell for cell in cells if cell.name == name)
    return set(found.overrides)


def test_a_row_is_trained_once_and_its_weights_are_tested_on_the_other_sets() -> None:
    cells = plan(table_of("scgan/table1"), "full", Path("r"), ["trainer=gpu", "metrics=all"])
    assert len(cells) == 16
    trained = [cell for cell in cells if cell.stage == "fit_test"]
    assert [cell.folder for cell in trained] == [
        Path("r/SCGAN-w_o-D_SL/scgan_ls3dw"), Path("r/SCGAN-w_o-D_HL/scgan_ls3dw"),
        Path("r/SCGAN-fc/scgan_ls3dw"), Path("r/SCGAN/scgan_ls3dw"),
    ]  # fmt: skip
    tested = next(cell for cell in cells if cell.name == "SCGAN on scgan_ffhq")
    assert tested.weights == Path("r/SCGAN/scgan_ls3dw")
    assert {"stage=test", "trainer=gpu", "metrics=all"} <= set(tested.overrides)
    assert "metrics=paper" not in tested.overrides


def test_tables_share_their_runs() -> None:
    """SCGAN itself stands in Tables 1 to 7; it is asked for in the same words in each."""
    asked = set()
    for number in "1234567":
        cells = plan(table_of(f"scgan/table{number}"), "full", Path("r"), [])
        asked |= {c.overrides for c in cells if c.folder == Path("r/SCGAN/scgan_ls3dw")}
    assert len(asked) == 1


def test_adaptation_takes_the_encoder_of_its_own_benchmark() -> None:
    cells = plan(table_of("dap_fsr/table1"), "full", Path("r"), [])
    order = [cell.folder for cell in cells]
    for cell in cells:
        assert all(order.index(folder) < order.index(cell.folder) for folder in cell.needs)
    adapted = next(c for c in cells if c.name == "DAP-FSR on dap_celeba_to_multipie")
    assert adapted.weights == Path("r/encoder/dap_celeba_to_multipie")
    assert adapted.prior == Path("r/prior/dap_celeba_to_multipie")
    smoke = plan(table_of("dap_fsr/table1"), "smoke", Path("r"), [])
    assert not any(cell.prior or cell.name.startswith("prior") for cell in smoke)


def test_some_cells_bring_those_they_need() -> None:
    table = table_of("pan/table1") | {"only": ["PAN pooled"]}
    assert [cell.name for cell in plan(table, "full", Path("r"), [])] == [
        "PAN on pan_celebahq_x8", "PAN pooled on pan_celebahq_x4"
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="no cell 'ESRGAN'"):
        plan(table | {"only": ["ESRGAN"]}, "full", Path("r"), [])
    with pytest.raises(ConfigError, match="needs run"):
        plan(table | {"cells": {"x": {"ran": []}}, "only": None}, "full", Path("r"), [])


def test_a_row_that_cannot_run_without_weights_is_left_out_at_smoke_only() -> None:
    table = table_of("propulse/table2")
    assert list(left_out(table)) == ["only_L_id"]
    small, whole = (plan(table, scale, Path("r"), []) for scale in ("smoke", "full"))
    gone = {cell.name.split(" on ")[0] for cell in whole} - {
        cell.name.split(" on ")[0] for cell in small
    }
    assert gone == {"only_L_id"}


class Machine:
    """Runs jobs by leaving what a run leaves; some methods fail."""

    def __init__(self, fails: str = "nothing") -> None:
        self.batches: list[list[list[str]]] = []
        self.fails = fails

    def __call__(self, jobs: Sequence[Sequence[str]]) -> None:
        self.batches.append([list(job) for job in jobs])
        for job in jobs:
            self._run(job)

    def _run(self, job: Sequence[str]) -> None:
        folder = Path(
            next(w for w in job if w.startswith("output_dir=")).removeprefix("output_dir=")
        )
        checkpoint = folder / "checkpoints" / "last.ckpt"
        if "stage=test" not in job:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            checkpoint.touch()
        if self.fails in str(folder):
            log = "DEBUG facesr_bench: The run failed.\nTraceback (most recent call last):\n"
            (folder / "run.log").write_text(log + "facesr_bench.errors.DataError: gone.\n")
            return
        if "stage=fit" not in job:
            (folder / "result.json").touch()
        note_finished(folder)


def go(root: Path, machine: Machine, *user: str, experiment: str = "scgan/table1") -> Sweep:
    sweep = Sweep(plan(table_of(experiment), "full", root, user), machine)
    sweep.run()
    return sweep


def test_weights_first_then_their_tests_then_nothing(tmp_path: Path) -> None:
    machine = Machine()
    first = go(tmp_path, machine)
    assert [len(batch) for batch in machine.batches] == [4, 12]
    assert f"ckpt={tmp_path}/SCGAN/scgan_ls3dw/checkpoints/last.ckpt" in machine.batches[1][-1]
    assert (len(first.ran), first.failed) == (16, {})
    again = go(tmp_path, machine)
    assert (len(again.kept), len(machine.batches)) == (16, 2)
    assert "16 runs: 16 kept from before, 0 ran, 0 without a result." in again.summary()


def test_a_failed_run_costs_only_what_needs_it_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    machine = Machine(fails="SCGAN-fc")
    first = go(tmp_path, machine)
    assert len(first.ran) == 12
    assert len(first.failed) == 4
    assert first.failed["SCGAN-fc on scgan_ls3dw"] == "DataError: gone."
    assert "the run it needs has not ended well" in first.failed["SCGAN-fc on widerface"]
    machine = Machine()
    second = go(tmp_path, machine)
    assert (len(second.kept), len(second.ran)) == (12, 4)
    assert f"ckpt={tmp_path}/SCGAN-fc/scgan_ls3dw/checkpoints/last.ckpt" in machine.batches[0][0]


def test_a_finished_run_of_other_settings_is_named_and_not_taken(tmp_path: Path) -> None:
    go(tmp_path, Machine())
    other = go(tmp_path, Machine(), "seed=7")
    assert (other.kept, len(other.failed)) == ([], 16)
    assert "finished run of other settings (seed=7)" in other.failed["SCGAN on scgan_ffhq"]
    instead = go(tmp_path, Machine(), "metrics=all")  # of metrics=paper: as many words as before
    assert (instead.kept, len(instead.failed)) == ([], 16)
    where = go(tmp_path, Machine(), "trainer=gpu", "logger=none")
    assert len(where.kept) == 16  # what a result does not depend on


def test_a_prior_leaves_no_record_and_is_kept_all_the_same(tmp_path: Path) -> None:
    machine = Machine()
    go(tmp_path, machine, experiment="dap_fsr/table3")
    assert [len(batch) for batch in machine.batches] == [1, 1, 4]
    assert (
        f"method.prior.path={tmp_path}/prior/dap_celeba_to_yaleb/checkpoints/last.ckpt"
        in (machine.batches[2][0])
    )
    assert len(go(tmp_path, machine, experiment="dap_fsr/table3").kept) == 6


def test_weights_of_another_run_come_before_what_an_attempt_of_its_own_left(tmp_path: Path) -> None:
    own = tmp_path / "own" / "checkpoints" / "last.ckpt"
    own.parent.mkdir(parents=True)
    own.touch()
    told = {None: f"ckpt={own}", tmp_path / "a": f"ckpt={tmp_path}/a/checkpoints/last.ckpt"}
    for weights, word in told.items():
        found = _words(Cell("cell", tmp_path / "own", ("+method=pan",), weights))
        assert found == ["+method=pan", word]
