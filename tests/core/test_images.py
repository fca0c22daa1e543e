import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from facesr_bench.errors import DataError, ImageError
from facesr_bench.images import (
    check_image,
    encode_png,
    hash_images,
    read_rgb,
    to_float,
    to_uint8,
    write_atomically,
)


@pytest.mark.parametrize(
    ("images", "word"),
    [
        (torch.zeros(3, 8, 8), r"\(B, 3, H, W\)"),
        (torch.zeros(1, 1, 8, 8), r"\(B, 3, H, W\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.float64), "float32"),
        (torch.full((1, 3, 8, 8), 1.01), "from 1.01 to 1.01"),
        (torch.full((1, 3, 8, 8), -0.01), r"\[0, 1\]"),
        (torch.full((1, 3, 8, 8), float("nan")), "nan"),
        (torch.zeros(1, 3, 8, 9), "8x8 pixels, but is 8x9"),
    ],
)
def test_the_border_names_the_offender(images: torch.Tensor, word: str) -> None:
    with pytest.raises(ImageError, match=word) as caught:
        check_image(images, "Toy.super_resolve's output", (8, 8))
    assert "Toy.super_resolve" in str(caught.value)


def test_quantisation_clamps_and_rounds() -> None:
    values = torch.tensor([1.02, -0.01, 0.999999, 0.5, 0.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert to_uint8(values)[0, 0, :, 0].tolist() == [255, 0, 255, 128, 0]


def test_uint8_survives_the_way_to_float_and_png_and_back(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 5, 7, 3)).astype(np.uint8)
    assert np.array_equal(to_uint8(to_float(torch.from_numpy(image))), image)
    path = tmp_path / "a.png"
    write_atomically(path, encode_png(image[0]))
    assert np.array_equal(read_rgb(path), image[0])
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_hash_depends_on_key_shape_and_every_pixel() -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    changed = image.copy()
    changed[1, 3, 2] = 1
    hashes = {
        hash_images([("a", image)]),
        hash_images([("b", image)]),
        hash_images([("a", image.reshape(4, 2, 3))]),
        hash_images([("a", changed)]),
        hash_images([("a", image), ("b", image)]),
    }
    assert len(hashes) == 5
    with pytest.raises(DataError, match="sorted"):
        hash_images([("b", image), ("a", image)])


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no umask")
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_who_may_read_a_written_file_is_what_the_user_said(umask: int, tmp_path: Path) -> None:
    path, before = tmp_path / "record.json", os.umask(umask)
    try:
        write_atomically(path, b"new")
        assert os.umask(umask) == umask  # left as it was
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def claiming(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that claims these sides."""
    small = encode_png(np.zeros((1, 1, 3), np.uint8))
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:]


# 13,300 sides are below where Pillow itself refuses, and half a gigabyte; the first is just too many.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "PPM"])
def test_a_torn_image_is_refused_even_when_another_package_lets_them_pass(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    whole = buffer.getvalue()
    assert read_rgb(whole).shape == (64, 64, 3)
    with pytest.raises(DataError, match="cannot be decoded"):
        read_rgb(whole[: len(whole) // 2])


@pytest.mark.parametrize("sides", [(8193, 8192), (13_300, 13_300), (60_000, 60_000)])
def test_images_that_claim_too_many_pixels_are_not_decoded(
    sides: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(DataError, match="too large to be a face image"):
        read_rgb(claiming(*sides))


def test_messages_about_images_hold_no_addresses() -> None:
    with pytest.raises(DataError, match="image bytes cannot be decoded") as caught:
        read_rgb(b"no image at all")
    assert "0x" not in str(caught.value)
    with pytest.raises(DataError, match="cannot be decoded"):
        read_rgb(claiming(8192, 8192))  # not too many: only its pixels are missing
