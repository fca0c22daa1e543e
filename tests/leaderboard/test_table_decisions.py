"""What tables, pages and comparisons decide: units, who is best, who is resampled, what is marked."""

from pathlib import Path
from typing import Any

import pytest

from facesr_bench.leaderboard.compare import Run, compare
from facesr_bench.leaderboard.model import Cell, Finding, Mark, Row
from facesr_bench.leaderboard.page.board import Board
from facesr_bench.leaderboard.page.rows import marks_of
from facesr_bench.leaderboard.page.runs import Run as PageRun
from facesr_bench.leaderboard.page.table import table
from facesr_bench.papers import Printed
from leaderboard.made_records import metric, wider

# -- a cell and a row ----------------------------------------------------------------------------


def test_value_and_interval_are_in_the_same_unit() -> None:
    cell = Cell("measured", metric(0.25, ci95=[0.125, 0.5]), times=100, printed=Printed(20.0))
    assert (cell.value, cell.ci95) == (25.0, (12.5, 50.0))
    assert cell.difference == 5.0


@pytest.mark.parametrize("entry", [None, {}, {"value": None, "ci95": None}])
def test_without_a_value_there_is_no_interval_and_no_difference(entry: Any) -> None:
    cell = Cell("missing", entry, printed=Printed(20.0))
    assert (cell.value, cell.ci95, cell.difference) == (None, None, None)
    assert Cell("measured", metric(1.0)).difference is None


def test_zero_is_a_value() -> None:
    cell = Cell("measured", metric(0.0, ci95=[0.0, 0.0]), printed=Printed(1.0))
    assert (cell.value, cell.ci95, cell.difference) == (0.0, (0.0, 0.0), -1.0)


@pytest.mark.parametrize(
    ("ours", "within"), [(10.0, True), (10.5, True), (9.5, True), (10.51, False), (9.49, False)]
)
def test_a_finding_is_within_its_tolerance_on_both_sides(ours: float, within: bool) -> None:
    assert Finding("FID", 10.0, ours, 0.5).within == within


def test_who_may_be_best() -> None:
    fine, foul = Mark("a", "b"), Mark("c", "d", disqualifies=True)
    assert Row("x", []).may_be_best
    assert Row("x", [], marks=[fine]).may_be_best
    assert not Row("x", [], marks=[fine, foul]).may_be_best
    assert not Row("x", [], superseded="older").may_be_best


# -- a comparison --------------------------------------------------------------------------------


def run_of(offsets: list[float], *, identities: bool, higher: bool = True, **entry: Any) -> Run:
    """200 photos of as many people as there are offsets; all photos of a person are alike."""
    photos = 200 // len(offsets)
    scores = {
        f"{person}-{number:03d}.png": 20.0 + offset
        for person, offset in enumerate(offsets)
        for number in range(photos)
    }
    mean = sum(scores.values()) / len(scores)
    record = wider(metrics={"psnr": metric(mean, higher=higher, n=200, settings={}) | entry})
    people = {key: key.split("-")[0] for key in scores} if identities else {}
    return Run(record, {"psnr": scores}, people)


FOUR = [0.3, 0.3, 0.3, -0.1]
"""Three of four people are better: 150 of 200 images, but four people say little."""


def verdict(a: Run, b: Run) -> str | None:
    (found,) = compare(a, b)
    return found.better


def test_people_are_resampled_not_their_photos() -> None:
    known = run_of(FOUR, identities=True), run_of([0.0] * 4, identities=True)
    assert verdict(*known) == "neither"
    nobody = run_of(FOUR, identities=False), run_of([0.0] * 4, identities=False)
    assert verdict(*nobody) == "a"  # the very same numbers, as if 200 people


@pytest.mark.parametrize("knows", [(True, False), (False, True)])
def test_it_is_enough_that_one_run_knows_the_people(knows: tuple[bool, bool]) -> None:
    a, b = run_of(FOUR, identities=knows[0]), run_of([0.0] * 4, identities=knows[1])
    assert verdict(a, b) == "neither"


