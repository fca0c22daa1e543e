"""Killed, interrupted or out of space: the same command goes on to the same bytes."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.errors import DataError, FaceSRError
from facesr_bench.images import read_rgb
from facesr_bench.prepare.__main__ import main
from facesr_bench.prepare.fingerprints import Fingerprints
from facesr_bench.prepare.journal import Journal
from facesr_bench.prepare.recipe import Raw
from facesr_bench.prepare.sources import SourceSet
from prepare_lab import LOOK, facts, full, interrupted, prepared_files, rows

SIGNAL_AT_TWENTY = """

import itertools
import os
import threading

from facesr_bench.interrupts import Interrupts

if number := int(os.environ.get("LAB_SIGNAL", 0)):
    heard, handle, read = threading.Event(), Interrupts.handle, Lab.read
    reads = itertools.count(1)

    def hear(self, *signal):
        heard.set()
        handle(self, *signal)

    def signal_at_twenty(self, entry, pad):
        if next(reads) == 20:
            os.kill(os.getpid(), number)
            heard.wait()
        return read(self, entry, pad)

    Interrupts.handle, Lab.read = hear, signal_at_twenty
"""
"""For the plug-in: the signal comes while one image is read, which is not before it was heard."""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_at_any_moment_it_goes_on(how: signal.Signals, lab: Any) -> None:
    LOOK.write(lab.src, LOOK.faces(train=36))
    with (lab.root / "lab_faces.py").open("a") as plug_in:
        plug_in.write(SIGNAL_AT_TWENTY)
    words = ["lab", "--src", lab.src, "--out", lab.out, "-cd", lab.conf, "--workers", "2"]
    command = [sys.executable, "-m", "facesr_bench", "prepare", *map(str, words)]
    path = os.pathsep.join([str(lab.root), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "LAB_SIGNAL": str(int(how))}
    process = subprocess.run(
        command, env=env, capture_output=True, text=True, cwd=lab.root, check=False, timeout=600
    )
    said = process.stderr
    assert process.returncode == (-how if how == signal.SIGKILL else 130), said
    if how != signal.SIGKILL:
        assert "the same command goes on" in said and "Traceback" not in said
    assert not (lab.out / "manifest.parquet").exists()
    images = [p for p in (lab.out / "images").rglob("*") if p.is_file()]
    assert 18 <= len(images) < 40
    for path in images:
        assert path.suffix == ".png" and read_rgb(path).shape == (16, 16, 3)  # none is half-written
    with Journal(lab.out / ".work/progress.jsonl") as journal:
        listed = {key: (lab.out / "images" / key).stat().st_mtime_ns for key in journal}
    in_flight = 2 * 2 + 2  # with two workers; written perhaps, but not yet in the journal
    assert len(images) - in_flight <= len(listed) <= len(images)

    assert lab.call() == 0
    for key, before in listed.items():  # finished ones are not made again
        assert (lab.out / "images" / key).stat().st_mtime_ns == before
    if how != signal.SIGKILL:
        return
    lab.call(to=lab.root / "whole")
    assert rows(lab.out) == rows(lab.root / "whole")
    for name in ("pack.npy", "contact_sheet.png", "prepared.json", "manifest.parquet"):
        assert (lab.out / name).read_bytes() == (lab.root / "whole" / name).read_bytes()
    assert main(["--verify", str(lab.out)]) == 0


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
