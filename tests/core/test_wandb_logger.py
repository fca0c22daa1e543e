"""W&B: what a run leaves there, read back from its offline file; and no fault of it stops a run."""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["WANDB_ERROR_REPORTING"] = "false"  # read when wandb is imported

import pytest
import wandb

from command_line import SMALL, record_of
from facesr_bench import wandb_logger
from facesr_bench.cli import main
from facesr_bench.leaderboard.wandb_source import RECORD
from facesr_bench.results import check_record
from facesr_bench.wandb_logger import STEP, WandbLogger
from sample_record import record
from wandb_files import items, offline_file, records_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One smoke run with W&B offline."""
    out = tmp_path_factory.mktemp("wandb") / "run"
    words = ["+method=scgan", *SMALL, "images=16", "log_every=8", "metrics.only=[psnr_rgb]"]
    wandb_words = ["logger=wandb", "logger.mode=offline", "logger.log_model=true"]
    assert main([*words, *wandb_words, f"output_dir={out}"]) == 0
    offline_file(out)
    return out


def test_an_offline_run_holds_curves_config_pictures_and_the_record(finished: Path) -> None:
    file = offline_file(finished)
    left = record_of(finished)
    history: list[dict[str, Any]] = []
    summary: dict[str, Any] = {}
    config: dict[str, Any] = {}
    kinds = set()
    artifacts = []
    for entry in records_of(file):
        kinds.add(entry.WhichOneof("record_type"))
        history += [items(entry.history.item)] if entry.history.item else []
        summary |= items(entry.summary.update)
        config |= items(entry.run.config.update) | items(entry.config.update)
        artifacts += [entry.artifact.type] if entry.HasField("artifact") else []
    losses = [row for row in history if "pix" in "".join(row) and STEP in row]
    assert [row[STEP] for row in losses] == sorted(row[STEP] for row in losses)
    assert losses[-1][STEP] == left["budget"]["images"] == 16
    key = "test/tiny/psnr_rgb"
    assert summary[key] == left["metrics"]["psnr_rgb"]["value"]
    assert check_record(json.loads(summary[RECORD]), "W&B") == left
    assert (summary["division"], summary["marks"]) == ("protocol data", "smoke budget")
    assert summary["status"] == "golden-equal"
    assert config["method"]["hr_size"] == 64
    table = "test/tiny/per_image"
    (row,) = [row for row in history if f"{table}/nrows" in row]
    assert (row[f"{table}/nrows"], row[f"{table}/_type"]) == (12, "table-file")
    assert any("grid/filenames" in row for row in history)
    assert "model" in artifacts
    media = {path.suffix for path in file.parent.rglob("media/**/*") if path.is_file()}
    assert {".png", ".json"} <= media


class Broken:
    """A W&B run in which any call fails, or the end hangs."""

    id, url, dir = "x", "u", "d"

    def __init__(self, faulty: str) -> None:
        self.calls: list[str] = []
        self.faulty, self.forever = faulty, threading.Event()
        self.summary = SimpleNamespace(update=lambda _: self._call("summary"))
        self.log = lambda *_: self._call("log")
        self.log_artifact = lambda *_, **__: self._call("log_artifact")
        self.define_metric = lambda *_, **__: self._call("define_metric")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.faulty:
            raise ConnectionError("gone")

    def finish(self, exit_code: int) -> None:
        self._call("finish")
        if self.faulty == "hang":
            self.forever.wait()


@pytest.fixture
def told() -> Iterator[Callable[[], list[str]]]:
    """Warnings of the logger, whatever the terminal's handlers are."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda entry: lines.append(entry.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("facesr_bench.wandb_logger")
    handler.setLevel(logging.WARNING)
    log.addHandler(handler)
    yield lambda: lines
    log.removeHandler(handler)


def use(logger: WandbLogger, out: Path) -> None:
    logger.log_hyperparams({"a": 1})
    for step in (1, 2, 3):
        logger.log_metrics({"loss": 1.0}, step)
    logger.log_image("preview", [], 3)
    logger.log_record(record() | {"scale": "full"}, out)
    logger.close()


@pytest.mark.parametrize(
    "faulty", ["init", "log", "summary", "log_artifact", "define_metric", "finish", "hang"]
)
def test_no_fault_of_wandb_gets_out_and_each_is_told_once(
    faulty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Callable[[], list[str]]
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"x")
    (tmp_path / "per_image.csv").write_text("key,identity,psnr\na,,1.0\n")
    broken = Broken(faulty)

    def init(**_: Any) -> Any:
        if faulty == "init":
            raise wandb.errors.UsageError("no key")
        return broken

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(wandb_logger, "GRACE", 0.05)
    patience = 0.05 if faulty == "hang" else 300.0  # only that one is to run out of it
    logger = WandbLogger(str(tmp_path), mode="offline", log_model=True, finish_timeout=patience)
    use(logger, tmp_path)
    broken.forever.set()
    said = told()
    # "log" fails in losses, pictures and the table; everything else in one place.
    assert len(said) == {"log": 3}.get(faulty, 1)
    if faulty == "hang":
        assert "wandb sync" in said[0]
    else:
        assert "The run goes on" in said[0]
    if faulty == "log":
        assert "summary" in broken.calls, "the record is tried although losses failed"


def test_without_a_key_it_stays_offline_and_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert WandbLogger(str(tmp_path))._mode == "offline"
    netrc.write_text("machine api.wandb.ai login user password k")
    assert WandbLogger(str(tmp_path))._mode == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert WandbLogger(str(tmp_path))._mode == "disabled"
    first = WandbLogger(str(tmp_path))._run_id()
    assert WandbLogger(str(tmp_path))._run_id() == first, "a resumed run goes on in its curves"
    assert WandbLogger(str(tmp_path / "other"))._run_id() != first