def test_one_person_is_too_few_to_say_anything() -> None:
    (found,) = compare(run_of([0.3], identities=True), run_of([0.0], identities=True))
    assert (found.better, found.why_not) == (None, "too few images or people")


@pytest.mark.parametrize(
    ("shift", "higher", "better"), [(1, True, "a"), (-1, True, "b"), (1, False, "b"), (-1, False, "a")]
)  # fmt: skip
def test_better_follows_the_metrics_direction(shift: float, higher: bool, better: str) -> None:
    a, b = (run_of([s] * 4, identities=True, higher=higher) for s in (shift, 0.0))
    assert verdict(a, b) == better


def test_records_that_disagree_on_the_direction_and_stand_ins_get_no_verdict() -> None:
    a, b = (run_of([s] * 4, identities=True, higher=h) for s, h in ((1.0, True), (0.0, False)))
    (found,) = compare(a, b)
    assert (found.better, "disagree" in found.why_not) == (None, True)
    stand_in = {"settings": {"stand_in": True}}
    assert compare(*(run_of([s] * 4, identities=True, **stand_in) for s in (1.0, 0.0))) == []


# -- the page ------------------------------------------------------------------------------------


def page_of(*records: dict[str, Any]) -> str:
    runs = [PageRun(Path(str(n)), record, str(record["label"])) for n, record in enumerate(records)]
    return str(table(Board.of(runs)))


def row_of(page: str, name: str) -> str:
    (found,) = [row for row in page.split("<tr>") if f'data-v="{name}"' in row]
    return found


def test_the_marks_of_a_cell_stand_in_it() -> None:
    mine = wider(5, label="mine", loss_networks=["lpips_alex"])
    other = wider(9, label="other")
    for record, value in ((mine, 0.125), (other, 0.25)):
        record["metrics"]["lpips_alex"] = metric(value)
    page = page_of(mine, other)
    cell = row_of(page, "mine").split("0.1250</")[1].split("</td>")[0]
    assert 'title="lpips_alex is in its training loss, which this metric rewards"' in cell
    assert ">‡</abbr>" in cell
    assert page.count("<abbr") == 1  # in that cell and in no other
    assert "<strong>0.1250" not in page  # what is marked so is never the best ...
    assert "<strong>0.2500" in page
    assert "<strong>5.0000" in row_of(page, "mine")  # ... the rest of its row may be


def test_the_marks_of_a_row_stand_beside_its_name() -> None:
    page = page_of(wider(5, label="short", scale="slim"), wider(9, label="whole"))
    assert ">scale=slim</span>" in row_of(page, "short")
    assert 'class="mark"' not in row_of(page, "whole")


def test_what_is_superseded_is_marked_beside_its_name() -> None:
    fine = Mark("verified", "made again")
    marks = marks_of(Row("x", [], marks=[fine], superseded="made under a@1"))
    assert [str(mark) for mark in marks] == [
        '<span class="mark" title="made again">verified</span>',
        '<span class="mark" title="made under a@1">superseded</span>',
    ]
    assert marks_of(Row("x", [])) == []


def test_images_without_a_score_are_told_in_the_cell() -> None:
    some, every = wider(5, label="some"), wider(9, label="every")
    some["metrics"]["fid@ffhq64-scgan-train"]["not_scored"] = 3
    page = page_of(some, every)
    assert ">3 not scored</small>" in row_of(page, "some")
    assert "not scored" not in row_of(page, "every")


def test_a_cell_without_a_value_says_why() -> None:
    failed = wider(5, label="failed", metrics={}, metrics_failed={"niqe_up192": "it broke"})
    page = page_of(failed, wider(9, label="whole"))
    assert 'title="it broke">failed</span>' in row_of(page, "failed")
    assert row_of(page, "failed").count(">–</span>") == 2  # FID and KID, which it did not measure
    assert ">failed</span>" not in row_of(page, "whole")


def test_seconds_of_two_devices_are_not_compared() -> None:
    one, other = ({"type": "cpu", "name": name} for name in ("A", "B"))
    said = "Seconds were measured on different devices"
    assert said not in page_of(wider(5, device=one), wider(9, device=one))
    assert said in page_of(wider(5, device=one), wider(9, device=other))
