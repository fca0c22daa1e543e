"""What every source is, a :class:`Container`, and the plainest one: a folder."""

import os
import stat
from abc import ABC, abstractmethod
from pathlib import Path

from facesr_bench.errors import DataError
from facesr_bench.prepare.distrust import check_name, is_junk


class Container(ABC):
    """One folder or archive.

    Attributes:
        path: where it lies.
        links: how many links lead out of it or nowhere; they are never followed.
        odd: how many entries are neither files nor folders, or cannot be looked at.
        opened: names read so far, while somebody wants to know.
    """

    path: Path
    links: int = 0
    odd: int = 0
    opened: set[str] | None = None

    @abstractmethod
    def names(self) -> list[str]:
        """All files in it, sorted, junk left out."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """One file's bytes; may be called from several threads.

        Raises:
            DataError: it is missing or damaged, naming it.
        """

    def size(self, name: str) -> int:
        """Bytes of one file once unpacked."""
        return len(self.read(name))

    def fingerprint(self, name: str) -> str:
        """What is known of a file's content without reading it: its size, in a zip also its CRC.

        The same for every copy of the same files, wherever and whenever it was made.
        """
        return str(self.size(name))

    def state(self, name: str) -> str:
        """What becomes another when the file is replaced, even by one of the same size."""
        return self.fingerprint(name)


class FolderContainer(Container):
    """A folder and everything below it that is a plain file.

    Links that lead out of it are passed over, and so are pipes, sockets and devices, which could wait
    for ever: both are counted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names: list[str] | None = None

    def names(self) -> list[str]:
        """All files below it, sorted, junk left out; looked for once."""
        if self._names is None:
            root = self.path.resolve()
            self._names = []
            for folder, inner, files in os.walk(self.path, onerror=self._unreadable):
                # A folder that is a link is not walked into, so a plain file is always inside.
                self.links += sum((Path(folder) / name).is_symlink() for name in inner)
                for file in files:
                    full = Path(folder) / file
                    name = full.relative_to(self.path).as_posix()
                    if not is_junk(name) and self._is_file(full, root):
                        self._names.append(name)
            self._names.sort()
        return list(self._names)

    def read(self, name: str) -> bytes:
        """One file's bytes."""
        try:
            return (self.path / check_name(name, self.path)).read_bytes()
        except OSError as error:
            raise self._lost(name, error) from error

    def size(self, name: str) -> int:
        """Bytes of one file."""
        return self._stat(name).st_size

    def state(self, name: str) -> str:
        """Size and time of the last change."""
        found = self._stat(name)
        return f"{found.st_size}:{found.st_mtime_ns}"

    def _stat(self, name: str) -> os.stat_result:
        try:
            return (self.path / name).stat()
        except OSError as error:
            raise self._lost(name, error) from error

    def _lost(self, name: str, error: OSError) -> DataError:
        return DataError(f"{self.path / name} cannot be read ({error}).")

    def _is_file(self, full: Path, root: Path) -> bool:
        try:
            if full.is_symlink() and root not in full.resolve(strict=True).parents:
                self.links += 1
                return False
            plain = stat.S_ISREG(full.stat().st_mode)
        except (OSError, RuntimeError):  # links that lead nowhere or round in a circle
            self.links += 1
            return False
        self.odd += not plain
        return plain

    def _unreadable(self, _: OSError) -> None:
        self.odd += 1
