"""What prepare writes: the pixels, the tables; killed anywhere, called twice, called otherwise."""

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from PIL import Image

from facesr_bench.errors import DataError, FaceSRError, MissingRequirement
from facesr_bench.images import encode_png, hash_images, read_rgb
from facesr_bench.prepare.__main__ import main
from facesr_bench.prepare.checks import check_plan
from facesr_bench.prepare.fingerprints import Fingerprints
from facesr_bench.prepare.journal import Journal
from facesr_bench.prepare.packing import Pack, write_pack
from facesr_bench.prepare.recipe import Raw
from facesr_bench.prepare.rendering import Target, check_border, render, scale_points
from facesr_bench.prepare.sources import SourceSet
from facesr_bench.prepare.working import _as_done

LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alikes.py"))))


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


# -- what is written ------------------------------------------------------------------------------


def test_images_tables_pack_and_sheet(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.call() == 0
    found = rows(lab.out)
    assert [row["key"] for row in found] == sorted(LOOK.faces())
    pack = np.load(lab.out / "pack.npy", mmap_mode="r")
    assert pack.shape == (12, 16, 16, 3) and pack.dtype == np.uint8
    for number, row in enumerate(found):
        original = read_rgb(lab.src / row["key"])
        expected = np.asarray(Image.fromarray(original).resize((16, 16), Image.Resampling.BICUBIC))
        image = read_rgb(lab.out / "images" / row["key"])
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_array_equal(pack[number], expected)
        assert row["sha256"] == hash_images([(row["key"], expected)])
        assert (row["height"], row["width"], row["role"]) == (16, 16, "hr")
        assert row["bytes"] == (lab.out / "images" / row["key"]).stat().st_size
        assert row["split"] == row["key"].split("/")[0]
        assert row["source"] == f"owner/{row['key']}"
        assert row["key"].split("/")[1].startswith(row["identity"] + "_")
        assert dict(row["attributes"])["number"] == float(row["key"].split("_")[1][:-4])
        assert row["landmarks_from"] == "owner" and row["border"] is None
    # (10 + .5) * 16/40 - .5, (12 + .5) * 16/40 - .5
    assert found[0]["landmarks"][:2] == pytest.approx([3.7, 4.5])
    content = facts(lab.out)
    assert content["counts"]["splits"] == {"test": {"hr": 4}, "train": {"hr": 8}}
    assert content["counts"]["people"] == 6 and content["counts"]["landmarks"] == {"owner": 12}
    assert content["arguments"] == {"pad": 0, "slow": 0.0, "points": True}
    assert (content["recipe"], content["version"], content["size"]) == ("lab", 1, 16)
    assert content["notes"] == ["12 files were looked at."] and content["left_out"] == []
    assert content["sources"][0]["files"] == 12 and content["versions"]["pillow"]
    with Image.open(lab.out / "contact_sheet.png") as sheet:
        assert sheet.size[0] > 1000
        green = np.all(np.asarray(sheet) == (0, 255, 0), axis=2).sum()
    assert green > 12 * 5 * 4  # landmarks are drawn
    assert not (lab.out / ".work").exists()
    said = capsys.readouterr().out
    assert "8 HR" in said and "6 in 12 images" in said and "contact_sheet.png" in said


def test_archives_and_threads_change_nothing(lab: Any) -> None:
    import zipfile

    with zipfile.ZipFile(lab.root / "owner.zip", "w") as archive:
        for name, content in LOOK.faces().items():
            archive.writestr("deeper/" + name, content)
    lab.call("--workers", "1", to=lab.root / "one")
    lab.call("--workers", "8", source=lab.root / "owner.zip", to=lab.root / "eight")
    one, eight = lab.root / "one", lab.root / "eight"
    assert facts(one)["content"] == facts(eight)["content"]
    assert (one / "pack.npy").read_bytes() == (eight / "pack.npy").read_bytes()
    assert len(facts(eight)["sources"][0]["sha256"]) == 64


def test_hr_and_lr_share_a_folder(lab: Any) -> None:
    LOOK.write(lab.src, LOOK.faces(low=3))
    lab.call("--set", "lr_size=8")
    found = rows(lab.out)
    assert [(r["height"], r["role"]) for r in found if r["role"] == "lr"] == [(8, "lr")] * 3
    assert np.load(lab.out / "pack-8x8.npy").shape == (3, 8, 8, 3)
    assert np.load(lab.out / "pack-16x16.npy").shape == (12, 16, 16, 3)
    lab.call(to=lab.root / "kept")  # no lr_size: the owner's 12 pixels
    assert {r["height"] for r in rows(lab.root / "kept") if r["role"] == "lr"} == {12}
    only = LOOK.write(
        lab.root / "only", {k: v for k, v in LOOK.faces(low=3).items() if k[0] == "l"}
    )
    lab.call("--size", "6", source=only, to=lab.root / "lr")
    assert {r["height"] for r in rows(lab.root / "lr")} == {6}


@pytest.mark.parametrize(("choice", "packed"), [("auto", False), ("yes", True), ("no", False)])
def test_large_images_are_packed_on_request(choice: str, packed: bool, lab: Any) -> None:
    big = LOOK.write(lab.root / "big", {"train/a_0.png": LOOK.encode(LOOK.face(0, 390, 390))})
    lab.call("--size", "385", "--pack", choice, source=big)
    assert (lab.out / "pack.npy").exists() is packed


def test_points_scale_about_pixel_centres() -> None:
    # A pixel at p covers [p, p + 1]; halving maps its centre p + .5 to (p + .5) / 2.
    points = np.array([[0, 0], [127, 63]], dtype=np.float32)
    np.testing.assert_allclose(
        scale_points(points, (64, 128), 32), [[-0.375, -0.25], [31.375, 31.25]]
    )
    square = np.zeros((40, 40, 3), np.uint8)
    square[20:24, 28:32] = 255  # centre of the block at x 29.5, y 21.5
    raw = Raw(
        "a.png", "test", lambda: square, "s", landmarks=np.array([[29.5, 21.5]] * 5, np.float32)
    )
    rendered = render(raw, Target(10, "box"))
    y, x = np.argwhere(rendered.image[..., 0] > 200)[0]
    assert rendered.landmarks is not None
    np.testing.assert_allclose(rendered.landmarks[0], (x, y))


def test_a_border_is_kept_in_the_owners_pixels() -> None:
    wide = LOOK.face(3, 193, 167)
    inside = wide[30:163, 30:137]
    raw = Raw(
        "a.png", "test", lambda: inside, "s", read_border=lambda: wide, border=(30, 30, 30, 30)
    )
    rendered = render(raw, Target(128, "bicubic", True, True))
    assert rendered.image.shape == (128, 128, 3) and rendered.border_size == (30, 30, 30, 30)
    np.testing.assert_array_equal(rendered.border, wide)
    with pytest.raises(DataError, match="167x193 pixels, but image and border make 167x192"):
        check_border(wide, (30, 30, 29, 30), (133, 107))


def test_borders_are_written_and_packed(lab: Any) -> None:
    lab.call("--set", "pad=4", "points=false", "--size", "16")
    row = rows(lab.out)[0]
    assert row["border"] == [4, 4, 4, 4] and row["border_shape"] == [40, 40]
    wide = read_rgb(lab.out / "border" / row["key"])
    assert wide.shape == (40, 40, 3)
    assert row["border_sha256"] == hash_images([(row["key"], wide)])
    np.testing.assert_array_equal(np.load(lab.out / "border.npy")[0], wide)
    assert main(["--verify", str(lab.out)]) == 0


# -- what is refused ------------------------------------------------------------------------------


def bomb() -> bytes:
    """A PNG that claims 60,000 x 60,000 pixels."""
    import struct
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunk + LOOK.encode(LOOK.face(0))[33:]


def test_bad_images_are_named_together_or_left_out(
    lab: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    good = LOOK.faces()
    bad = {
        "train/x_1.png": good["train/pr0_0.png"][:200],
        "train/x_2.png": b"<html><body>quota exceeded",
        "train/x_3.png": b"no image at all",
        "train/x_4.png": bomb(),
        "train/x_5.png": LOOK.encode(LOOK.face(0, 30, 40)),
        "train/x_6.png": LOOK.encode(LOOK.face(0, 15, 15)),
        "train/x_7.png": b"",
    }
    LOOK.write(lab.src, bad)
    with pytest.raises(DataError) as caught:
        lab.call()
    text = str(caught.value)
    assert text.startswith("7 of 19 images cannot be used:")
    for name in bad:
        assert f"owner/{name}" in text
    for reason in ("web page", "cannot be decoded", "too large", "40x30 pixels, not square",
                   "15x15 pixels, fewer than 16x16", "is empty", "--on-error skip"):  # fmt: skip
        assert reason in text
    assert not (lab.out / "manifest.parquet").exists()
    assert lab.call("--on-error", "skip") == 0
    assert len(rows(lab.out)) == 12
    assert [p["key"] for p in facts(lab.out)["left_out"]] == sorted(bad)
    assert "7 in all" in capsys.readouterr().out
    assert lab.call("--on-error", "skip") == 0
    assert "already prepared" in capsys.readouterr().out
    with pytest.raises(DataError, match="7 bad images were left out there"):
        lab.call()


def test_it_stops_after_twenty_and_says_so(lab: Any) -> None:
    many = LOOK.write(lab.root / "many", LOOK.faces(train=60, test=0, side=10))
    with pytest.raises(
        DataError, match=r"(20|2\d) of \d+ images cannot .*stopped there, after"
    ) as caught:
        lab.call(source=many)
    assert str(caught.value).count("\n  many/train") == 20


def test_all_bad_is_no_data_set(lab: Any) -> None:
    small = LOOK.write(lab.root / "small", LOOK.faces(side=10))
    with pytest.raises(DataError, match="None of the 12 images can be used"):
        lab.call("--on-error", "skip", source=small)


def test_stretching_and_enlarging_are_the_recipes_business(lab: Any) -> None:
    tall = LOOK.write(lab.root / "tall", {"train/a_0.png": LOOK.encode(LOOK.face(0, 30, 20))})
    lab.call(recipe="stretched", source=tall)
    assert read_rgb(lab.out / "images/train/a_0.png").shape == (16, 16, 3)
    little = LOOK.write(lab.root / "little", {"train/a_0.png": LOOK.encode(LOOK.face(0, 10, 10))})
    lab.call(recipe="enlarged", source=little, to=lab.root / "large")
    assert read_rgb(lab.root / "large/images/train/a_0.png").shape == (16, 16, 3)


def raws(*keys: str) -> list[Raw]:
    return [Raw(key, "test", lambda: LOOK.face(0), key) for key in keys]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["a.png", "a.png"], "appears twice"),
        (["A/b.png", "a/B.png"], "only in case"),
        (["../a.png"], "not a relative POSIX path"),
        (["/a.png"], "not a relative POSIX path"),
        (["a.png", "A.PNG/b.png"], "needs a folder where another key is a file"),
        ([], "found no image"),
    ],
)
def test_keys_that_cannot_all_be_files_are_refused(keys: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        check_plan(raws(*keys), "lab")


def test_a_duplicate_key_stops_before_any_image_is_read(lab: Any) -> None:
    LOOK.write(lab.src, {"test/pr0_0.png": b"never opened"})
    with pytest.raises(DataError, match=r"'pr0_0\.png' appears twice"):
        lab.call("--set", "flat=true")
    assert not (lab.out / "images").exists()


# -- killed, called again, called otherwise --------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_at_any_moment_it_goes_on(how: signal.Signals, lab: Any) -> None:
    LOOK.write(lab.src, LOOK.faces(train=36))
    words = ["lab", "--src", lab.src, "--out", lab.out, "-cd", lab.conf, "--set", "slow=0.03",
             "--workers", "2"]  # fmt: skip
    command = [sys.executable, "-m", "facesr_bench", "prepare", *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(lab.root)}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True, cwd=lab.root)
    deadline = time.monotonic() + 60
    while len(list(lab.out.rglob("*_*.png"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(how)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == (-how if how == signal.SIGKILL else 130), said
    if how != signal.SIGKILL:
        assert "the same command goes on" in said and "Traceback" not in said
    assert not (lab.out / "manifest.parquet").exists()
    images = [p for p in (lab.out / "images").rglob("*") if p.is_file()]
    assert 8 <= len(images) < 40
    for path in images:
        assert path.suffix == ".png" and read_rgb(path).shape == (16, 16, 3)  # none is half-written
    with Journal(lab.out / ".work/progress.jsonl") as journal:
        listed = {key: (lab.out / "images" / key).stat().st_mtime_ns for key in journal}
    in_flight = 2 * 2 + 2  # with two workers; written perhaps, but not yet in the journal
    assert len(images) - in_flight <= len(listed) <= len(images)

    assert lab.call("--set", "slow=0.03") == 0
    for key, before in listed.items():  # finished ones are not made again
        assert (lab.out / "images" / key).stat().st_mtime_ns == before
    if how != signal.SIGKILL:
        return
    lab.call("--set", "slow=0.03", to=lab.root / "whole")
    assert rows(lab.out) == rows(lab.root / "whole")
    for name in ("pack.npy", "contact_sheet.png", "prepared.json", "manifest.parquet"):
        assert (lab.out / name).read_bytes() == (lab.root / "whole" / name).read_bytes()
    assert main(["--verify", str(lab.out)]) == 0


def interrupted(lab: Any) -> None:
    """Everything done but for the last images: an error stops it where a kill could."""
    LOOK.write(lab.src, {"train/z_9.png": b"broken"})
    with pytest.raises(DataError, match="1 of 13"):
        lab.call()


def test_a_torn_line_and_lost_or_shortened_images_are_made_again(lab: Any) -> None:
    interrupted(lab)
    journal = lab.out / ".work/progress.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 12
    torn = json.loads(lines[-1])["key"]
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:25])
    lost, cut = (json.loads(line)["key"] for line in lines[:2])
    (lab.out / "images" / lost).unlink()
    (lab.out / "images" / cut).write_bytes(b"")  # what a power cut leaves
    before = {
        key: (lab.out / "images" / key).stat().st_mtime_ns
        for key in (torn, json.loads(lines[4])["key"])
    }
    assert lab.call("--on-error", "skip") == 0
    assert main(["--verify", str(lab.out)]) == 0
    kept = {key: (lab.out / "images" / key).stat().st_mtime_ns for key in before}
    assert kept[torn] > before[torn]
    assert list(kept.values())[1] == list(before.values())[1]


def prepared_files(out: Path) -> dict[str, bytes]:
    """All that was prepared; the lock file is empty and nobody's."""
    return {name: content for name, (_, content) in state(out).items() if name != ".lock"}


def test_the_same_command_goes_on_after_a_damaged_file_was_got_again(lab: Any) -> None:
    interrupted(lab)
    (lab.src / "train/z_9.png").write_bytes(LOOK.encode(LOOK.face(77)))
    replaced = lab.src / "train/pr0_0.png"  # finished already, and of the same size as before
    size = replaced.stat().st_size
    other = LOOK.encode(LOOK.face(5))
    replaced.write_bytes(other.ljust(size, b"\0")[: max(size, len(other))])
    (lab.src / "test/pe0_0.png").unlink()
    LOOK.write(lab.src, {"train/new_1.png": LOOK.encode(LOOK.face(9)), "README": b"added"})
    kept = (lab.out / "images/train/pr3_7.png").stat().st_mtime_ns
    assert lab.call() == 0
    assert (lab.out / "images/train/pr3_7.png").stat().st_mtime_ns == kept
    lab.call(to=lab.root / "whole")
    assert prepared_files(lab.out) == prepared_files(lab.root / "whole")
    assert main(["--verify", str(lab.out)]) == 0


def test_a_finished_image_whose_source_is_damaged_later_leaves_nothing(lab: Any) -> None:
    interrupted(lab)
    LOOK.write(lab.src, {"train/z_9.png": LOOK.encode(LOOK.face(7)), "train/pr0_0.png": b"now"})
    assert lab.call("--on-error", "skip") == 0
    assert [problem["key"] for problem in facts(lab.out)["left_out"]] == ["train/pr0_0.png"]
    assert main(["--verify", str(lab.out)]) == 0  # which names stray files


def test_other_sources_may_not_go_on(lab: Any) -> None:
    interrupted(lab)
    with pytest.raises(DataError, match="the sources are owner there and other here"):
        lab.call(source=LOOK.write(lab.root / "other", LOOK.faces()))


def fingerprints(root: Path, items: list[Raw], read: str = "") -> list[str]:
    sources = SourceSet([root])
    for entry in sources.find(read) if read else ():
        entry.read()
    made_of = Fingerprints(sources, items)
    return [made_of(raw) for raw in items]


def test_a_fingerprint_follows_the_file_and_the_lists_an_image_is_made_of(tmp_path: Path) -> None:
    root = LOOK.write(
        tmp_path / "own",
        {"a.png": b"a", "b.png": b"b", "boxes.txt": b"1", "r.rec": b"r", "x": b"x"},
    )
    items = [
        Raw(key, "test", lambda: LOOK.face(0), source)
        for key, source in (("a.png", "own/a.png"), ("b.png", "own/b.png"),
                            ("r.png", "own/r.rec#5 (of c: d)"), ("u.png", "elsewhere"))
    ]  # fmt: skip
    first = fingerprints(root, items, "boxes.txt")
    assert len(set(first)) == 4 and first == fingerprints(root, items, "boxes.txt")

    def changed(name: str) -> list[bool]:
        LOOK.write(root, {name: b"?"})
        os.utime(root / name, ns=(1, time.time_ns()))
        now = fingerprints(root, items, "boxes.txt")
        same = [one == other for one, other in zip(first, now, strict=True)]
        first[:] = now
        return same

    assert changed("a.png") == [False, True, True, False]
    assert changed("r.rec") == [True, True, False, False]
    assert changed("x") == [True, True, True, False]  # nobody read it; "elsewhere" may be in it
    assert changed("boxes.txt") == [False] * 4


def full(*_: object, **__: object) -> None:
    """What a full disk does to any write."""
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["journal", "pack", "sheet", "manifest", "image"])
def test_a_full_disk_is_a_sentence_and_the_same_command_goes_on(
    where: str, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facesr_bench.prepare import sheet, writer

    class FullFile(io.BytesIO):
        write = full  # type: ignore[assignment]

    opened = Path.open

    def open_(path: Path, *words: Any, **more: Any) -> Any:
        return FullFile() if path.name == "new-pack.npy" else opened(path, *words, **more)

    with monkeypatch.context() as patch:
        if where == "journal":
            patch.setattr(Journal, "append", full)
        elif where == "pack":
            patch.setattr(Path, "open", open_)
        elif where == "sheet":
            patch.setattr(sheet, "write_atomically", full)
        elif where == "manifest":
            patch.setattr(writer, "write_manifest", full)
        else:
            patch.setattr(Path, "write_bytes", full)
        with pytest.raises(FaceSRError, match=r"No space left.*the same command goes on") as caught:
            lab.call()
    assert not isinstance(caught.value, DataError)
    assert not (lab.out / "manifest.parquet").exists()
    assert lab.call() == 0
    lab.call(to=lab.root / "whole")
    assert prepared_files(lab.out) == prepared_files(lab.root / "whole")


def test_packs_are_written_without_a_map_and_open_as_one(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    pack = Pack("pack.npy", [2, 5, 7], 4, 6)
    images = {row: LOOK.face(row, 4, 6) for row in pack.rows}
    with ThreadPoolExecutor(2) as pool:
        write_pack(tmp_path / "pack.npy", pack, images.__getitem__, pool, lambda: None)
    np.save(tmp_path / "numpy.npy", np.stack(list(images.values())))
    assert (tmp_path / "pack.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_archives_unlike_those_the_owner_published_are_noted(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    with zipfile.ZipFile(lab.root / "lab.zip", "w") as archive:
        for name, content in LOOK.faces(2, 2).items():
            archive.writestr(name, content)
    content = (lab.root / "lab.zip").read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    import lab_faces

    for number, (size, expected, said) in enumerate(
        ((len(content), md5, None), (None, md5, None), (None, "0" * 32, f"md5 is {md5}, not 000"),
         (7, md5, f"size is {len(content)}, not 7"))
    ):  # fmt: skip
        monkeypatch.setattr(lab_faces.Lab, "published", {"lab.zip": (size, expected)})
        out = lab.root / f"out{number}"
        lab.call(source=lab.root / "lab.zip", to=out)
        notes = [note for note in facts(out)["notes"] if "published" in note]
        assert len(notes) == (said is not None)
        assert said is None or said in notes[0]
        assert facts(out)["sources"][0]["sha256"] == hashlib.sha256(content).hexdigest()


def test_recipes_know_their_owners_checksums() -> None:
    from hydra.utils import get_class

    celeba = get_class("facesr_bench.datasets.celeba.recipe.CelebA").published
    assert celeba["img_align_celeba.zip"] == (1443490838, "00d2c5bc6d35e252742224ab0c1e8fcb")
    wider = get_class("facesr_bench.datasets.widerface.recipe.WiderFace").published
    assert {name: md5[:8] for name, (_, md5) in wider.items()} == {
        "WIDER_train.zip": "3fedf70d", "WIDER_val.zip": "dfa7d7e7", "wider_face_split.zip": "0e3767bc",
    }  # fmt: skip


def test_a_refused_plan_leaves_no_folder(lab: Any) -> None:
    empty = LOOK.write(lab.root / "none", {"list.txt": b""})
    for _ in range(2):
        with pytest.raises(DataError, match="found no image"):
            lab.call(source=empty)
        assert not lab.out.exists()
    lab.out.mkdir()
    with pytest.raises(DataError, match="found no image"):
        lab.call(source=empty)
    assert lab.out.is_dir()  # it was there before


def test_a_journal_survives_garbage_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    with Journal(path) as journal:
        for n in range(3):
            journal.append({"key": f"{n}", "value": n})
    whole = path.read_bytes()
    for end in (b'{"key": "3"', b"\x00\x00\x00", b'{"key": 3}\n', b"[]\n", b'{"no": "key"}\n'):
        path.write_bytes(whole + end)
        with Journal(path) as journal:
            assert list(journal) == ["0", "1", "2"]
            journal.append({"key": "1", "value": "new"})
        with Journal(path) as journal:
            assert (len(journal), journal["1"]["value"], journal["2"]["value"]) == (3, "new", 2)
        path.write_bytes(whole)


def test_a_second_call_changes_nothing(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lab.call()
    before = state(lab.out)
    capsys.readouterr()
    assert lab.call("--workers", "1") == 0
    assert f"{lab.out} is already prepared: 12 images" in capsys.readouterr().out
    assert state(lab.out) == before


def test_a_second_call_notices_what_is_missing(lab: Any) -> None:
    lab.call()
    (lab.out / "images/train/pr0_0.png").unlink()
    (lab.out / "images/train/pr0_1.png").write_bytes(b"short")
    with pytest.raises(DataError, match=r"(?s)pr0_0\.png is missing.*pr0_1\.png has 5 bytes, not"):
        lab.call()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "8"], "size is 16 there and 8 here"),
        (["--set", "pad=2"], "pad is 0 there and 2 here"),
        (["--set", "lr_size=8"], "lr_size is not set there and 8 here"),
        (["--pack", "no"], "images are packed there and --pack no here"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_call_for_the_same_folder_is_refused(
    finished: bool, words: list[str], said: str, lab: Any
) -> None:
    if "--pack" in words and not finished:
        return  # packs do not exist yet, so nothing is in the way
    if finished:
        lab.call()
    else:
        interrupted(lab)
    before = state(lab.out)
    with pytest.raises(DataError, match=said):
        lab.call(*words)
    assert {k: v for k, v in state(lab.out).items() if k != ".lock"} == {
        k: v for k, v in before.items() if k != ".lock"
    }


def test_another_version_recipe_or_source_is_refused(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.call()
    with pytest.raises(DataError, match=r"recipe is lab there and stretched here"):
        lab.call(recipe="stretched")
    with pytest.raises(DataError, match=r"the sources are owner there and other here"):
        lab.call(source=LOOK.write(lab.root / "other", LOOK.faces()))
    monkeypatch.setattr("lab_faces.Lab.version", 2)
    with pytest.raises(DataError, match="version is 1 there and 2 here"):
        lab.call()


def test_two_processes_cannot_share_a_folder(lab: Any) -> None:
    lab.out.mkdir()
    with (
        FileLock(lab.out / ".lock"),
        pytest.raises(DataError, match="Another process is preparing"),
    ):
        lab.call()
    assert lab.call() == 0


def test_a_folder_with_other_files_or_inside_the_source_is_refused(lab: Any) -> None:
    LOOK.write(lab.out, {"thesis.tex": b"mine"})
    with pytest.raises(DataError, match=r"holds other files \(thesis\.tex\)"):
        lab.call()
    assert (lab.out / "thesis.tex").read_bytes() == b"mine"
    with pytest.raises(DataError, match="lies inside the source"):
        lab.call(to=lab.src / "prepared")
    assert not (lab.src / "prepared").exists()


def test_images_in_flight_are_bounded() -> None:
    """Memory: work may never run ahead of what is written by more than the window."""
    from concurrent.futures import ThreadPoolExecutor

    started, lock = [], threading.Lock()

    def work(raw: Raw) -> dict[str, Any]:
        with lock:
            started.append(raw.key)
        return {"key": raw.key}

    with ThreadPoolExecutor(4) as pool:
        ahead = []
        for done, (_, future) in enumerate(_as_done(raws(*"abcdefghijklmnopqrst"), work, pool, 5)):
            future.result()
            time.sleep(0.005)
            ahead.append(len(started) - done)
    assert len(started) == 20 and max(ahead) <= 5


# -- landmarks the owner does not give -------------------------------------------------------------


def test_without_yunet_the_summary_says_what_is_missing(lab: Any) -> None:
    lab.call("--set", "points=false")
    assert {row["landmarks_from"] for row in rows(lab.out)} == {None}
    note = facts(lab.out)["notes"][-1]
    assert "12 HR images have no landmarks" in note and "facesr-bench weights import" in note


def test_yunet_looks_once_at_prepared_hr_only(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesr_bench.faces import yunet

    LOOK.write(lab.src, LOOK.faces(low=2))
    looked: list[tuple[int, ...]] = []

    def find(images: Any, detector: Any) -> list[Any]:
        looked.extend(image.shape for image in images)
        bright = images[0].mean() > 127
        return [np.full((5, 2), 3.5, np.float32) if bright else None]

    monkeypatch.setattr(yunet, "YuNet", object)
    monkeypatch.setattr(yunet, "find_landmarks", find)
    lab.call("--set", "points=false")
    assert looked == [(16, 16, 3)] * 12
    found = [row for row in rows(lab.out) if row["landmarks_from"] == "yunet"]
    assert 0 < len(found) < 12
    assert all(row["landmarks"] == [3.5] * 10 and row["role"] == "hr" for row in found)
    assert f"YuNet found landmarks in {len(found)} of 12" in facts(lab.out)["notes"][-1]
    lab.call("--set", "points=false", "--landmarks", "no", to=lab.root / "no")
    lab.call(to=lab.root / "given")  # the owner's are kept
    assert len(looked) == 12


def test_landmarks_are_added_to_a_finished_folder_once_yunet_is_here(
    lab: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from facesr_bench.faces import yunet
    from facesr_bench.prepare import completing

    LOOK.write(lab.src, LOOK.faces(low=2))
    words = ("--set", "points=false")
    lab.call(*words)
    before = state(lab.out)
    lab.call(*words)
    assert state(lab.out) == before  # still without YuNet
    looked: list[int] = []

    def find(images: Any, detector: Any) -> list[Any]:
        looked.append(len(images))
        return [np.full((5, 2), 3.5, np.float32) if images[0].mean() > 127 else None]

    monkeypatch.setattr(yunet, "YuNet", object)
    monkeypatch.setattr(yunet, "find_landmarks", find)
    lab.call(*words, "--landmarks", "no")
    assert not looked
    capsys.readouterr()
    with monkeypatch.context() as patch:  # between the two tables
        patch.setattr(completing, "write_atomically", full)
        with pytest.raises(FaceSRError, match="the same command goes on"):
            lab.call(*words)
    lab.call(*words)
    assert "14 images, YuNet found landmarks in" in capsys.readouterr().out
    lab.call(*words)
    assert len(looked) == 12  # once, whether or not there was a face
    lab.call(*words, to=lab.root / "whole")
    assert prepared_files(lab.out) == prepared_files(lab.root / "whole")
    after = state(lab.out)
    assert all(after[name] == before[name] for name in before if name.startswith("images/"))


def test_landmarks_are_looked_for_again_in_an_image_made_again(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facesr_bench.faces import yunet
    from facesr_bench.prepare import writer

    def find(images: Any, detector: Any) -> list[Any]:
        return [np.full((5, 2), images[0].mean(), np.float32)]

    monkeypatch.setattr(yunet, "YuNet", object)
    monkeypatch.setattr(yunet, "find_landmarks", find)
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_write_packs", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            lab.call("--set", "points=false")
    LOOK.write(lab.src, {"train/pr0_0.png": LOOK.encode(LOOK.face(33))})
    lab.call("--set", "points=false")
    lab.call("--set", "points=false", to=lab.root / "whole")
    assert rows(lab.out) == rows(lab.root / "whole")


def test_yunet_goes_missing_is_no_error(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesr_bench.faces import yunet

    def missing() -> None:
        raise MissingRequirement("weights 'yunet' are missing")

    monkeypatch.setattr(yunet, "YuNet", missing)
    assert lab.call("--set", "points=false") == 0


# -- verify ----------------------------------------------------------------------------------------


def test_verify_names_every_changed_missing_and_stray_file(lab: Any) -> None:
    lab.call()
    assert main(["--verify", str(lab.out)]) == 0
    path = lab.out / "images/train/pr0_0.png"
    content = path.read_bytes()
    picture = read_rgb(path).copy()
    picture[3, 3, 0] ^= 1
    changed = encode_png(picture, compress_level=9)
    assert len(changed) <= len(content)
    path.write_bytes(changed.ljust(len(content), b"\0"))  # same length: only the hash can tell
    (lab.out / "images/train/stray.png").write_bytes(content)
    pack = np.load(lab.out / "pack.npy", mmap_mode="r+")
    pack[-1, 0, 0, 0] ^= 1
    pack.flush()
    with pytest.raises(DataError) as caught:
        main(["--verify", str(lab.out)])
    text = str(caught.value)
    assert "pr0_0.png is not the image that was prepared" in text
    assert "stray.png is in no row" in text
    assert "pack.npy differs from train/pr3_7.png" in text
    assert text.count("\n  ") == 3
    np.save(lab.out / "pack.npy", np.zeros((11, 16, 16, 3), np.uint8))
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"pack\.npy holds uint8 \(11, 16, 16, 3\), but the manifest"
    ):
        main(["--verify", str(lab.out)])
    with pytest.raises(DataError, match=r"holds no prepared data"):
        main(["--verify", str(lab.src)])
