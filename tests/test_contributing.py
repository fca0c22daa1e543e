"""CONTRIBUTING.md's walk, followed literally: its files, its commands, nothing else."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import ROOT
from facesr_bench.check.__main__ import main as check

FILE = re.compile(r"^`(?P<path>my_lab/[\w/.]+)`:\n\n```\w+\n(?P<content>.*?)^```$", re.M | re.S)
COMMAND = re.compile(r"^Run it: `(?P<command>.+?)`$", re.M)


CHECK = re.compile(r"^Check it: `PYTHONPATH=my_lab python -m facesr_bench check (.+?)`$", re.M)


def test_the_walk_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    files = {m["path"]: m["content"] for m in FILE.finditer(text)}
    assert len(files) == 4
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "src").rglob("*.py")}
    commands = [m["command"] for m in COMMAND.finditer(text)]
    assert len(commands) == 2
    for command in commands:
        variable, python, *words = shlex.split(command)
        assert python == "python"
        name, value = variable.split("=")
        done = subprocess.run(
            [sys.executable, *words, "trainer=cpu"], cwd=tmp_path, check=False,
            capture_output=True, text=True,
            env={**os.environ, name: value, "OMP_NUM_THREADS": "1"}, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    records = [json.loads(p.read_text()) for p in (tmp_path / "runs").rglob("result.json")]
    assert sorted((r["method"], r["data"]) for r in records) == [("toy", "ovals"), ("toy", "tiny")]
    assert all(r["trained_on"][0]["images"] == 64 for r in records)
    assert before == {path: path.stat().st_mtime_ns for path in (ROOT / "src").rglob("*.py")}
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "my_lab")
    (words,) = CHECK.findall(text)
    assert check([*shlex.split(words), "--fast"]) == 0
