"""A compressed tar, unpacked once into memory: single members of its stream cannot be reached.

Images are read in the order of their keys, which is not the archive's. Going back in a compressed
stream means unpacking it again from its start, so reading costs the square of the archive's length.
"""

import bz2
import gzip
import io
from collections.abc import Callable
from pathlib import Path

from facesr_bench.errors import DataError

LARGEST = 200_000_000
"""Bytes of the tar that are held in memory; annotations are far smaller, photos far larger."""

_OPEN: dict[bytes, tuple[Callable[..., io.BufferedIOBase], str]] = {
    b"\x1f\x8b": (gzip.GzipFile, "gunzip"),
    b"BZ": (bz2.BZ2File, "bunzip2"),
}


def unpacked(path: Path) -> io.BytesIO | None:
    """The tar inside a compressed file, or None where it is not compressed.

    Raises:
        DataError: it is too large to be held in memory.
        OSError: it is damaged; also EOFError, and zlib's own error.
    """
    with path.open("rb") as file:
        head = file.read(512)
    kind = _OPEN.get(head[:2])
    if kind is None or head[257:262] == b"ustar":  # a plain tar begins with any name, also "BZ"
        return None
    opener, tool = kind
    with opener(path, "rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise DataError(
            f"{path} is a compressed tar of more than {LARGEST / 1e6:,.0f} MB, whose files cannot be "
            f"reached one by one. Unpack the compression alone ({tool} -k {path.name}) and give the "
            ".tar, or unpack it all and give the folder."
        )
    return io.BytesIO(content)
