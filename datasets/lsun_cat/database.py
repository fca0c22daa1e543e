"""The one LMDB database LSUN distributes for a category: keys of 40 hex digits to image files.

An environment can neither be pickled nor be opened twice in a process. So a :class:`Database` is only a
path until the first read, is shared by all who ask for the same path, and pickles as the path.
"""

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from facesr_bench.errors import DataError, MissingRequirement
from facesr_bench.prepare.sources import refuse_placeholder

if TYPE_CHECKING:
    import lmdb

_HINT = "Most often the download or the unpacking was cut short. Get it again."


class Database:
    """A folder with a ``data.mdb``; get one from :func:`open_database`.

    Args:
        folder: that holds ``data.mdb``; its ``lock.mdb`` is neither needed nor touched.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "data.mdb"
        self._folder = folder
        self._lock = Lock()
        self._environment: lmdb.Environment | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return open_database, (self._folder,)

    def sizes(self) -> dict[str, int]:
        """Bytes of every value by key, sorted; only index pages are read, no value.

        Raises:
            MissingRequirement: the package lmdb is not installed.
            DataError: the database is damaged, or its keys are not LSUN's.
        """
        environment = self._open()
        import lmdb

        found: dict[str, int] = {}
        try:
            with environment.begin(buffers=True) as transaction:
                for key, value in transaction.cursor():
                    found[_text(bytes(key), self.file)] = len(value)
        except lmdb.Error as error:
            raise DataError(f"{self.file} is damaged ({error}). {_HINT}") from error
        return found

    def read(self, key: str) -> bytes:
        """One value; may be called from several threads.

        Raises:
            DataError: it is not there, or the database is damaged.
        """
        environment = self._open()
        import lmdb

        try:
            with environment.begin() as transaction:
                value = transaction.get(key.encode())
        except lmdb.Error as error:
            raise DataError(f"{self.file} is damaged ({error}). {_HINT}") from error
        if value is None:
            raise DataError(f"{self.file} has no key {key}.")
        return bytes(value)

    def _open(self) -> "lmdb.Environment":
        with self._lock:
            if self._environment is None:
                self._environment = _environment(self._folder, self.file)
            return self._environment


_shared: WeakValueDictionary[Path, Database] = WeakValueDictionary()
_sharing = Lock()


def open_database(folder: Path) -> Database:
    """The database of a folder, the same object for the same folder; nothing is opened yet."""
    place = folder.resolve()
    with _sharing:
        database = _shared.get(place)
        if database is None:
            database = _shared[place] = Database(place)
        return database


def _environment(folder: Path, file: Path) -> "lmdb.Environment":
    try:
        import lmdb
    except ImportError:
        raise MissingRequirement(
            "LSUN's database needs the package lmdb: pip install 'facesr-bench[lsun]'"
        ) from None
    try:
        with file.open("rb") as stream:
            refuse_placeholder(stream.read(512), str(file))
            size = os.fstat(stream.fileno()).st_size
        if not size:
            raise DataError(f"{file} is empty. {_HINT}")
        # readahead off: images are read in any order, and the file is larger than memory.
        environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
    except (lmdb.Error, OSError) as error:
        raise DataError(
            f"{file} cannot be opened as an LMDB database ({error}). {_HINT}"
        ) from error
    # The file is mapped, so reading a page it lacks would end the process without a word.
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < needed:
        environment.close()
        raise DataError(f"{file} has {size:,} of {needed:,} bytes. {_HINT}")
    return environment


def _text(key: bytes, file: Path) -> str:
    if len(key) != 40 or key.strip(b"0123456789abcdef"):
        raise DataError(
            f"{file} has the key {key[:50]!r}, but LSUN's keys are 40 hex digits; it is another "
            "database."
        )
    return key.decode()
