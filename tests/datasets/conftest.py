"""Shared by the tests of data sets."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facesr_bench.prepare.__main__ import main
from prepare_lab import LOOK


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A laboratory's plug-in, its data, and the command as a function."""
    conf = LOOK.install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lab_faces", raising=False)
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "no-weights"))
    monkeypatch.chdir(tmp_path)
    src, out = LOOK.write(tmp_path / "owner", LOOK.faces()), tmp_path / "out"

    def call(*words: str, recipe: str = "lab", source: Path = src, to: Path = out) -> int:
        return main([recipe, "--src", str(source), "--out", str(to), "-cd", str(conf), *words])

    return SimpleNamespace(call=call, src=src, out=out, root=tmp_path, conf=conf)
