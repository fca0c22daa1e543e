"""Which column a run's scores belong to, and which group an image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesr_bench.image_attributes import ImageAttributes
from facesr_bench.leaderboard.page.board import Board
from facesr_bench.leaderboard.page.runs import read_runs
from facesr_bench.leaderboard.page.subgroups import break_down
from facesr_bench.leaderboard.records import find_records
from facesr_bench.results import read_record, write_record


def board_of(root: Path) -> Board:
    return Board.of(read_runs(find_records([root]).records))


@pytest.fixture
def runs(made_up: Any, tmp_path: Path) -> Path:
    """Two runs on twelve images."""
    made_up.make_runs(tmp_path, ["one", "two"], 12, 16, write_sr=False)
    return tmp_path


def test_scores_stand_under_the_settings_they_were_measured_with(runs: Path) -> None:
    record = read_record(runs / "1" / "result.json")
    record["metrics"]["psnr_rgb"]["settings"] = {"made_up": 2}
    write_record(runs / "1" / "result.json", record)
    board = board_of(runs)
    first, second = (n for n, column in enumerate(board.columns) if column.key == "psnr_rgb")
    for number, has in ((first, [True, False]), (second, [False, True])):
        assert np.isfinite(board.scores[number]).all(axis=1).tolist() == has
        assert np.isfinite(board.scores[number]).any(axis=1).tolist() == has


def test_an_image_on_the_border_of_two_quarters_is_in_the_lower_one(runs: Path) -> None:
    board = board_of(runs)
    ages = [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    facts = ImageAttributes({}, {"age": dict(zip(board.keys, map(float, ages), strict=True))})
    (age,) = (part for part in break_down(board, facts) if part.name == "age")
    assert [(group.label, group.images) for group in age.groups] == [
        ("0 to 2", 4), ("3 to 4", 2), ("5 to 7", 3), ("8 to 10", 3)
    ]  # fmt: skip
