"""A run is a printed row by every argument of its method, and what differs is named."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from facesr_bench.config import register_resolvers
from facesr_bench.experiments.plan import plan
from facesr_bench.leaderboard.formats import FORMATS
from facesr_bench.leaderboard.model import Table
from facesr_bench.leaderboard.paper_tables import paper_tables
from facesr_bench.leaderboard.records import find_records
from facesr_bench.leaderboard.status import status_of
from facesr_bench.papers import find_table, read_paper
from facesr_bench.papers.switches import UNCOUNTED, arguments_of
from leaderboard.made_records import SWITCHES, save, wider
from leaderboard.test_experiments import table_of


def on_wider(root: Path) -> Table:
    paper = read_paper("scgan")
    tables = paper_tables(paper, find_table(paper, "5"), find_records([root]))
    (view,) = (table for table in tables if "; Widerface" in table.title)
    return view


def rows_of(method: str, scale: str | None = "full", **switches: Any) -> list[str]:
    """Printed rows of the paper named as the method that such a run is of."""
    paper = read_paper(method)
    config = {**arguments_of(method, scale or "full"), **switches}
    record = {"method": method, "label": "", "scale": scale, "config": {"method": config}}
    return [name for name, who in paper.rows.items() if paper.is_row(who, record)]


def test_switches_that_no_row_prints_make_another_run_which_is_named(tmp_path: Path) -> None:
    other = {"noise": "spatial", "skip_relu": False, "weights": "paper"}
    save(tmp_path, wider(11.5, switches=other))
    table = on_wider(tmp_path)
    ours = next(row for row in table.rows if row.name == "SCGAN")
    assert {cell.state for cell in ours.cells} == {"not run"}
    name = "scgan with noise=spatial, skip_relu=false, weights=paper"
    shown = next(row for row in table.rows if row.name == name)
    assert shown.cells[0].value == 11.5
    assert [cell.printed for cell in shown.cells] == [None, None, None]
    assert shown.record is not None
    assert "no paper prints this row" in status_of(shown.record).reason
    for text in (form([table]) for form in FORMATS.values()):
        assert "noise=spatial" in text.replace("\\_", "_")
    said = [note for note in table.notes if note.startswith("other switches")]
    assert said == [
        f"other switches ({name}): not the paper's SCGAN, which differs in noise, skip_relu, weights."
    ]


def test_both_stand_in_the_table_and_only_the_row_has_the_papers_numbers(tmp_path: Path) -> None:
    save(tmp_path, wider(11.5, switches={"theta": 0.5}), wider(13.4))
    rows = {row.name: row.cells[0] for row in on_wider(tmp_path).rows}
    assert (rows["SCGAN"].value, rows["scgan with theta=0.5"].value) == (13.4, 11.5)
    assert rows["SCGAN"].difference == pytest.approx(0.08)
    assert rows["scgan with theta=0.5"].difference is None


@pytest.mark.parametrize("scale", ["full", "slim", "smoke", None])
def test_what_the_yaml_composes_at_a_scale_is_the_row(scale: str | None) -> None:
    assert rows_of("pan", scale) == ["PAN"]
    assert rows_of("pan", scale, objective="l1") == ["L1 loss"]
    assert rows_of("scgan", scale) == ["SCGAN"]
    assert rows_of("propulse", scale) == ["Pro-PULSE"]


def test_sizes_are_read_at_the_runs_scale() -> None:
    slim = {"channel_base": 2048, "channel_max": 64, "ema_half_life": 1000}
    assert slim.items() <= arguments_of("pan", "slim").items()
    assert rows_of("pan", "full", **slim) == []
    assert rows_of("scgan", "slim", degrade_head=8) == ["SCGAN"]  # slim names none: full's


def test_the_papers_size_is_the_papers_at_any_scale_and_a_smaller_one_is_not() -> None:
    assert rows_of("scgan", "slim", noise_dim=64, critic_hidden=512) == ["SCGAN"]
    assert rows_of("scgan", "full", critic_hidden=64) == []


@pytest.mark.parametrize(
    "other",
    [
        {"gamma": 0.1}, {"pixelnorm": True}, {"phase_unit": "iterations"}, {"noise_eval": "zero"},
        {"flip": 1}, {"taken_out_since": 3},
    ],
)  # fmt: skip
def test_an_argument_of_pan_that_is_not_the_rows_makes_another_method(other: Any) -> None:
    assert rows_of("pan", "full", **other) == []


def test_the_order_of_widths_counts() -> None:
    assert rows_of("scgan", "full", restore_depths=[3, 12]) == []
    assert rows_of("scgan", "full", restore_depths=(12, 3), gamma=0.05) == ["SCGAN"]


def test_what_changes_no_number_or_is_told_elsewhere_is_not_counted() -> None:
    fast = {"channels_last": False, "compile": True, "hr_size": 64, "factor": 4}
    assert rows_of("scgan", "full", **fast) == ["SCGAN"]
    assert rows_of("pan", "full", fused=True, noise_seed=7, budget={"lr": 1}) == ["PAN"]
    assert rows_of("propulse", "full", prior={"name": "x"}, critic_weights="y") == ["Pro-PULSE"]
    assert rows_of("scgan", "full", critic_concat=True) == []


def test_an_argument_is_excepted_by_a_name_that_some_method_has() -> None:
    every = {"prior"}  # of the defaults list
    for method in ("scgan", "pan", "propulse", "psp", "pulse", "dap_fsr"):
        own = set(arguments_of(method, "full"))
        every |= own | {f"{method}.{name}" for name in own}
    assert set(UNCOUNTED) <= every


def test_an_older_record_is_a_row_without_the_arguments_added_since() -> None:
    paper = read_paper("scgan")
    older = {name: value for name, value in SWITCHES.items() if name != "cycle_grad"}
    record = wider() | {"config": {"method": older}}
    assert paper.is_row(paper.rows["SCGAN"], record)
    assert not paper.is_row(paper.rows["CycleGAN"], record)


@pytest.mark.parametrize(
    ("experiment", "scale", "cell"),
    [
        ("scgan/table5", "full", "PULSE"), ("scgan/table5", "slim", "SCGAN"),
        ("scgan/table4", "full", "l_adv-2-1"), ("pan/table1", "full", "PAN pooled"),
        ("propulse/table1", "full", "pSp"), ("propulse/table1", "full", "Pro-PULSE"),
        ("propulse/table2", "slim", "wo_L_id"),
        ("dap_fsr/table2", "full", "E + Soft mixing weight"),
    ],
)  # fmt: skip
def test_what_an_experiment_runs_is_its_row(experiment: str, scale: str, cell: str) -> None:
    table = table_of(experiment)
    paper = read_paper(table["paper"])
    runs = plan(table | {"only": [cell]}, scale, Path("r"), [f"scale={scale}"])
    words = [w for w in runs[-1].overrides if not w.startswith("table.")]
    register_resolvers()
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        composed = compose("config", words)
        method: Any = OmegaConf.to_container(composed.method, resolve=True)
    strategy = composed.adaptation.strategy if composed.get("adaptation") else None
    record = {
        "method": method["name"], "label": cell, "scale": scale, "config": {"method": method},
        "adaptation": None if strategy is None else {"strategy": strategy},
    }  # fmt: skip
    who = paper.rows[cell]
    assert paper.departures(who, record) == []
    assert paper.is_row(who, record)
