"""Tables from W&B's API are those of the files; what is no record there is told."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.leaderboard import __main__ as leaderboard
from facesr_bench.leaderboard.wandb_source import RECORD, protocol_rows, publish, wandb_records

METRIC = {
    "value": 20.0, "ci95": [19.0, 21.0], "ci_kind": "bootstrap", "higher_is_better": True, "n": 12,
    "settings": {}, "settings_hash": "a" * 64,
}  # fmt: skip
BASE: dict[str, Any] = {
    "schema": 1, "method": "bicubic", "label": "bicubic", "scale": "full", "paper": "p",
    "data": "tiny", "protocol": {"name": "tiny", "version": 1, "hash": "f" * 64}, "lr_hash": "l",
    "hr_hash": "h", "sr_hash": "s", "n_images": 12, "metrics": {"psnr_rgb": METRIC}, "cost": {},
    "config": {}, "weights": [], "trained_on": [], "budget": None, "origin": "no training needed",
    "versions": {}, "git": None, "device": {}, "started": "2026-01-01T00:00:00+00:00", "seconds": 1.0,
}  # fmt: skip


def record(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(BASE), **changes}


class Api:
    """The shape of ``wandb.Api``: runs with id, url, state and a summary to ``get`` from."""

    def __init__(self, *texts: str | None) -> None:
        self.texts = texts

    def runs(self, path: str) -> Any:
        if path != "me/faces":
            raise ValueError(f"Could not find project {path}")
        for number, text in enumerate(self.texts):
            summary = {} if text is None else {RECORD: text, "test/tiny/psnr_rgb": 20.0}
            state = "running" if text is None else "finished"
            yield SimpleNamespace(
                id=f"r{number}", url=f"https://w/{number}", state=state, summary=summary
            )


def test_records_come_in_order_and_what_is_none_is_told() -> None:
    late = record(label="late", started="2026-02-01T00:00:00+00:00")
    newer = record(schema=99)
    api = Api(*(json.dumps(r) for r in (late, record(), newer)), None, "{half")
    found = wandb_records("me/faces", api)
    assert [r["label"] for _, r in found.records] == ["bicubic", "late"]
    assert found.records[0][1] == record()
    assert found.records[1][0] == Path("wandb/me/faces/r0")
    told = "\n".join(found.unreadable)
    assert "https://w/2 has schema 99" in told
    assert "https://w/3 has no record (it is running)" in told
    assert "https://w/4 has a damaged record" in told
    with pytest.raises(DataError, match="Could not find project"):
        wandb_records("me/other", api)


def test_the_command_prints_the_table_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_text(json.dumps(record()))
    assert leaderboard.main([str(tmp_path)]) == 0
    of_files = capsys.readouterr().out
    monkeypatch.setattr(wandb, "Api", lambda: Api(json.dumps(record())))
    assert leaderboard.main(["--wandb", "me/faces"]) == 0
    assert capsys.readouterr().out == of_files
    assert "20.00" in of_files


def test_published_tables_keep_protocols_and_settings_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = record(label="other", metrics={"psnr_rgb": METRIC | {"settings_hash": "b" * 64}})
    elsewhere = record(protocol={"name": "tiny", "version": 2, "hash": "e" * 64})
    tables = protocol_rows([record(), other, elsewhere])
    columns, rows = tables[f"tiny@1 {'f' * 12}"]
    assert columns == [
        "method",
        "origin",
        "scale",
        "images",
        "psnr_rgb (aaaaaa)",
        "psnr_rgb (bbbbbb)",
    ]
    assert [row[4:] for row in rows] == [[20.0, None], [None, 20.0]]
    assert len(tables) == 2

    logged: dict[str, Any] = {}
    run = SimpleNamespace(url="https://w/b", dir="d", log=logged.update, finish=lambda: None)
    monkeypatch.setattr(wandb, "init", lambda **given: logged.update(given=given) or run)
    assert publish([record(), elsewhere], "me/faces") == "https://w/b"
    assert (logged["given"]["entity"], logged["given"]["project"]) == ("me", "faces")
    assert logged[f"leaderboard/tiny@1 {'f' * 12}"].data == [
        ["bicubic", "no training needed", "full", 12, 20.0]
    ]

    def refuse(**_: Any) -> Any:
        raise wandb.errors.CommError("no route")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(ConfigError, match="no route"):
        publish([record()], "me/faces")
