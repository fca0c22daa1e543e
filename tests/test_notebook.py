"""The notebook's code cells, run in order as Jupyter would, on two methods and one without weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command_line import ROOT

NOTEBOOK = ROOT / "notebooks" / "compare.ipynb"


def cells() -> list[str]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "code"]


def test_the_notebook_compares_methods_on_a_picture_and_on_the_embedded_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "me.png"
    y, x = np.mgrid[:90, :120]
    Image.fromarray(np.stack([x, y, x + y], axis=-1).astype(np.uint8)).save(picture)
    monkeypatch.setenv("FACESR_PICTURE", str(picture))
    monkeypatch.setenv("FACESR_METHODS", "bicubic,scgan,psp")
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "none"))  # no YuNet: the middle square
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: str(tmp_path / "work"))
    (tmp_path / "work").mkdir()
    space: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(cells()):
        exec(compile(cell, f"compare.ipynb, cell {number}", "exec"), space)
    assert list(space["results"]) == ["bicubic", "scgan"]
    assert "psp ships none" in capsys.readouterr().err
    assert {image.shape for image in space["results"].values()} == {(64, 64, 3)}
    middle = np.asarray(Image.open(picture).crop((15, 0, 105, 90)).resize((64, 64), 3))
    assert np.abs(space["hr"].astype(int) - middle).mean() < 1
    assert not np.array_equal(space["results"]["bicubic"], space["results"]["scgan"])
    assert Image.open(tmp_path / "work" / "compare.png").size[0] > 4 * 128
    assert space["embedded_face"]().shape == (64, 64, 3)


def test_the_notebook_was_saved_without_outputs() -> None:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
