"""Everything a person gave with ``--src``, and how a recipe finds its files in there."""

import fnmatch
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facesr_bench.errors import DataError
from facesr_bench.prepare.containers import (
    Container,
    FolderContainer,
    TarContainer,
    ZipContainer,
    open_container,
)
from facesr_bench.prepare.distrust import raw_name, refuse_placeholder

__all__ = [
    "Container", "Entry", "FolderContainer", "SourceSet", "TarContainer", "ZipContainer", "as_stream",
    "image_of", "open_container", "refuse_placeholder",
]  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One file somewhere in the sources.

    Attributes:
        container: the folder or archive it lies in.
        name: its path in there.
    """

    container: Container
    name: str

    @property
    def base(self) -> str:
        """File name without folders."""
        return PurePosixPath(self.name).name

    @property
    def where(self) -> str:
        """For messages and the manifest: archive or folder name, then the path inside.

        Always text that can be written: bytes of a name that are not UTF-8 are shown by number.
        """
        name = f"{self.container.path.name}/{self.name}"
        return raw_name(name).decode("utf-8", "backslashreplace")

    def read(self) -> bytes:
        """The bytes."""
        if self.container.opened is not None:
            self.container.opened.add(self.name)
        return self.container.read(self.name)

    def text(self, encoding: str = "utf-8-sig") -> str:
        """The bytes as text.

        Raises:
            DataError: they are not text of this encoding, or a Git LFS pointer or an HTML page.
        """
        content = self.read()
        refuse_placeholder(content, self.where)
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.where} is not {encoding} text ({error}).") from error


class SourceSet:
    """Everything a person gave with ``--src``.

    Args:
        paths: folders and archives.
        archives: glob patterns of archives that are opened when they lie in a given folder.

    Raises:
        DataError: a path that does not exist or is no folder or archive.
    """

    def __init__(self, paths: Sequence[Path], archives: Sequence[str] = ()) -> None:
        self.paths = list(paths)
        self.containers: list[Container] = []
        for path in paths:
            self.containers.append(open_container(path))
            if path.is_dir():
                inside = self.containers[-1].names()
                for name in inside:
                    base = PurePosixPath(name).name
                    if any(fnmatch.fnmatch(base.lower(), pattern) for pattern in archives):
                        self.containers.append(open_container(path / name))
        for container in self.containers:
            container.opened = set()
        self._entries = [Entry(c, name) for c in self.containers for name in c.names()]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, pattern: str) -> list[Entry]:
        """Entries whose path ends in this glob pattern of whole components ("images/*/*.jpg").

        Upper and lower case are the same: "*.JPG" is found by "*.jpg".
        """
        wanted = pattern.lower().split("/")
        found = []
        for entry in self._entries:
            parts = entry.name.lower().split("/")[-len(wanted) :]
            if len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted)):
                found.append(entry)
        return found

    def one(self, pattern: str, why: str) -> Entry:
        """The only entry of this pattern.

        Args:
            pattern: as for :meth:`find`.
            why: what it is needed for, for the message ("the official split").

        Raises:
            DataError: there is none, or more than one.
        """
        found = self.find(pattern)
        if len(found) == 1:
            return found[0]
        looked = ", ".join(str(path) for path in self.paths)
        if not found:
            raise DataError(
                f"There is no {pattern} ({why}) in {looked}, where {len(self)} files were found"
                f"{self._glimpse()}. Add it with --src."
            )
        places = ", ".join(entry.where for entry in found[:5])
        raise DataError(
            f"There are {len(found)} files called {pattern} ({why}) in {looked}: {places}. Give the "
            "one folder or archive to use with --src."
        )

    def opened(self) -> list[Entry]:
        """The entries read so far, in order; later ones are no longer noted."""
        found = [entry for entry in self._entries if entry.name in (entry.container.opened or ())]
        for container in self.containers:
            container.opened = None
        return found

    def passed_over(self) -> list[str]:
        """Phrases for what lies in the sources and is never opened."""
        links = sum(container.links for container in self.containers)
        odd = sum(container.odd for container in self.containers)
        said = []
        if links:
            said.append(f"{links:,} links are not followed: give what they point to with --src")
        if odd:
            said.append(f"{odd:,} entries are no files or may not be read")
        return said

    def _glimpse(self) -> str:
        names = [entry.where.partition("/")[2] for entry in self._entries[:3]]
        said = [f"the first are {', '.join(names)}"] if names else []
        said += self.passed_over()
        return f" ({'; '.join(said)})" if said else ""


def image_of(entry: Entry) -> bytes:
    """The bytes of an image entry, with placeholders refused."""
    content = entry.read()
    refuse_placeholder(content, entry.where)
    if not content:
        raise DataError(f"{entry.where} is empty.")
    return content


def as_stream(content: bytes) -> io.BytesIO:
    """Bytes as a file, for readers that want one (scipy, h5py)."""
    return io.BytesIO(content)
