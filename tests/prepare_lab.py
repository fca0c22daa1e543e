"""A look-alike owner of faces and what its prepared folder holds; the fixture: datasets/conftest.py."""

import errno
import json
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from facesr_bench.errors import DataError
from facesr_bench.prepare.recipe import Raw

LOOK = SimpleNamespace(**run_path(str(Path(__file__).parent / "datasets/look_alikes.py")))


def rows(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(out / "manifest.parquet").to_pylist()
    return found


def facts(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "prepared.json").read_text())
    return content


def state(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        p.relative_to(root).as_posix(): (p.stat().st_mtime_ns, p.read_bytes())
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


def raws(*keys: str) -> list[Raw]:
    return [Raw(key, "test", lambda: LOOK.face(0), key) for key in keys]


def interrupted(lab: Any) -> None:
    """Everything done but for the last images: an error stops it where a kill could."""
    LOOK.write(lab.src, {"train/z_9.png": b"broken"})
    with pytest.raises(DataError, match="1 of 13"):
        lab.call()


def prepared_files(out: Path) -> dict[str, bytes]:
    """All that was prepared; the lock file is empty and nobody's."""
    return {name: content for name, (_, content) in state(out).items() if name != ".lock"}


def full(*_: object, **__: object) -> None:
    """What a full disk does to any write."""
    raise OSError(errno.ENOSPC, "No space left on device")
