"""Folders, zip and tar archives as sources: equal, never unpacked, never trusted."""

import bz2
import gzip
import io
import os
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facesr_bench.errors import DataError
from facesr_bench.prepare import compressed
from facesr_bench.prepare.provenance import source_facts
from facesr_bench.prepare.sources import SourceSet, image_of, open_container

FILES = {
    "Set/b.txt": b"b\n",
    "Set/images/10.JPG": b"ten",
    "Set/images/2.jpg": b"two",
    "Set/LICENSE.txt": b"inner licence",
    "Set/images/._2.jpg": b"mac",
    "__MACOSX/Set/2.jpg": b"mac",
    "Set/.DS_Store": b"mac",
    "Set/2.jpg.tmp.1234": b"half",
}
KEPT = ["Set/b.txt", "Set/images/10.JPG", "Set/images/2.jpg"]


def folder(path: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def zipped(path: Path, files: dict[str, bytes] = FILES, how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, how)
    return path


def tarred(path: Path, files: dict[str, bytes] = FILES, prefix: str = "") -> Path:
    with tarfile.open(path, "w:gz" if path.suffix in {".gz", ".tgz"} else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def three(path: Path) -> list[Path]:
    return [folder(path / "f"), zipped(path / "a.zip"), tarred(path / "a.tar"),
            tarred(path / "b.tar.gz", prefix="./")]  # fmt: skip


def test_folders_and_archives_are_the_same_and_junk_is_left_out(tmp_path: Path) -> None:
    for path in three(tmp_path):
        container = open_container(path)
        assert container.names() == KEPT, path
        assert [container.read(name) for name in KEPT] == [FILES[name] for name in KEPT]
        assert [container.size(name) for name in KEPT] == [2, 3, 3]
        with pytest.raises(DataError, match=r"nothing\.jpg"):
            container.read("nothing.jpg")


def test_what_a_file_is_decides_not_its_extension(tmp_path: Path) -> None:
    assert open_container(zipped(tmp_path / "data.bin")).names() == KEPT
    (tmp_path / "x.rar").write_bytes(b"Rar!\x1a\x07\x00" + bytes(600))
    with pytest.raises(DataError, match="neither a folder nor a zip or tar"):
        open_container(tmp_path / "x.rar")
    with pytest.raises(DataError, match="does not exist"):
        open_container(tmp_path / "gone.zip")


CLIMBING = ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png", "a\\..\\evil.png"]


@pytest.mark.parametrize("name", CLIMBING)
def test_names_that_climb_out_are_refused(name: str, tmp_path: Path) -> None:
    files = {"good.png": b"x", name: b"x"}
    with pytest.raises(DataError, match="points outside the archive"):
        open_container(tarred(tmp_path / "a.tar", files))
    if "\\" in name and os.sep == "\\":
        return
    with pytest.raises(DataError, match="points outside the archive"):
        open_container(zipped(tmp_path / "a.zip", files))


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.warns(UserWarning):
        archive.writestr("1.png", b"first")
        archive.writestr("1.png", b"second")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("1.png", "./1.png"):
            tar.addfile(tarfile.TarInfo(name))
    for path in (tmp_path / "a.zip", tmp_path / "a.tar"):
        with pytest.raises(DataError, match=r"'1\.png' more than once"):
            open_container(path)


def test_bombs_are_not_opened(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "bomb.zip", {"zeros.png": bytes(40_000_000), "small.txt": bytes(20_000)}
    )
    container = open_container(path)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match=r"unpack to 40,000,000 bytes \(\d+ times"):
        container.read("zeros.png")
    assert len(container.read("small.txt")) == 20_000  # a text of zeros is no bomb
    with tarfile.open(tmp_path / "bomb.tar", "w") as tar:  # claims 2 TB and has nothing
        info = tarfile.TarInfo("huge.png")
        info.size = 2 << 40
        tar.fileobj.write(info.tobuf())
    with pytest.raises(DataError, match=r"huge\.png.*unpack to|not a whole tar"):
        open_container(tmp_path / "bomb.tar").read("huge.png")


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_cut_download_says_so(kind: str, tmp_path: Path) -> None:
    files = {f"{n}.bin": os.urandom(5000) for n in range(8)}
    path = (zipped if kind == "a.zip" else tarred)(tmp_path / kind, files)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(DataError, match=r"cut short|damaged") as caught:
        container = open_container(path)
        for name in files:
            container.read(name)
    assert kind in str(caught.value)


def test_a_tar_cut_anywhere_is_noticed(tmp_path: Path) -> None:
    """Inside a header or exactly between two members, tarfile itself sees nothing wrong."""
    content = tarred(
        tmp_path / "a.tar", {f"{n}.bin": os.urandom(700) for n in range(4)}
    ).read_bytes()
    for cut in range(512, 4 * (512 + 1024), 128):
        (tmp_path / "cut.tar").write_bytes(content[:cut])
        with pytest.raises(DataError, match="not a whole tar"):
            open_container(tmp_path / "cut.tar")


def test_a_damaged_entry_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    files = {"good.bin": os.urandom(4000), "bad.bin": os.urandom(4000)}
    path = zipped(tmp_path / "a.zip", files, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(files["bad.bin"][:40]) + 2000] ^= 255
    path.write_bytes(content)
    container = open_container(path)
    assert container.read("good.bin") == files["good.bin"]
    with pytest.raises(DataError, match=r"'bad\.bin' is damaged"):
        container.read("bad.bin")


PAGES = [
    b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title>",
    b"\xef\xbb\xbf\r\n<HTML><head>virus scan warning",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
]


@pytest.mark.parametrize("page", PAGES)
def test_pages_and_pointers_under_a_files_name_are_refused(page: bytes, tmp_path: Path) -> None:
    (tmp_path / "data.zip").write_bytes(page)
    with pytest.raises(DataError, match=r"web page|Git LFS"):
        open_container(tmp_path / "data.zip")
    inside = SourceSet([folder(tmp_path / "f", {"1.png": page, "list.txt": page, "2.png": b""})])
    for entry in inside.find("1.png"):
        with pytest.raises(DataError, match=r"f/1\.png is a"):
            image_of(entry)
    with pytest.raises(DataError, match=r"f/list\.txt is a"):
        inside.one("list.txt", "the list").text()
    with pytest.raises(DataError, match="is empty"):
        image_of(inside.find("2.png")[0])


def test_one_zip_serves_many_threads(tmp_path: Path) -> None:
    files = {f"{n}.bin": bytes([n]) * 50_000 for n in range(120)}
    container = open_container(zipped(tmp_path / "a.zip", files))
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(container.read, files)) == list(files.values())


