"""MXNet's record files without MXNet: bytes at an offset, put together again where they were parted.

A part is the magic number, a length with three flag bits on top, the data, and zeros up to a multiple
of four. Data that holds the magic number itself is parted there (flags 1, 2 ..., 3 for first, middle,
last) and the number left out, so a reader that looks for it never finds it in data.
"""

import struct
import threading
from io import FileIO
from pathlib import Path

from facesr_bench.errors import DataError

MAGIC = 0xCED7230A
_WHOLE, _FIRST, _MIDDLE, _LAST = 0, 1, 2, 3
_MAX_RECORD = 1 << 24
"""A 112 x 112 JPEG has some thousand bytes; 16 MB is no face."""


class RecordFile:
    """A .rec file that lies on disk as it is; every thread reads through its own handle.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._local = threading.local()

    def head(self, offset: int, count: int = 64) -> bytes:
        """The first bytes of a record, or all of it where it is shorter or parted.

        Raises:
            DataError: there is no whole record at this offset.
        """
        flag, length = self._part(offset)
        if flag != _WHOLE:
            return self.read(offset)
        return self._bytes(offset + 8, min(length, count))

    def read(self, offset: int) -> bytes:
        """One record.

        Raises:
            DataError: there is no whole record at this offset.
        """
        flag, length = self._part(offset)
        if flag not in (_WHOLE, _FIRST):
            raise self._error(offset, f"begins in the middle of a record (flag {flag})")
        content = self._bytes(offset + 8, length)
        while flag not in (_WHOLE, _LAST):
            offset += 8 + (length + 3) // 4 * 4
            flag, length = self._part(offset)
            if flag not in (_MIDDLE, _LAST):
                raise self._error(offset, f"begins a record (flag {flag}) inside another")
            content += struct.pack("<I", MAGIC) + self._bytes(offset + 8, length)
            if len(content) > _MAX_RECORD:
                raise self._error(offset, f"makes a record of more than {_MAX_RECORD:,} bytes")
        return content

    def _part(self, offset: int) -> tuple[int, int]:
        """Flag and length of the part at an offset, checked to lie in the file."""
        if not 0 <= offset <= self.size - 8:
            raise self._error(offset, "lies outside the file")
        magic, word = struct.unpack("<II", self._bytes(offset, 8))
        if magic != MAGIC:
            raise self._error(offset, f"begins with {magic:#010x}, not with {MAGIC:#010x}")
        flag, length = word >> 29, word & ((1 << 29) - 1)
        if length > _MAX_RECORD:
            raise self._error(offset, f"claims {length:,} bytes")
        if offset + 8 + length > self.size:
            raise self._error(offset, f"needs {length:,} bytes, more than are left")
        return flag, length

    def _bytes(self, offset: int, count: int) -> bytes:
        if not hasattr(self._local, "file"):
            # Unbuffered: a record is read in one go, and never where the last one ended.
            self._local.file = FileIO(self.path)
        file: FileIO = self._local.file
        file.seek(offset)
        content = b""
        while len(content) < count:
            more = file.read(count - len(content))
            if not more:
                raise self._error(offset, "was there a moment ago, but the file has shrunk")
            content += more
        return content

    def _error(self, offset: int, what: str) -> DataError:
        return DataError(
            f"{self.path.name}: the part at byte {offset:,} {what} ({self.path} has {self.size:,} "
            "bytes). The file is damaged, was cut short, or its .idx belongs to another; get all "
            "again."
        )
