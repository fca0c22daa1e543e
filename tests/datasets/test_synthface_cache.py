"""Rendered faces are kept; a kept file that is cut short is told, and costs time only."""

import logging
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.datasets.synthface import SynthFace


def faces() -> list[np.ndarray]:
    split = SynthFace(16, {"train": 1}, {"train": 2}).split("train")
    assert split is not None
    return [np.asarray(split[index].hr) for index in range(2)]


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1])
def test_a_truncated_cache_is_rendered_again(
    kept: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path))
    whole = faces()
    (path,) = (tmp_path / "synthface").glob("*.npz")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept == 0.5 else int(kept)])
    monkeypatch.setattr(logging.getLogger("facesr_bench"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        again = faces()
    assert "are damaged; they are rendered again" in caplog.text
    assert all(map(np.array_equal, whole, again))
    assert path.read_bytes()[: len(content) // 2] == content[: len(content) // 2]