def test_links_out_of_a_folder_are_not_followed_but_mentioned(tmp_path: Path) -> None:
    outside = folder(tmp_path / "outside", {"secret.png": b"secret"})
    root = folder(tmp_path / "f", {"a.png": b"a"})
    (root / "inside.png").symlink_to(root / "a.png")
    (root / "out.png").symlink_to(outside / "secret.png")
    (root / "images").symlink_to(outside)
    sources = SourceSet([root])
    assert [entry.name for entry in sources] == ["a.png", "inside.png"]
    with pytest.raises(DataError, match="2 links are not followed"):
        sources.one("list.txt", "the list")


def test_tar_members_that_are_no_files_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (
            ("l.png", tarfile.SYMTYPE),
            ("h.png", tarfile.LNKTYPE),
            ("d", tarfile.CHRTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("file.png"))
    assert open_container(tmp_path / "a.tar").names() == ["file.png"]


def test_files_are_found_by_whole_components_in_any_case(tmp_path: Path) -> None:
    inner = folder(
        tmp_path / "f", {"x/IMAGES/1.JPG": b"1", "x/images2/2.jpg": b"2", "list.TXT": b"\xff"}
    )
    zipped(inner / "more.ZIP", {"y/images/3.jpg": b"3"})
    sources = SourceSet([inner], ("*.zip",))
    assert [e.where for e in sources.find("images/*.jpg")] == [
        "f/x/IMAGES/1.JPG",
        "more.ZIP/y/images/3.jpg",
    ]
    assert sources.one("list.txt", "why").base == "list.TXT"
    with pytest.raises(DataError, match="is not utf-8-sig text"):
        sources.one("list.txt", "why").text()
    with pytest.raises(
        DataError, match=r"There are 3 files called \*\.jpg \(photos\).*f/x/IMAGES/1\.JPG"
    ):
        sources.one("*.jpg", "photos")
    with pytest.raises(
        DataError, match=r"no \*\.csv \(the split\) in .*f, where 5 files were found"
    ):
        sources.one("*.csv", "the split")


def test_odd_entries_of_a_folder_are_counted_not_opened(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", {"a.png": b"a", "deep/b.png": b"b"})
    (root / "gone.png").symlink_to(root / "nothing.png")
    (root / "round.png").symlink_to(root / "again.png")
    (root / "again.png").symlink_to(root / "round.png")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.png")  # opening it would wait for ever
    sources = SourceSet([root])
    assert [entry.name for entry in sources] == ["a.png", "deep/b.png"]
    assert sources.passed_over()[0].startswith("4 links are not followed")
    assert sources.passed_over()[1] == "1 entries are no files or may not be read"
    (root / "a.png").unlink()
    for touch in (sources.containers[0].size, sources.containers[0].state):
        with pytest.raises(DataError, match=r"a\.png cannot be read"):
            touch("a.png")


def test_names_that_are_no_text_are_read_shown_and_hashed(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", {"a.png": b"a"})
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/jos\xe9.png")).write_bytes(b"e")
    except OSError:
        pytest.skip("this file system takes only text")
    sources = SourceSet([root])
    entry = sources.find("jos*.png")[0]
    assert entry.read() == b"e"
    assert entry.where == "f/jos\\xe9.png"
    facts, _ = source_facts(sources)
    assert facts[0]["files"] == 2 and len(facts[0]["listing"]) == 64


def test_a_replaced_file_has_another_state_but_copies_have_one_fingerprint(tmp_path: Path) -> None:
    one = open_container(folder(tmp_path / "f", {"a.png": b"old"}))
    before = one.state("a.png"), one.fingerprint("a.png")
    (tmp_path / "f/a.png").write_bytes(b"new")
    os.utime(tmp_path / "f/a.png", ns=(1, 1))
    assert one.state("a.png") != before[0] and one.fingerprint("a.png") == before[1]
    for kind, make in (("zip", zipped), ("tar", tarred)):
        states = []
        for content in (b"old", b"new"):
            path = make(tmp_path / f"a.{kind}", {"a.png": content})
            os.utime(path, ns=(len(states), len(states)))
            states.append(open_container(path).state("a.png"))
        assert states[0] != states[1]


def test_an_encrypted_entry_is_not_called_damaged(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"1.png": b"secret"}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # general purpose flags of the directory
    content[6] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"'1\.png' is encrypted.*password") as caught:
        open_container(path).read("1.png")
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("how", ["gz", "bz2"])
def test_a_compressed_tar_is_unpacked_once_however_it_is_read(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{n:02d}.bin": os.urandom(3000) for n in range(40)}
    path = tarred(tmp_path / "a.tar", files)
    packed = tmp_path / f"a.tar.{how}"
    opener = {"gz": gzip.open, "bz2": bz2.open}[how]
    with opener(packed, "wb") as file:
        file.write(path.read_bytes())
    opened: list[object] = []
    monkeypatch.setitem(
        compressed._OPEN,
        packed.read_bytes()[:2],
        (lambda *a: opened.append(a) or opener(*a), "gunzip"),
    )
    container = open_container(packed)
    for name in reversed(files):
        assert container.read(name) == files[name]
    assert len(opened) == 1
    monkeypatch.setattr(compressed, "LARGEST", 100_000)
    with pytest.raises(DataError, match=rf"compressed tar of more than.*gunzip -k a\.tar\.{how}"):
        open_container(packed)
    assert open_container(path).names() == list(files)  # a plain one may have any size
    assert open_container(tarred(path, {"BZh.png": b"x"})).read("BZh.png") == b"x"
