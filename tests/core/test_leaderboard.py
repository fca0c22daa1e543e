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


def with_metric(
    method: str, key: str, value: float, settings: dict[str, Any] | None = None, **facts: Any
) -> dict[str, Any]:
    """A record of one lower-is-better metric."""
    content = record(method, 20)
    metric = {"value": value, "higher_is_better": False, "n": 5, "settings": settings or {}}
    content["metrics"] = {key: metric | facts}
    return content


def row(out: str, name: str) -> str:
    return next(line for line in out.splitlines() if line.startswith(f"| {name} |"))


def test_a_smoke_test_gets_no_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = record("a", 20), record("b", 25)
    for content in (first, second):
        content["metrics"]["fd_vgg16_random@tiny"] = {
            "value": 77.25, "higher_is_better": False, "n": 5000, "floor": 66.5,
            "settings": {"stand_in": True},
        }  # fmt: skip
    save(tmp_path, first, second)
    out = table(tmp_path, capsys)[1]
    assert "77.25" not in out
    assert "66.5" not in out
    assert not any("fd_vgg16_random" in line for line in out.splitlines() if line[:1] == "|")
    assert "a smoke test and not a result: fd_vgg16_random@tiny." in out
    assert "**25.00" in out


def test_a_value_over_fewer_images_is_never_the_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = with_metric("all", "lmd", 0.5, n=400)
    some = with_metric("some", "lmd", 0.25, n=323, not_scored=77)
    save(tmp_path, every, some)
    out = table(tmp_path, capsys)[1]
    assert "0.2500 (77 not scored)" in row(out, "some")
    assert "**" not in out  # nor is the runner-up the best
    assert "Nothing is in bold where the best value is over fewer images" in out


def test_the_best_over_the_most_images_is_bold_though_some_were_not_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    most = with_metric("most", "lmd", 0.25, n=323, not_scored=77)
    save(tmp_path, most, with_metric("few", "lmd", 0.5, n=100, not_scored=300))
    out = table(tmp_path, capsys)[1]
    assert "**0.2500** (77 not scored)" in row(out, "most")
    assert "**" not in row(out, "few")


@pytest.mark.parametrize(
    ("key", "count", "settings", "ranked"),
    [
        ("fd_squeezenet@x", 1000, {}, True),
        ("fd_squeezenet@x", 999, {}, False),
        ("fd_squeezenet_jk@x", 400, {}, False),
        ("fd_squeezenet@x", 1000, {"n_reference": 900}, False),
        ("fid_n160@x", 160, {}, False),
        ("kid_n1200@x", 1200, {}, False),
        ("swd_64@x", 400, {}, True),
        ("fid@x", 1000, {}, True),
    ],
)
def test_distances_of_few_images_are_printed_and_not_ranked(
    key: str, count: int, settings: dict[str, Any], ranked: bool,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    both = [with_metric(name, key, v, settings, n=count) for name, v in (("a", 20.0), ("b", 30.0))]
    save(tmp_path, *both)
    out = table(tmp_path, capsys)[1]
    assert ("**20.00**" in row(out, "a")) == ranked
    assert "20.00" in row(out, "a")
    assert (f"{key} ↓ † |" in out) == (not ranked)
    assert ("†: fewer than 1,000 images" in out) == (not ranked)


@pytest.mark.parametrize(
    ("floors", "shown"),
    [
        ((8.5, 8.5), "| HR (floor) | 8.5000 | - |"),
        ((8.5, 8.5 + 1e-9), "| HR (floor) | 8.5000 | - |"),
        ((8.75, 8.5), "| HR (floor) | 8.5000 to 8.7500 | - |"),
        ((None, 8.5), "| HR (floor) | 8.5000 | - |"),
        ((0.0, 0.0), "| HR (floor) | 0.0000 | - |"),
    ],
)
def test_hr_has_a_row_with_the_floors(
    floors: tuple[float | None, float], shown: str,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    a, b = (with_metric("any", "niqe", 9, floor=floor) for floor in floors)
    save(tmp_path, a, b)
    out = table(tmp_path, capsys)[1]
    assert shown in out
    assert "HR (floor): what HR itself would score" in out
    lines = [line for line in out.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1


def test_without_floors_there_is_no_row_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, record("a", 20))
    assert "floor" not in table(tmp_path, capsys)[1]


def test_a_table_without_bicubic_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "with", record("a", 20), record("bicubic", 25, label="mine"))
    assert "was not run" not in table(tmp_path / "with", capsys)[1]
    folder = {
        "name": "folder", "root": "my faces", "resize": "box", "lr_root": None, "factor": 4,
        "source": {"root": "my faces"},
    }  # fmt: skip
    prepared = {"name": "scgan_widerface", "limit": 50, "reference": "ffhq64-scgan-train"}
    elsewhere = {"command": "evaluate", "sr": "S", "hr": "H", "lr": None}
    for number, (data, config, command) in enumerate(
        (
            ("tiny", {}, "python -m facesr_bench +method=bicubic +data=tiny`"),
            ("folder", {"data": folder}, "+data=folder 'data.root=my faces' data.resize=box`"),
            ("scgan_widerface", {"data": prepared}, "+data=widerface data.limit=50`"),
            ("of_a_plug_in", {}, "+data=of_a_plug_in`"),
            ("set", elsewhere, "facesr-bench evaluate FOLDER --hr H --name bicubic`"),
        )
    ):
        save(tmp_path / str(number), record("a", 20, data=data, config=config))
        out = table(tmp_path / str(number), capsys)[1]
        assert "bicubic was not run on this protocol" in out
        assert command in out


def test_a_run_without_metrics_is_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, record("a", 20, metrics={}))
    lines = [line for line in table(tmp_path, capsys)[1].splitlines() if line.startswith("|")]
    assert [line.count("|") for line in lines] == [7, 7, 7]


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


def test_a_record_of_the_next_schema_is_not_read(tmp_path: Path) -> None:
    save(tmp_path, record("bicubic", 20.0, schema=SCHEMA + 1))
    with pytest.raises(
        DataError, match=f"schema {SCHEMA + 1}, newer than the {SCHEMA} this version"
    ):
        read_record(tmp_path / "0" / "result.json")
