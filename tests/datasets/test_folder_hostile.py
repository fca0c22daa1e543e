"""Folder meets the files people really have: damaged, mislabelled, rotated, of another size."""

import io
import logging
import os
import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import get_class
from PIL import Image, ImageFile

from facesr_bench.errors import DataError

Folder = get_class("facesr_bench.datasets.folder.Folder")


@pytest.fixture(autouse=True)
def _log_is_heard(monkeypatch):
    """A run in this process would have cut the project's log off from caplog."""
    monkeypatch.setattr(logging.getLogger("facesr_bench"), "propagate", True)


RGB = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


GOOD = encode(Image.fromarray(RGB), "PNG")
JPEG = encode(Image.fromarray(RGB), "JPEG", quality=95)


def png_16_bit_rgb() -> bytes:
    """Pillow writes none, and opens one as plain RGB."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    rows = (b"\0" + bytes(64 * 6)) * 64
    header = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def flipped(content: bytes) -> bytes:
    """One bit wrong in the middle: only a checksum sees it."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


BAD = {
    "empty.png": (b"", "is empty"),
    "text.png": (b"hello", "is not an image"),
    "half.png": (GOOD[: len(GOOD) // 2], "is cut short or damaged"),
    "bit.png": (flipped(GOOD), "is cut short or damaged"),
    "half.jpg": (JPEG[: len(JPEG) // 2], "is cut short or damaged"),
    "half.webp": (encode(Image.fromarray(RGB), "WEBP")[:-900], "is cut short or damaged"),
    "half.bmp": (encode(Image.fromarray(RGB), "BMP")[:-900], "is cut short or damaged"),
    "page.jpg": (b"\n<!DOCTYPE html><html>Quota exceeded</html>", "is a web page saved under"),
    "page2.png": (b"<HTML><body>", "is a web page saved under"),
    "lfs.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "gif.png": (encode(Image.fromarray(RGB), "GIF"), "is a GIF file; convert it to PNG"),
    "grey16.png": (
        encode(Image.fromarray(np.zeros((64, 64), np.uint16)), "PNG"),
        "more than 8 bits a channel",
    ),
    "rgb16.png": (png_16_bit_rgb(), "more than 8 bits a channel"),
    "small.png": (
        encode(Image.fromarray(RGB[:48, :60]), "PNG"),
        r"is 48x60 pixels \(height x width\), not 64x64 pixels",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("another_package_lets_torn_files_pass", [False, True])
def test_each_fault_is_named(tmp_path, name, another_package_lets_torn_files_pass, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", another_package_lets_torn_files_pass)
    (tmp_path / "good.png").write_bytes(GOOD)
    content, reason = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"(?s)1 of the 2 files.*{name} [^\n]*{reason}"):
        Folder(root=tmp_path, hr_size=64).split("test")


def test_all_faults_in_one_error_or_one_warning(tmp_path, caplog):
    (tmp_path / "good.png").write_bytes(GOOD)
    for name, (content, _) in BAD.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        Folder(root=tmp_path, hr_size=64).split("test")
    message = caught.value.args[0]
    assert f"{len(BAD)} of the {len(BAD) + 1} files" in message
    assert all(name in message for name in BAD)
    assert "data.on_error=skip" in message

    split = Folder(root=tmp_path, hr_size=64, on_error="skip").split("test")
    assert list(split.keys) == ["good.png"]
    np.testing.assert_array_equal(split[0].hr, RGB)
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert f"{len(BAD)} of the {len(BAD) + 1} files" in warnings[0].getMessage()


def test_a_long_list_is_cut_with_a_count(tmp_path):
    for index in range(30):
        (tmp_path / f"{index:02d}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"(?s)30 of the 30 .*19\.png is empty\n  and 10 more"):
        Folder(root=tmp_path).split("test")
    with pytest.raises(DataError, match="No usable image is left"):
        Folder(root=tmp_path, on_error="skip").split("test")


def test_a_bad_lr_takes_its_hr_along(tmp_path):
    for folder in ("hr", "lr"):
        (tmp_path / folder).mkdir()
        for name in ("1.png", "2.png"):
            (tmp_path / folder / name).write_bytes(GOOD)
    (tmp_path / "lr" / "2.png").write_bytes(b"")
    split = Folder(tmp_path / "hr", tmp_path / "lr", on_error="skip").split("test")
    assert list(split.keys) == ["1.png"]


def test_a_file_that_breaks_later_is_named_when_decoded(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(GOOD)
    split = Folder(root=tmp_path).split("test")
    path.write_bytes(GOOD[:2000])
    with pytest.raises(DataError, match=r"a\.png cannot be decoded"):
        split[0]
    path.write_bytes(encode(Image.fromarray(RGB[:32]), "PNG"))
    with pytest.raises(DataError, match=r"a\.png is 32x64 .* now, but was 64x64"):
        split[0]


def test_grey_and_palette_are_read_as_rgb(tmp_path):
    grey, palette = Image.fromarray(RGB[..., 0]), Image.fromarray(RGB).quantize(16)
    grey.save(tmp_path / "grey.png")
    grey.save(tmp_path / "grey.jpg", quality=95)
    palette.save(tmp_path / "palette.png")
    split = Folder(root=tmp_path).split("test")
    read = {sample.key: sample.hr for sample in (split[i] for i in range(3))}
    np.testing.assert_array_equal(read["grey.png"], np.stack([RGB[..., 0]] * 3, -1))
    assert read["grey.jpg"].shape == (64, 64, 3)
    np.testing.assert_array_equal(read["palette.png"], np.array(palette.convert("RGB")))


def test_alpha_is_dropped_and_counted_once(tmp_path, caplog):
    alpha = np.dstack([RGB, np.zeros((64, 64), np.uint8)])
    for name in ("1.png", "2.webp"):
        Image.fromarray(alpha).save(tmp_path / name, lossless=True, exact=True)
    Image.fromarray(RGB).quantize(16).save(tmp_path / "3.png", transparency=0)
    (tmp_path / "4.png").write_bytes(GOOD)
    data = Folder(root=tmp_path)
    for _ in range(2):
        np.testing.assert_array_equal(data.split("test")[0].hr, RGB)
    messages = [r.getMessage() for r in caplog.records if "transparency" in r.getMessage()]
    assert len(messages) == 1
    assert messages[0].startswith("3 of the images")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_cameras_rotation_is_honoured(tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to view
    stored = Image.fromarray(RGB[:32])
    stored.save(tmp_path / "a.png", kind, exif=exif, quality=100, lossless=True)
    split = Folder(root=tmp_path, hr_size=[64, 32]).split("test")
    expected = np.rot90(np.array(Image.open(tmp_path / "a.png").convert("RGB")), -1)
    np.testing.assert_array_equal(split[0].hr, expected)


def test_trailing_bytes_after_a_jpeg_are_no_fault(tmp_path):
    for name, extra in (("few.jpg", 100), ("many.jpg", 100_000)):
        (tmp_path / name).write_bytes(JPEG + bytes(extra))
    assert len(Folder(root=tmp_path).split("test")) == 2


def test_odd_sizes_are_resized_when_asked_and_near_enough(tmp_path):
    big = Image.fromarray(np.tile(RGB, (2, 2, 1)))
    big.resize((100, 102)).save(tmp_path / "near.png")
    big.save(tmp_path / "exact.png")
    big.resize((109, 89)).save(tmp_path / "wide.png")
    Image.fromarray(RGB[:60, :60]).save(tmp_path / "small.png")
    with pytest.raises(DataError) as caught:
        Folder(root=tmp_path, hr_size=64, resize="bicubic").split("test")
    assert "2 of the 4 files" in caught.value.args[0]
    assert "wide.png is 89x109 pixels (height x width), too far" in caught.value.args[0]
    assert "small.png is 60x60 pixels; enlarging" in caught.value.args[0]
    split = Folder(root=tmp_path, hr_size=64, resize="box", on_error="skip").split("test")
    expected = np.array(big.resize((64, 64), Image.Resampling.BOX))
    np.testing.assert_array_equal(split[0].hr, expected)
    lr = Folder(lr_root=tmp_path, lr_size=64, resize="bicubic", on_error="skip").split("test")
    assert "small.png" in lr.keys  # LR may be enlarged: it is an input, not a truth


def test_sizes_must_agree_where_none_is_given(tmp_path):
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(GOOD)
    Image.fromarray(RGB[:32, :32]).save(tmp_path / "3.png")
    with pytest.raises(DataError, match=r"3\.png is 32x32 pixels, not 64x64"):
        Folder(root=tmp_path).split("test")


def test_pairs_whose_sizes_are_not_the_factor_apart(tmp_path):
    for folder, side in (("hr", 64), ("lr", 32)):
        (tmp_path / folder).mkdir()
        Image.fromarray(RGB[:side, :side]).save(tmp_path / folder / "1.png")
    data = Folder(tmp_path / "hr", tmp_path / "lr", factor=4)
    with pytest.raises(DataError, match="HR is 64x64 and LR 32x32, which is not a factor of 4"):
        data.split("test")


def test_what_is_passed_over(tmp_path):
    for name in (
        "good.png",
        "._good.png",
        ".hidden.png",
        ".cache/x.png",
        "__MACOSX/x.png",
        "a.tmp.png",
        "notes.txt",
        "LICENSE.txt",
        ".DS_Store",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(GOOD)
    assert list(Folder(root=tmp_path).split("test").keys) == ["good.png"]


def test_names_in_other_scripts_are_normalised(tmp_path):
    apart = unicodedata.normalize("NFD", "é.png")
    for name in (apart, "顔 1.png", "Ω.JPG"):
        (tmp_path / name).write_bytes(GOOD)
    split = Folder(root=tmp_path).split("test")
    assert list(split.keys) == ["é.png", "Ω.JPG", "顔 1.png"]
    np.testing.assert_array_equal(split[0].hr, RGB)
    (tmp_path / "é.png").write_bytes(GOOD)
    if len(list(tmp_path.iterdir())) == 4:  # file systems that normalise keep one file
        with pytest.raises(DataError, match="same name once Unicode is normalised"):
            Folder(root=tmp_path).split("test")


@pytest.mark.skipif(os.name != "posix", reason="bytes names are POSIX")
def test_names_that_are_not_text(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(GOOD)
    except OSError:
        pytest.skip("this file system refuses such names")
    with pytest.raises(DataError, match="not valid UTF-8"):
        Folder(root=tmp_path).split("test")


def test_names_that_differ_in_case_only(tmp_path):
    (tmp_path / "a.png").write_bytes(GOOD)
    (tmp_path / "A.png").write_bytes(GOOD)
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system does not tell a from A")
    with pytest.raises(DataError, match=r"differs from 'A\.png' only in case"):
        Folder(root=tmp_path).split("test")


def test_links(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (elsewhere / "1.png").write_bytes(GOOD)
    try:
        (root / "linked").symlink_to(elsewhere, target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    assert list(Folder(root=root).split("test").keys) == ["linked/1.png"]
    (root / "dead.png").symlink_to(tmp_path / "nowhere.png")
    (root / "self.png").symlink_to(root / "self.png")
    with pytest.raises(DataError, match="2 of the 3 files") as caught:
        Folder(root=root).split("test")
    assert "dead.png is a link to a file that is not there" in caught.value.args[0]
    assert "self.png is a link that leads back to itself" in caught.value.args[0]
    (elsewhere / "back").symlink_to(root, target_is_directory=True)
    with pytest.raises(DataError, match="is a link back to a folder above it"):
        Folder(root=root).split("test")


def test_a_pipe_is_no_image(tmp_path):
    (tmp_path / "1.png").write_bytes(GOOD)
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(tmp_path / "2.png")  # reading it would wait for ever
    assert list(Folder(root=tmp_path).split("test").keys) == ["1.png"]


def test_missing_empty_and_wrong_roots(tmp_path):
    with pytest.raises(DataError, match=r"data\.root=.*nowhere does not exist .* Give the folder"):
        Folder(root=tmp_path / "nowhere")
    (tmp_path / "faces.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"is a file, not a folder of images\. Unpack it"):
        Folder(lr_root=tmp_path / "faces.zip")
    with pytest.raises(DataError, match=r"No images below .* found 1 \.zip"):
        Folder(root=tmp_path).split("test")
    (tmp_path / "x" / "test").mkdir(parents=True)
    with pytest.raises(DataError, match=r"No images below .* found no files"):
        Folder(root=tmp_path / "x").split("test")


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    (tmp_path / "1.png").write_bytes(GOOD)
    scandir = os.scandir

    def guarded(path: Path) -> object:  # root may read everything, so permissions alone are no test
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(
        DataError, match=r"locked \(below data\.root\) may not be read by this user"
    ):
        Folder(root=tmp_path).split("test")
