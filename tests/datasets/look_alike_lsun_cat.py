"""A tiny LSUN cat: a database of eight entries, one empty, one a JPEG, and its two kinds of export.

The database is written by LMDB itself; keys are the owner's 40 hex digits, values whole image files.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

KEYS = (
    "0000b7b3a9d4f7c8e1f2a3b4c5d6e7f801234567",
    "0000ff2a9d4f7c8e1f2a3b4c5d6e7f8012345678",
    "1a2b3c4d5e6f708192a3b4c5d6e7f80912345678",
    "5e884898da28047151d0e56f8dc6292773603d0d",
    "7c4a8d09ca3762af61e59520943dc26494f8941b",
    "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedec",
)
EMPTY, JPEG = KEYS[2], KEYS[5]
MAGIC = b"\xde\xc0\xef\xbe\x01\x00\x00\x00"
"""What an LMDB file has at its byte 16: 0xBEEFC0DE and version 1, little endian."""


def photo(key: str) -> np.ndarray:
    """A smooth picture, 64 pixels on the shorter side; wide and high ones take turns."""
    number = KEYS.index(key)
    small = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    size = (64, 80) if number % 2 else (91, 64)
    return np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))


def value(key: str) -> bytes:
    """An entry's value."""
    if key == EMPTY:
        return b""
    buffer = io.BytesIO()
    if key == JPEG:
        Image.fromarray(photo(key)).save(buffer, "JPEG", quality=75)
    else:
        Image.fromarray(photo(key)).save(buffer, "WEBP", quality=75)
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """Key to value."""
    return {key: value(key) for key in KEYS}


def write_database(folder: Path, contents: dict[str, bytes]) -> Path:
    """What cat.zip unpacks to: data.mdb and lock.mdb."""
    import lmdb

    folder.mkdir(parents=True)
    with (
        lmdb.open(str(folder), map_size=1 << 24) as environment,
        environment.begin(write=True) as t,
    ):
        for key in sorted(contents, key=lambda key: key[::-1]):  # the database sorts them
            t.put(key.encode(), contents[key])
    return folder


def write_export(root: Path, contents: dict[str, bytes], *, flat: bool = False) -> Path:
    """What the owner's script exports: a/b/c/d/e/f/<key>.webp, or all in one folder."""
    for key, content in contents.items():
        path = root / ("" if flat else "/".join(key[:6])) / f"{key}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_zip(path: Path, folder: Path) -> Path:
    """Pack a folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder.parent).as_posix())
    return path
