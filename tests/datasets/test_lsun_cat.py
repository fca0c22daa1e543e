"""LSUN cat: the database, its export, what is held out, and what damaged files do."""

import inspect
import io
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.utils import get_class, get_method
from omegaconf import OmegaConf
from PIL import Image

from command_line import ROOT
from facesr_bench.errors import ConfigError, DataError, MissingRequirement
from facesr_bench.prepare.sources import SourceSet

LSUNCat = get_class("facesr_bench.datasets.lsun_cat.LSUNCat")
open_database = get_method("facesr_bench.datasets.lsun_cat.database.open_database")
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_lsun_cat.py"))))
FILES = LOOK.files()
FULL = [key for key in LOOK.KEYS if key != LOOK.EMPTY]


@pytest.fixture
def cat(tmp_path) -> Path:
    pytest.importorskip("lmdb")
    return LOOK.write_database(tmp_path / "cat", FILES)


def plan(root: Path, **arguments):
    return LSUNCat(**{"held_out": 3, **arguments}).plan(SourceSet([root], LSUNCat.archives))


def square(key: str) -> np.ndarray:
    """By Pillow alone."""
    with Image.open(io.BytesIO(FILES[key])) as image:
        left, top = (image.width - 64) // 2, (image.height - 64) // 2
        return np.asarray(image.convert("RGB").crop((left, top, left + 64, top + 64)))


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "prepare" / "lsun_cat.yaml"))
    assert conf.pop("_target_") == "facesr_bench.datasets.lsun_cat.LSUNCat"
    assert conf == {name: p.default for name, p in inspect.signature(LSUNCat).parameters.items()}


def test_the_look_alike_is_an_lmdb_file_of_webp_and_one_jpeg(cat):
    assert (cat / "data.mdb").read_bytes()[16:24] == LOOK.MAGIC
    kinds = {key: content[:4] for key, content in FILES.items()}
    assert kinds.pop(LOOK.EMPTY) == b"" and kinds.pop(LOOK.JPEG)[:3] == b"\xff\xd8\xff"
    assert set(kinds.values()) == {b"RIFF"}


@pytest.mark.parametrize("form", ["database", "inside", "tree", "flat", "zip"])
def test_every_form_gives_the_same_images(tmp_path, form):
    if form in {"database", "inside"}:
        pytest.importorskip("lmdb")
        LOOK.write_database(tmp_path / "src" / "cat", FILES)
        root = tmp_path / "src" / ("cat" if form == "database" else "")
    else:
        root = LOOK.write_export(tmp_path / "export", FILES, flat=form == "flat")
        root = LOOK.write_zip(tmp_path / "export.zip", root) if form == "zip" else root
    found = plan(root)
    assert [raw.key for raw in found.items] == [f"{key[:3]}/{key}.png" for key in FULL]
    assert [raw.split for raw in found.items] == ["train"] * 4 + ["test"] * 3
    assert {(raw.identity, raw.domain, raw.role) for raw in found.items} == {(None, None, "hr")}
    for key, raw in zip(FULL, found.items, strict=True):
        assert key in raw.source
        np.testing.assert_array_equal(raw.read(), square(key))
    notes = " ".join(found.notes)
    assert "These are cats" in notes and "1 entries without a single byte" in notes
    assert "7 images are here, the owner's database has 1,657,264" in notes
    assert ("exported files" in notes) == (form in {"tree", "flat", "zip"})


def test_the_draw_is_the_specs(tmp_path):
    root = LOOK.write_export(tmp_path, FILES)
    found = plan(root, train=2)
    order = np.random.RandomState(2020).permutation(4)[:2]
    drawn = sorted(FULL[i] for i in order)
    assert [raw.key[4:-4] for raw in found.items] == drawn + FULL[-3:]
    assert any("2 of 4 drawn with seed 2020" in note for note in found.notes)
    assert {raw.split for raw in plan(root, train=0).items} == {"test"}
    with pytest.raises(DataError, match="5 training images are to be drawn, but there are 4"):
        plan(root, train=5)
    with pytest.raises(DataError, match=r"7 images are to be held out .* only 7"):
        plan(root, held_out=7)


def test_one_environment_for_all_threads_plans_and_pickles(cat, monkeypatch):
    """LMDB forbids a second open in a process, so everybody must share one."""
    import lmdb

    opened = []
    really_open = lmdb.open
    monkeypatch.setattr(lmdb, "open", lambda *a, **k: opened.append(a) or really_open(*a, **k))
    first, second = plan(cat), plan(cat)
    copies = pickle.loads(pickle.dumps([raw.read for raw in first.items]))
    with ThreadPoolExecutor(8) as pool:
        reads = [raw.read for raw in (*first.items, *second.items)] * 5 + copies
        images = list(pool.map(lambda read: read(), reads))
    assert len(images) == 77
    assert len(opened) == 1
    np.testing.assert_array_equal(images[-1], square(FULL[-1]))


