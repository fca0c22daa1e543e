"""No two runs write to one folder."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from facesr_bench import config as configuration
from facesr_bench.config import OUTPUT_DIR_VARIABLE, choose_output_dir

SETTINGS: dict[str, Any] = {
    "output_dir": None, "method": {"name": "scgan"}, "data": {"name": "tiny"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(OUTPUT_DIR_VARIABLE, raising=False)


def test_jobs_of_a_sweep_have_folders_of_their_own() -> None:
    given = SETTINGS | {"output_dir": "out"}
    assert choose_output_dir(given, None) == Path("out")
    assert [choose_output_dir(given, n) for n in (0, 1)] == [Path("out/0"), Path("out/1")]


def test_runs_started_within_a_second_have_folders_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Stopped":
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(configuration, "datetime", Stopped)
    chosen = []
    for _ in range(3):
        folder = choose_output_dir(SETTINGS, None)
        folder.mkdir(parents=True)
        chosen.append(str(folder))
    base = "runs/scgan/tiny/2026-01-02_03-04-05"
    assert chosen == [base, f"{base}-2", f"{base}-3"]


def test_the_other_processes_of_a_run_write_where_the_first_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(OUTPUT_DIR_VARIABLE, "where/it/writes")
    assert choose_output_dir(SETTINGS | {"output_dir": "out"}, 3) == Path("where/it/writes")
