"""What is refused before it is believed: names, sizes and stand-ins of files from elsewhere.

Whoever packs an archive decides its names, so those that climb out of it are refused, and so are
entries that unpack to absurd sizes and what failed downloads leave under a file's name.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from facesr_bench.errors import DataError

MAX_ENTRY_BYTES = 1 << 30
"""No single file of any owner that lies in an archive is larger; a bomb is."""
MAX_RATIO = 1000
"""Unpacked over packed size; text of zeros packs about so well, images and annotations never do."""

_JUNK_NAMES = {".DS_Store", "LICENSE.txt", "Thumbs.db", "desktop.ini"}
_JUNK_FOLDERS = {"__MACOSX"}


def is_junk(name: str) -> bool:
    """What operating systems and owners leave among the data."""
    path = PurePosixPath(name)
    return (
        path.name in _JUNK_NAMES
        or path.name.startswith("._")
        or ".tmp." in path.name
        or bool(_JUNK_FOLDERS & set(path.parts))
    )


def check_name(name: str, container: Path) -> str:
    """Refuse names that climb out of their archive.

    Raises:
        DataError: an absolute name, one with "..", a drive letter or a backslash.
    """
    parts = name.split("/")
    if (
        not name
        or name.startswith("/")
        or ".." in parts
        or "\\" in name
        or ":" in parts[0]
        or "\0" in name
    ):
        raise DataError(
            f"{container} holds an entry named {name!r}, which points outside the archive. Such a file "
            "is not what the owner distributes; get it again."
        )
    return name


def raw_name(name: str) -> bytes:
    """The bytes of a name as the disk or archive has them, UTF-8 or not."""
    return name.encode("utf-8", "surrogateescape")


def refuse_placeholder(content: bytes, where: str) -> None:
    """Refuse what is saved under the name of a file when the download failed.

    Raises:
        DataError: an HTML page (quota and virus warnings of file hosts) or a Git LFS pointer.
    """
    head = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise DataError(
            f"{where} is a web page, not the file: the host answered with a quota or warning page. Get "
            "it again in a browser."
        )
    if head.startswith(b"version https://git-lfs"):
        raise DataError(f"{where} is a Git LFS pointer, not the file; fetch it with git lfs pull.")


def hint(path: Path) -> str:
    """What a broken archive most often is."""
    return f"It has {path.stat().st_size:,} bytes; most often the download was cut short. Get it again."


def refuse_twice(path: Path, names: Iterable[str]) -> None:
    """Refuse an archive with two entries of one name.

    Raises:
        DataError: naming it.
    """
    counts = Counter(names)
    twice, times = counts.most_common(1)[0] if counts else ("", 0)
    if times > 1:
        raise DataError(
            f"{path} holds the entry {twice!r} more than once, and nothing says which is meant. Such a "
            "file is not what the owner distributes; get it again."
        )


def refuse_bomb(path: Path, name: str, size: int, packed: int | None) -> None:
    """Refuse an entry that would unpack to an absurd size.

    Args:
        path: the archive.
        name: the entry.
        size: its bytes once unpacked.
        packed: its bytes in the archive, where known.

    Raises:
        DataError: it is too large, or too small for what it unpacks to.
    """
    ratio = size / max(1, packed) if packed is not None else 0.0
    if size > MAX_ENTRY_BYTES or (ratio > MAX_RATIO and size > 1 << 24):
        raise DataError(
            f"{path}: the entry {name!r} would unpack to {size:,} bytes"
            + (f" ({ratio:.0f} times its packed size)" if packed is not None else "")
            + "; that is no file of a data set and is not opened."
        )
