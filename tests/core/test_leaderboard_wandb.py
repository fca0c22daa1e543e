"""Tables from W&B's API are those of the files; what is no record there is told."""

import copy
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["WANDB_ERROR_REPORTING"] = "false"  # read when wandb is imported

import pytest
import wandb

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.leaderboard import __main__ as leaderboard
from facesr_bench.leaderboard.run_tables import run_tables
from facesr_bench.leaderboard.wandb_source import RECORD, wandb_records
from facesr_bench.leaderboard.wandb_tables import key_of, publish, table_rows
from wandb_files import items, offline_file, records_of

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

    def runs(self, path: str, lazy: bool = True) -> Any:
        assert not lazy, "each summary would be a request of its own"
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


def test_published_tables_keep_protocols_and_settings_apart() -> None:
    other = record(label="other", metrics={"psnr_rgb": METRIC | {"settings": {"peak": 1}}})
    elsewhere = record(protocol={"name": "tiny", "version": 2, "hash": "e" * 64})
    first, second = run_tables([(Path(), r) for r in (record(), other, elsewhere)])
    assert (key_of(first), key_of(second)) == (
        f"leaderboard/tiny@1 {'f' * 12}",
        f"leaderboard/tiny@2 {'e' * 12}",
    )
    columns, rows = table_rows(first)
    one, two = (head.name for head in first.heads)
    assert one.startswith("psnr_rgb (")
    values = [[row[columns.index(name)] for name in (one, f"{one} low", two)] for row in rows]
    assert values == [[20.0, 19.0, None], [None, None, 20.0]]
    reason = rows[1][columns.index("not there because")]
    assert (
        reason == f"{one}: missing, psnr_rgb was measured with other settings, see its other column"
    )


def test_what_is_published_can_be_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real run of W&B's client, offline: the table, and the sentences below it."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    wandb.teardown()  # its client keeps the variables of its first run in a process
    (tmp_path / "run").mkdir()
    seen = record(origin="trained here", test_overlap={"known": True, "images": 3})
    (tmp_path / "run" / "result.json").write_text(json.dumps(seen))
    assert leaderboard.main([str(tmp_path / "run"), "--publish", "me/faces"]) == 0
    assert "published: " in capsys.readouterr().err
    file = offline_file(tmp_path)
    entries = list(records_of(file))
    (run,) = (entry.run for entry in entries if entry.HasField("run"))
    assert (run.entity, run.project, run.display_name) == ("me", "faces", "leaderboard")
    assert "trained on 3 of the test images (bicubic): 3 of the 12 test keys" in run.notes
    logged = [items(e.history.item) for e in entries if e.history.item]
    (shown,) = [row for row in logged if any(key.endswith("/nrows") for key in row)]
    path = next(value for key, value in shown.items() if key.endswith("/path"))
    written = json.loads((file.parent / "files" / path).read_text())
    row = dict(zip(written["columns"], written["data"][0], strict=True))
    assert row["marks"] == "trained on 3 of the test images"
    assert (row["division"], row["psnr_rgb"], row["psnr_rgb high"]) == ("open", 20.0, 21.0)


def test_a_refusal_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> Any:
        raise wandb.errors.CommError("no route")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(ConfigError, match="no route"):
        publish(run_tables([(Path(), record())]), "me/faces")
