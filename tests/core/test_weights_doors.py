"""A file that would run code runs none, whichever way it comes in: import, check, convert, loading."""

import io
import json
import os
import pickle
import shutil

import numpy as np
import pytest
import torch

from facesr_bench.errors import WeightsError
from facesr_bench.weights.__main__ import main
from facesr_bench.weights.cache import file_hash, weights_dir
from facesr_bench.weights.converting import converted_path, sidecar_path
from facesr_bench.weights.loading import check_file, load_arrays, load_state, locate

ENTRY = """\
what: a toy
files: [{{file: {file}, sha256: {sha256}}}]
layout: {layout}
url: https://example.org/page
licence: nobody's
size_mb: 0.1
"""


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def torch_bytes(content, zipped):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def npz_bytes(evil):
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([evil], dtype=object))
    return buffer.getvalue()


FORMS = {
    "zip": ("toy.pth", "{kind: torch}", lambda evil: torch_bytes({"a": evil}, True)),
    "old": ("toy.pth", "{kind: torch}", lambda evil: torch_bytes({"a": evil}, False)),
    "pickle": ("toy.ckpt", "{kind: torch}", lambda evil: pickle.dumps({"a": evil}, 2)),
    "ada": ("toy.pkl", "{kind: ada_pickle, inside: [G_ema]}", lambda e: pickle.dumps({"G_ema": e})),
    "tf": ("toy.pkl", "{kind: tf_pickle, inside: [Gs]}", lambda e: pickle.dumps((e, e, e))),
    "npz": ("toy.npz", "{kind: npz}", npz_bytes),
    "disguised": ("toy.safetensors", "{kind: safetensors}", pickle.dumps),
}
"""File name, layout, and how the bytes are made."""


def unpickle_freely(path):
    """What nothing of ours may do."""
    if path.suffix == ".npz":
        np.load(path, allow_pickle=True)["a"]
    elif path.suffix == ".pth":
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())


@pytest.fixture
def register(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESR_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "conf" / "weights").mkdir(parents=True)

    def write(path, layout):
        text = ENTRY.format(file=path.name, sha256=f'"{file_hash(path)}"', layout=layout)
        (tmp_path / "conf" / "weights" / "toy.yaml").write_text(text)

    return write


@pytest.mark.parametrize("form", FORMS)
def test_no_door_lets_a_file_run_code(form, register, tmp_path, capsys):
    name, layout, make = FORMS[form]
    marker, path = tmp_path / "ran", tmp_path / name
    path.write_bytes(make(Evil(marker)))
    unpickle_freely(path)
    marker.rmdir()  # so it is armed
    register(path, layout)
    assert main(["import", str(path)]) == 1 and not weights_dir().exists()
    # The hash is the registered one, so from here on only the way it is opened protects.
    weights_dir().mkdir()
    shutil.copy(path, weights_dir())
    file = locate("toy")
    assert main(["check", "toy"]) == 1 and "BAD      toy" in capsys.readouterr().out
    assert main(["convert", "toy"]) == 1
    for door in (load_state, load_arrays, lambda f: check_file(f.path, f.entry.layout)):
        with pytest.raises(WeightsError):
            door(file)
    assert not marker.exists() and sorted(p.name for p in weights_dir().iterdir()) == [name]


def test_nor_does_what_lies_where_a_conversion_should(register, tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "toy.pth"
    torch.save({"a": torch.ones(2)}, path)
    register(path, "{kind: torch}")
    assert main(["import", str(path)]) == 0 and main(["convert", "toy"]) == 0
    file = locate("toy")
    copy, card = converted_path(file.path), sidecar_path(file.path)
    copy.write_bytes(pickle.dumps(Evil(marker)))
    card.write_text(json.dumps(json.loads(card.read_text()) | {"sha256": file_hash(copy)}))
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_state(file)
    card.write_bytes(pickle.dumps(Evil(marker)))
    assert load_state(file)["a"].tolist() == [1, 1]
    (weights_dir() / "pins.json").write_bytes(pickle.dumps(Evil(marker)))
    assert main(["check", "toy"]) == 0
    assert not marker.exists()