def test_a_pickle_is_read_in_another_process(cat, tmp_path):
    import subprocess

    raw = plan(cat).items[0]
    raw.read()
    (tmp_path / "read.pickle").write_bytes(pickle.dumps(raw.read))
    program = "import pickle, pathlib, facesr_bench as f; print(pickle.loads("
    program += "pathlib.Path('read.pickle').read_bytes())().sum())"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert int(done.stdout) == int(square(FULL[0]).sum())


def test_nothing_is_written_beside_the_database(cat):
    (cat / "lock.mdb").unlink()
    before = (cat / "data.mdb").read_bytes()
    cat.chmod(0o555)
    try:
        plan(cat).items[0].read()
    finally:
        cat.chmod(0o755)
    assert [path.name for path in cat.iterdir()] == ["data.mdb"]
    assert (cat / "data.mdb").read_bytes() == before


def test_a_database_inside_an_archive_is_refused(cat, tmp_path):
    archive = LOOK.write_zip(tmp_path / "cat.zip", cat)
    with pytest.raises(
        DataError, match=r"cat.zip/cat/data.mdb is a .* inside an .* Unpack cat.zip"
    ):
        plan(archive)
    found = plan(tmp_path)  # unpacked beside it: fine
    assert len(found.items) == 7


def test_twice_and_nothing(cat, tmp_path):
    LOOK.write_export(tmp_path / "export", FILES)
    with pytest.raises(DataError, match=r"more than once .*cat/data.mdb.*export/.*webp.*--src"):
        plan(tmp_path)
    LOOK.write_export(tmp_path / "export", FILES, flat=True)
    with pytest.raises(DataError, match="was found twice"):
        plan(tmp_path / "export")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"neither data.mdb nor .*, where 0 files were found"):
        plan(tmp_path / "none")


@pytest.mark.parametrize("cut", [0, 100, 5000, -4096, -1])
def test_a_truncated_database_is_refused_before_it_can_crash(cat, cut):
    path = cat / "data.mdb"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(
        DataError, match=r"data.mdb (is empty|cannot be opened|has [\d,]+ of [\d,]+)"
    ):
        plan(cat)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!doctype html><html>quota", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"x" * 70000, "cannot be opened as an LMDB database"),
    ],
)
def test_what_is_no_database(cat, content, message):
    (cat / "data.mdb").write_bytes(content)
    with pytest.raises(DataError, match=message):
        plan(cat)


def test_keys_of_another_database(tmp_path):
    pytest.importorskip("lmdb")
    LOOK.write_database(tmp_path / "cat", FILES | {"image-0001": b"x"})
    with pytest.raises(DataError, match=r"key b'image-0001', but LSUN's keys are 40 hex digits"):
        plan(tmp_path / "cat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\nrest", "neither WebP nor JPEG"),
        (FILES[FULL[0]][:60], "cannot be decoded"),
        (FILES[LOOK.JPEG][:300], "cannot be decoded"),
        (b"text", "neither WebP nor JPEG"),
    ],
)
@pytest.mark.parametrize("form", ["database", "export"])
def test_a_bad_value_is_named(tmp_path, content, message, form):
    contents = FILES | {FULL[0]: content}
    if form == "database":
        pytest.importorskip("lmdb")
        root = LOOK.write_database(tmp_path / "cat", contents)
    else:
        root = LOOK.write_export(tmp_path, contents)
    raw = plan(root).items[0]
    with pytest.raises(DataError, match=rf"{FULL[0]}.* {message}"):
        raw.read()


def test_without_the_package(tmp_path, monkeypatch):
    (tmp_path / "data.mdb").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(MissingRequirement, match=r"pip install 'facesr-bench\[lsun\]'"):
        plan(tmp_path)
    root = LOOK.write_export(tmp_path / "export", FILES)
    assert len(plan(root).items) == 7  # files need no package


@pytest.mark.parametrize("arguments", [{"held_out": 0}, {"train": -1}])
def test_arguments_that_cannot_be(arguments):
    with pytest.raises(ConfigError):
        LSUNCat(**arguments)


def test_prepared_by_the_command_line(tmp_path, cli, cat):
    import pyarrow.parquet as pq

    options = ["--size", "32", "--set", "held_out=2", "--landmarks", "no"]
    done = cli("prepare", "lsun_cat", "--src", str(cat), "--out", "out", *options)
    assert "without a single byte" in " ".join(done.stdout.split())
    rows = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert [row["key"][4:-4] for row in rows] == FULL
    assert [row["split"] for row in rows] == ["train"] * 5 + ["test"] * 2
    for key, row in zip(FULL, rows, strict=True):
        wanted = Image.fromarray(square(key)).resize((32, 32), Image.Resampling.BICUBIC)
        image = np.asarray(Image.open(tmp_path / "out" / "images" / row["key"]))
        np.testing.assert_array_equal(image, np.asarray(wanted))
