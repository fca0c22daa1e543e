"""Runs of a smoke budget in a paper's table: counted once where hidden, marked where shown."""

from pathlib import Path
from typing import Any

import pytest

from facesr_bench.leaderboard.__main__ import main
from facesr_bench.leaderboard.formats import FORMATS
from facesr_bench.leaderboard.model import Table
from facesr_bench.leaderboard.paper_tables import paper_tables
from facesr_bench.leaderboard.records import find_records
from facesr_bench.papers import find_table, read_paper
from facesr_bench.papers.switches import arguments_of
from leaderboard.made_records import bicubic, save, wider

TINY = {"name": "tiny", "version": 1, "hash": "e" * 64}


def views(root: Path, number: str, paper: str = "scgan", show_smoke: bool = False) -> list[Table]:
    content = read_paper(paper)
    found = find_records([root])
    return paper_tables(content, find_table(content, number), found, show_smoke)


def on_tiny(record: dict[str, Any], ran_by: str, paper: str = "scgan") -> dict[str, Any]:
    """As a cell of a table's experiment leaves it at scale=smoke."""
    config = record["config"] | {"table": {"paper": paper, "number": ran_by}}
    facts = {"scale": "smoke", "data": "tiny", "protocol": TINY, "n_images": 8, "config": config}
    return record | facts


def hidden(tables: list[Table]) -> list[str]:
    return [count for table in tables for count in table.hidden]


def told(runs: str) -> list[str]:
    return [f"{runs} of this table on tiny, scale=smoke"]


def test_a_run_that_two_tables_share_is_hidden_in_both_and_once_in_each(tmp_path: Path) -> None:
    """Table 1 ran SCGAN; Table 2, which has it too, kept it."""
    fully_shared = on_tiny(wider(switches={"share": "all+heads"}), "1")
    save(tmp_path, on_tiny(wider(), "1"), fully_shared)
    assert hidden(views(tmp_path, "1")) == told("2 runs")  # in four blocks, counted once
    assert hidden(views(tmp_path, "2")) == told("1 run")
    assert hidden(views(tmp_path, "4")) == told("1 run")
    assert hidden(views(tmp_path, "1", "pan")) == []


def test_one_run_that_fills_two_printed_rows_is_hidden_in_each_of_their_tables(
    tmp_path: Path,
) -> None:
    save(tmp_path, on_tiny(wider(switches={"adv": False}), "3"))
    assert hidden(views(tmp_path, "3")) == hidden(views(tmp_path, "4")) == told("1 run")
    assert hidden(views(tmp_path, "1")) == []


def test_a_run_that_another_cell_starts_from_is_no_row_and_is_not_counted(tmp_path: Path) -> None:
    """The x8 network whose weights PAN's Table 1 tests with a pooled output."""
    network = wider() | {"method": "pan", "label": "PAN"}
    network["config"] = {"seed": 1, "method": {**arguments_of("pan", "smoke"), "hr_size": 64}}
    save(tmp_path, on_tiny(network, "1", "pan"))
    assert hidden(views(tmp_path, "1", "pan")) == []
    assert hidden(views(tmp_path, "2", "pan")) == told("1 run")


def test_smoke_rows_are_shown_when_asked_for_marked_and_never_the_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, wider(77.25, scale="smoke"), wider(99.5))
    assert hidden(views(tmp_path, "5")) == ["1 run of a smoke budget"]
    shown = views(tmp_path, "5", show_smoke=True)
    assert hidden(shown) == []
    (table,) = (view for view in shown if "; Widerface" in view.title)
    smoke, whole = (row for row in table.rows if row.name == "SCGAN")
    assert ([mark.text for mark in smoke.marks], whole.marks) == (["smoke budget"], [])
    assert (smoke.cells[0].best, whole.cells[0].best) == (False, True)
    words = [str(tmp_path), "--paper", "scgan", "--table", "5", "--format", "markdown"]
    main(words)
    assert "77.25" not in capsys.readouterr().out
    main([*words, "--show-smoke"])
    assert "| SCGAN (smoke budget) | 13.32 | 77.25" in capsys.readouterr().out


def test_smoke_rows_on_other_data_stand_apart_from_the_papers_numbers(tmp_path: Path) -> None:
    save(tmp_path, on_tiny(wider(77.25), "1"), on_tiny(bicubic(), "5"))
    *blocks, last = views(tmp_path, "5", show_smoke=True)
    assert len(blocks) == 4
    assert hidden([*blocks, last]) == []
    assert "smoke runs on other data (tiny@1" in last.title
    assert [row.name for row in last.rows] == ["Bicubic Interpolation", "SCGAN"]
    for row in last.rows:
        assert row.marks[0].text == "smoke budget"
        assert [cell.printed for cell in row.cells] == [None] * len(last.heads)
        assert not any(cell.best for cell in row.cells)
    values = [cell.value for row in last.rows for cell in row.cells]
    assert 77.25 in values and 271 in values
    for table in blocks:
        assert {row.record is None for row in table.rows} == {True}


def test_the_flag_needs_a_paper(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--show-smoke"])
    assert "--show-smoke needs --paper" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_row_without_a_run_says_why_in_every_format(name: str, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    text = FORMATS[name](views(tmp_path, "5")[:1])
    assert "no run was found" in text
    assert "another system; score its images with label=NAME" in text
