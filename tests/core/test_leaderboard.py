"""Tables: rows share a table by inputs, a column by settings; nothing is left out silently."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.errors import DataError
from facesr_bench.leaderboard.__main__ import main
from facesr_bench.results import REQUIRED, SCHEMA, read_record, write_record


def record(method: str, psnr: float, **changes: Any) -> dict[str, Any]:
    metric = {"value": psnr, "ci95": [psnr - 1, psnr + 1], "ci_kind": "bootstrap", "n": 5}
    base: dict[str, Any] = dict.fromkeys(REQUIRED) | {
        "schema": SCHEMA,
        "method": method,
        "label": method,
        "scale": "full",
        "data": "tiny",
        "protocol": {"name": "tiny", "version": 1, "hash": "a" * 64},
        "n_images": 5,
        "metrics": {"psnr_rgb": {**metric, "higher_is_better": True, "settings": {"range": 1}}},
        "cost": {"params": 1000, "seconds_per_image": 0.5},
        "trained_on": [{"data": "tiny", "images": 100}],
        "budget": {"images": 100, "declared": 100},
        "origin": "trained here",
        "started": "2026-01-01T00:00:00+00:00",
    }
    return base | changes


def save(root: Path, *records: dict[str, Any]) -> None:
    for number, content in enumerate(records):
        (root / str(number)).mkdir(parents=True)
        write_record(root / str(number) / "result.json", content)


def table(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main([str(root)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_best_is_bold_and_protocols_stand_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {"name": "tiny", "version": 1, "hash": "b" * 64}
    save(tmp_path, record("a", 20), record("b", 25), record("c", 30, protocol=other))
    code, out, _ = table(tmp_path, capsys)
    assert code == 0
    assert out.count("### tiny@1") == 2
    assert "**25.00 [24.00, 26.00]**" in out
    assert "**20.00" not in out
    assert "**30.00" in out


def test_lower_can_be_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [record("a", 20), record("b", 25)]
    for content in records:
        content["metrics"]["psnr_rgb"]["higher_is_better"] = False
    save(tmp_path, *records)
    assert "**20.00" in table(tmp_path, capsys)[1]


def test_one_metric_measured_in_two_ways_gets_two_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = record("b", 25)
    second["metrics"]["psnr_rgb"]["settings"] = {"range": 255}
    save(tmp_path, record("a", 20), second)
    out = table(tmp_path, capsys)[1]
    assert out.count("psnr_rgb (") == 2
    assert out.count("| - |") == 2
    assert "**20.00" in out
    assert "**25.00" in out


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"scale": "smoke"}, "smoke budget"),
        ({"budget": {"images": 10, "declared": 100}}, "smoke budget"),
        ({"budget": {"images": 50, "declared": 100}}, "50% of its budget"),
        ({"scale": "slim"}, "scale=slim"),
    ],
)
def test_short_budgets_are_marked(
    changes: dict[str, Any], mark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, record("plain", 20), record("marked", 20, **changes))
    rows = [line for line in table(tmp_path, capsys)[1].splitlines() if line.startswith("| ")]
    assert mark in next(row for row in rows if row.startswith("| marked"))
    assert mark not in next(row for row in rows if row.startswith("| plain"))


def test_damaged_and_unfinished_runs_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, record("a", 20))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text('{"schema": 1, "meth')
    (tmp_path / "running").mkdir()
    (tmp_path / "running" / "config.yaml").touch()
    (tmp_path / "running" / "run.log").touch()
    code, out, err = table(tmp_path, capsys)
    assert code == 1
    assert "| a" in out
    assert "broken" in err
    assert "running" in err


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1}', b'{"schema": 99}'],
)
def test_a_damaged_record_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(DataError, match=r"result\.json"):
        read_record(tmp_path / "result.json")


def test_a_record_cannot_hold_what_json_cannot(tmp_path: Path) -> None:
    content = copy.deepcopy(record("a", float("nan")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path / "result.json", content)
    assert not (tmp_path / "result.json").exists()
    write_record(tmp_path / "result.json", record("ü", 1))
    assert json.loads((tmp_path / "result.json").read_text())["method"] == "ü"
