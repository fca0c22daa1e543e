"""Folders, zip and tar archives as one thing: names, sizes, bytes; nothing is unpacked to disk.

Names are POSIX paths relative to the folder or archive.
"""

import stat
import tarfile
import threading
import zipfile
import zlib
from pathlib import Path

from facesr_bench.errors import DataError
from facesr_bench.prepare.compressed import unpacked
from facesr_bench.prepare.distrust import (
    check_name,
    hint,
    is_junk,
    refuse_bomb,
    refuse_placeholder,
    refuse_twice,
)
from facesr_bench.prepare.folders import Container, FolderContainer

__all__ = ["Container", "FolderContainer", "TarContainer", "ZipContainer", "open_container"]

_ENCRYPTED = 1
"""The bit of a zip entry's flags that says so."""


class ZipContainer(Container):
    """A zip archive, read by many threads through one handle.

    A handle for each thread would hold the archive's list of entries once more for each: for CelebA
    a hundred megabytes a thread. Unpacking runs outside the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DataError(f"{path} is not a whole zip archive ({error}). {hint(path)}") from error
        # Not is_dir(), which stumbles over an entry without a name.
        infos = [info for info in self._archive.infolist() if not info.filename.endswith("/")]
        self._infos = {check_name(info.filename, path): info for info in infos}
        refuse_twice(path, (info.filename for info in infos))

    def names(self) -> list[str]:
        """All files in it, sorted, junk left out."""
        return sorted(name for name in self._infos if not is_junk(name))

    def read(self, name: str) -> bytes:
        """One entry, unpacked, its CRC checked."""
        info = self._infos.get(name)
        if info is None:
            raise DataError(f"{self.path} has no entry {name!r}.")
        if info.flag_bits & _ENCRYPTED:
            raise DataError(
                f"{self.path}: the entry {name!r} is encrypted. Unpack the archive with its owner's "
                "password and give the folder with --src."
            )
        refuse_bomb(self.path, name, info.file_size, info.compress_size)
        try:
            with self._lock:  # opening and closing count references without a lock of their own
                file = self._archive.open(info)
            try:
                return file.read()
            finally:
                with self._lock:
                    file.close()
        except Exception as error:  # zlib, lzma, struct and zipfile each have their own
            raise DataError(
                f"{self.path}: the entry {name!r} is damaged ({error}). {hint(self.path)}"
            ) from error

    def size(self, name: str) -> int:
        """Bytes of one entry once unpacked, as the archive's directory says."""
        return self._infos[name].file_size

    def fingerprint(self, name: str) -> str:
        """Size and CRC from the archive's directory."""
        return f"{self._infos[name].file_size}:{self._infos[name].CRC:08x}"


class TarContainer(Container):
    """A tar archive; one reader at a time, links and devices left out.

    A compressed one is held in memory, see :mod:`facesr_bench.prepare.compressed`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._archive = tarfile.open(path, fileobj=unpacked(path))  # noqa: SIM115  (stays open)
            members = [m for m in self._archive.getmembers() if m.isreg()]
            _check_end(self._archive)
        except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
            raise DataError(f"{path} is not a whole tar archive ({error}). {hint(path)}") from error
        self._members = {check_name(m.name.removeprefix("./"), path): m for m in members}
        refuse_twice(path, (m.name.removeprefix("./") for m in members))

    def names(self) -> list[str]:
        """All files in it, sorted, junk left out."""
        return sorted(name for name in self._members if not is_junk(name))

    def read(self, name: str) -> bytes:
        """One member's bytes."""
        member = self._members.get(name)
        if member is None:
            raise DataError(f"{self.path} has no entry {name!r}.")
        refuse_bomb(self.path, name, member.size, None)
        try:
            with self._lock:
                file = self._archive.extractfile(member)
                content = b"" if file is None else file.read()
        except Exception as error:  # whatever the compression's own error is
            raise DataError(
                f"{self.path}: the entry {name!r} is damaged ({error}). {hint(self.path)}"
            ) from error
        if len(content) != member.size:
            raise DataError(f"{self.path}: the entry {name!r} is cut short. {hint(self.path)}")
        return content

    def size(self, name: str) -> int:
        """Bytes of one member, as its header says."""
        return self._members[name].size

    def state(self, name: str) -> str:
        """A tar has no checksums, so any change of the archive counts as one of all its members."""
        found = self.path.stat()
        return f"{self.size(name)}:{found.st_size}:{found.st_mtime_ns}"


def open_container(path: Path) -> Container:
    """A folder or archive by what it is, not by its extension.

    Raises:
        DataError: it does not exist, or is neither.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        raise DataError(f"The source {path} does not exist (from {Path.cwd()}).") from None
    if stat.S_ISDIR(mode):
        return FolderContainer(path)
    with path.open("rb") as file:
        head = file.read(512)
    refuse_placeholder(head, str(path))
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or path.suffix.lower() == ".zip":
        return ZipContainer(path)
    if head[257:262] == b"ustar" or head[:2] == b"\x1f\x8b" or head[:3] == b"BZh":
        return TarContainer(path)
    raise DataError(
        f"{path} is neither a folder nor a zip or tar archive. Give what the owner distributes, as "
        "it is."
    )


def _check_end(archive: tarfile.TarFile) -> None:
    """Miss the block of zeros a tar ends with: tarfile takes a cut inside a header for the end."""
    file = archive.fileobj
    if file is not None:
        file.seek(archive.offset)  # type: ignore[attr-defined]
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("its end is missing")
