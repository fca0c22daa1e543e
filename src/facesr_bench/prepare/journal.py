"""The list of images that are finished, one line each, which survives a kill at any moment.

A line is appended with one write after its image was renamed into place, so what is listed is whole. A
kill in the middle of that write leaves a torn last line, which is cut off by whoever comes next.
"""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

Row = dict[str, Any]


class Journal:
    """An append-only file of JSON lines, each with a ``key``; a later line of a key replaces the first.

    Only positions are held in memory, so it may have millions of rows. Any thread may read, one
    appends.

    Args:
        path: the file; made when it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offsets: dict[str, int] = {}
        end = self._scan(path) if path.exists() else 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        os.ftruncate(self._file, end)
        os.lseek(self._file, end, os.SEEK_SET)
        self._end = end
        self._reader = path.open("rb")
        self._lock = threading.Lock()

    def _scan(self, path: Path) -> int:
        end = 0
        with path.open("rb") as file:
            for line in file:
                row = _parse(line)
                if row is None:
                    break
                self._offsets[row["key"]] = end
                end += len(line)
        return end

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, key: str) -> bool:
        return key in self._offsets

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._offsets))

    def __getitem__(self, key: str) -> Row:
        with self._lock:
            self._reader.seek(self._offsets[key])
            row = _parse(self._reader.readline())
        if row is None or row["key"] != key:
            raise ValueError(f"The progress file changed under our hands at {key!r}.")
        return row

    def append(self, row: Row) -> None:
        """Note one finished image."""
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        written = os.write(self._file, line)
        while written < len(line):  # a nearly full disk takes less than it was given
            written += os.write(self._file, line[written:])
        self._offsets[row["key"]] = self._end
        self._end += len(line)

    def forget(self, key: str) -> None:
        """Leave a row out: its image turned out to be missing or damaged and is made again."""
        del self._offsets[key]

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        os.close(self._file)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _parse(line: bytes) -> Row | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("key"), str) else None
