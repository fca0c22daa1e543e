"""Damaged and hostile bytes end in a sentence, whoever reads them: no crash, no code, no memory."""

import copy
import io
import json
import pickle
import resource
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from facesr_bench.checkpoints import read_checkpoint
from facesr_bench.errors import FaceSRError
from facesr_bench.images import read_rgb
from facesr_bench.key_lists import read_list
from facesr_bench.leaderboard.formats.markdown import markdown
from facesr_bench.leaderboard.run_tables import run_tables
from facesr_bench.metrics.feature_cache import read_features
from facesr_bench.metrics.reference_store import store_statistics
from facesr_bench.metrics.scores import read_identities, read_per_image
from facesr_bench.prepare.containers import open_container
from facesr_bench.prepare.manifest import read_manifest, write_manifest
from facesr_bench.results import read_record
from facesr_bench.weights.unpickling import numpy_names, plain_names, read_pickle, torch_names
from sample_record import record

FUZZ = settings(
    max_examples=25, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
MOST_GROWTH = 300 << 10
"""In KiB: what may be allocated over all examples of a case."""

STATE = {"weight": torch.arange(12.0).view(3, 4), "bias": torch.zeros(3)}


def image(kind: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(content, kind)
    return content.getvalue()


def saved(**options: Any) -> bytes:
    content = io.BytesIO()
    torch.save({"state_dict": STATE, "images_seen": 8}, content, **options)
    return content.getvalue()


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a/1.png", "a/2.png"):
            archive.writestr(name, image("PNG"))
    return content.getvalue()


def tarred(mode: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo("a/1.png")
        info.size = len(image("PNG"))
        archive.addfile(info, io.BytesIO(image("PNG")))
    return content.getvalue()


def arrays(**content: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **content)
    return file.getvalue()


def manifest(path: Path) -> bytes:
    row = {"key": "a", "split": "train", "role": "hr", "attributes": {"x": 1.0}, "height": 8}
    write_manifest(path, [row])
    return path.read_bytes()


def read_container(path: Path) -> None:
    container = open_container(path)
    for name in container.names():
        assert not name.startswith("/") and ".." not in name.split("/")
        container.read(name)


def read_table(path: Path) -> None:
    read_per_image(path)
    read_identities(path)


def read_foreign(path: Path) -> None:
    read_pickle(path, lambda size: plain_names() | numpy_names() | torch_names(size))


def show(path: Path) -> None:
    markdown(run_tables([(path.parent, read_record(path))]))


CASES: dict[str, tuple[Callable[[Path], bytes], Callable[[Path], object]]] = {
    "image.png": (lambda _: image("PNG"), read_rgb),
    "image.jpg": (lambda _: image("JPEG"), read_rgb),
    "result.json": (lambda _: json.dumps(record()).encode(), show),
    "table.csv": (lambda _: b"key,identity,psnr\na.png,x,20.5\nb.png,,\n", read_table),
    "zip.ckpt": (lambda _: saved(), read_checkpoint),
    "old.ckpt": (lambda _: saved(_use_new_zipfile_serialization=False), read_checkpoint),
    "w.safetensors": (lambda _: save(STATE), read_checkpoint),
    "foreign.pkl": (
        lambda _: pickle.dumps({"a": np.arange(9.0), "b": [1, 2.5, "c"]}),
        read_foreign,
    ),
    "a.zip": (lambda _: zipped(), read_container),
    "a.tar": (lambda _: tarred("w"), read_container),
    "a.tar.gz": (lambda _: tarred("w:gz"), read_container),
    "manifest.parquet": (manifest, read_manifest),
    "features.npz": (
        lambda _: arrays(keys=np.array(["a", "b"]), rows=np.ones((2, 3), np.float32)),
        lambda path: read_features(path, 3),
    ),
    "statistics.npz": (
        lambda _: arrays(mu=np.zeros(3), sigma=np.eye(3)),
        lambda path: store_statistics("fuzz", "net", 3, None, path),
    ),
    "keys.txt": (lambda _: "a.png\n# note\nbé.png\n".encode(), read_list),
}
"""By file: an honest one, and who reads it."""

Damage = list[tuple[str, float, bytes]]
damages = st.lists(
    st.tuples(
        st.sampled_from(["cut", "flip", "write", "insert"]),
        st.floats(0, 1, exclude_max=True),
        st.one_of(
            st.binary(min_size=1, max_size=8),
            st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\x7f\xff\xff\xff", b"../../evil", b"nan"]),
        ),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, damage: Damage) -> bytes:
    for how, where, put in damage:
        at = int(where * len(content))
        if how == "cut":
            content = content[:at]
        elif how == "flip" and content:
            content = content[:at] + bytes([content[at] ^ put[0]]) + content[at + 1 :]
        else:
            content = content[:at] + put + content[at + len(put) * (how == "write") :]
    return content


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, read = CASES[name]
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / name
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "in")
    honest = make(path)
    path.write_bytes(honest)
    read(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @FUZZ
    @given(damages)
    def hurt(damage: Damage) -> None:
        path.write_bytes(damaged(honest, damage))
        for kept in (tmp_path / "cache").rglob("*.npz"):
            kept.unlink()
        try:
            read(path)
        except FaceSRError as error:
            assert str(error)

    hurt()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_GROWTH
    assert {entry.name for entry in tmp_path.iterdir()} <= {"in", "cache"}
    assert [entry.name for entry in (tmp_path / "in").iterdir()] == [name]


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@settings(FUZZ, max_examples=150)
@given(st.data())
def test_a_record_of_other_kinds_of_values_is_refused_or_shown(data: Any) -> None:
    """Any value of it may be anything that JSON holds."""
    content: Any = copy.deepcopy(record())
    node = content
    while True:
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
            node = node[key]
            continue
        node[key] = data.draw(anything)
        break
    with TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        path.write_text(json.dumps(content))
        try:
            show(path)
        except FaceSRError as error:
            assert "result.json" in str(error)


names = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from(
        ["../x", "/etc/x", "a/../../x", "C:\\x", "..\\x", "a//x", "./x", "a/./x", "\0x"]
    ),
)


@FUZZ
@given(st.lists(names, min_size=1, max_size=3))
def test_names_inside_archives_stay_inside(entries: list[str]) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for entry in entries:
            info = zipfile.ZipInfo("name")
            info.filename = entry.encode("utf-8", "replace").decode()  # as it is, NUL and all
            archive.writestr(info, b"x")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        path.write_bytes(content.getvalue())
        try:
            read_container(path)
        except FaceSRError as error:
            assert "a.zip" in str(error)
        assert [entry.name for entry in Path(folder).iterdir()] == ["a.zip"]


def test_an_entry_without_a_name_is_a_sentence(tmp_path: Path) -> None:
    content = zipped().replace(b"a/1.png", b"\0/1.png")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(FaceSRError, match=r"a\.zip"):
        read_container(tmp_path / "a.zip")
