"""The loss table survives a resume, new columns, and a kill in the middle of a line."""

import csv
from pathlib import Path

from facesr_bench.loss_table import LossTable


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_resumed_run_goes_on_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "losses" / "metrics.csv"
    first = LossTable(str(path))
    for step in (8, 16, 24):
        first.log_metrics({"G": step / 2}, step=step)
    second = LossTable(str(path))  # from the checkpoint of 16 images
    second.log_metrics({"G": 99.0}, step=24)
    assert [(row["step"], row["G"]) for row in rows(path)] == [
        ("8", "4.0"), ("16", "8.0"), ("24", "99.0"),
    ]  # fmt: skip


def test_a_loss_that_comes_later_gets_a_column(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    table = LossTable(str(path))
    table.log_metrics({"G": 1.0}, step=8)
    table.log_metrics({"G": 2.0, "r1": 3.0}, step=16)
    table.log_metrics({"G": 4.0}, step=24)
    assert [(row["G"], row["r1"]) for row in rows(path)] == [
        ("1.0", ""), ("2.0", "3.0"), ("4.0", ""),
    ]  # fmt: skip


def test_half_a_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    LossTable(str(path)).log_metrics({"D": 1.0, "G": 1.0}, step=8)
    with path.open("a") as file:
        file.write("16,2")
    LossTable(str(path)).log_metrics({"D": 5.0, "G": 5.0}, step=24)
    assert [row["step"] for row in rows(path)] == ["8", "24"]
