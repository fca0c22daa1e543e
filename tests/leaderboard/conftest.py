"""Made-up runs and the browser of the pages' tests; both live beside the benchmarks."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.config import build_data
from facesr_bench.images import encode_png

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def made_up() -> Iterator[Any]:
    """``page_runs.py``; its folder is no package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("page_runs")
    finally:
        sys.path.remove(str(BENCHMARKS))


def folder_data(root: Path, side: int) -> dict[str, Any]:
    """The resolved configuration of a folder of HR images."""
    return {
        "_target_": "facesr_bench.datamodule.FaceSRDataModule", "name": "ovals", "version": 1,
        "hr_size": side, "factor": 4,
        "degradation": {
            "_target_": "facesr_bench.degradations.resizing.Downscale", "factor": 4,
            "operator": "bicubic", "antialias": True,
        },
        "source": {
            "_target_": "facesr_bench.datasets.folder.Folder", "root": str(root), "hr_size": side,
            "factor": 4,
        },
    }  # fmt: skip


@pytest.fixture(scope="session")
def with_hr(made_up: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three methods on eight images whose data is at hand; the last kept no SR images."""
    root = tmp_path_factory.mktemp("with_hr")
    for number, key in enumerate(made_up.keys_of(8)):
        (root / "hr" / key).parent.mkdir(parents=True, exist_ok=True)
        (root / "hr" / key).write_bytes(encode_png(made_up.face(number, 16)))
    data = folder_data(root / "hr", 16)
    asked = {"config": {"data": data}, "protocol_hash": build_data(data).test_set.hash}
    made_up.make_runs(root / "runs", ["one", "two", "three"], 8, 16, **asked)
    for path in (root / "runs" / "2" / "sr").rglob("*.png"):
        path.unlink()
    return root / "runs"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One headless browser for all tests of a session; skipped where there is none."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        module = importlib.import_module("chromium")
    finally:
        sys.path.remove(str(BENCHMARKS))
    executable = module.find_chromium()
    if executable is None:
        pytest.skip(
            "no Chromium on this machine (apt-get install chromium, or FACESR_CHROMIUM=FILE)"
        )
    with module.browser(executable, seconds=600) as opened:
        yield opened
