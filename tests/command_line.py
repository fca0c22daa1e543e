"""The real command line on the smallest data, for tests."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

Cli = Callable[..., subprocess.CompletedProcess[str]]

FEW = "data.source.identities={train: 8, train_lr: 8, val: 2, test: 6}"
TINY = ("+data=tiny", FEW, "data.source.shipped_test=null", "scale=smoke")
"""Twelve test faces, sixteen to train on, a network of a few thousand parameters."""

SMALL = (*TINY, "trainer=cpu")


def record_of(folder: Path) -> dict[str, Any]:
    """The run record of a finished run."""
    record: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return record


@contextmanager
def restored_surroundings() -> Iterator[None]:
    """A command in this process, outside of a test's own monkeypatch, leaves nothing behind."""
    argv, environment = list(sys.argv), dict(os.environ)
    try:
        yield
    finally:
        sys.argv[:] = argv
        os.environ.clear()
        os.environ.update(environment)
