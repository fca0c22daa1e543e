"""The folder weights lie in, and the pins of files whose hash nobody publishes."""

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path

import facesr_bench
from facesr_bench.cache import cache_dir
from facesr_bench.errors import MissingRequirement, WeightsError
from facesr_bench.weights.registry import Entry, KnownFile


def weights_dir() -> Path:
    """``FACESR_WEIGHTS``, or ``weights/`` in the cache folder; not created here."""
    chosen = os.environ.get("FACESR_WEIGHTS")
    return Path(chosen).expanduser() if chosen else cache_dir() / "weights"


def path_of(known: KnownFile) -> Path:
    """Where a file lies once imported, or where the package keeps one that ships with it."""
    if known.shipped is None:
        return weights_dir() / known.file
    # A package of two folders in a checkout: plug-ins stand beside src there.
    places = [Path(root, known.shipped, known.file) for root in facesr_bench.__path__]
    return next((path for path in places if path.is_file()), places[0])


def file_hash(path: Path) -> str:
    """sha256 of a file, computed once per process while the file stays the same.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        facts = path.stat()
        return _file_hash(str(path), facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise WeightsError(f"The weight file {path} cannot be read ({error}).") from error


@lru_cache(maxsize=64)
def _file_hash(path: str, size: int, modified: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_hash(path: Path) -> str:
    """What ``git hash-object`` says of a file: the SHA-1 of its bytes after a header with their number.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        facts = path.stat()
        return _git_hash(str(path), facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise WeightsError(f"The weight file {path} cannot be read ({error}).") from error


@lru_cache(maxsize=64)
def _git_hash(path: str, size: int, modified: int) -> str:
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def expected_hash(known: KnownFile) -> str | None:
    """The published hash or its beginning, else the pin recorded at the first import."""
    return known.sha256 if known.sha256 is not None else read_pins().get(known.file)


def read_pins() -> dict[str, str]:
    """File name to sha256, as recorded on this machine.

    Raises:
        WeightsError: the file of pins is damaged.
    """
    path = weights_dir() / "pins.json"
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in content.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"{path} is damaged ({error}); delete it and import the files again."
        ) from error


def record_pin(known: KnownFile, digest: str) -> None:
    """Remember the hash of a file nobody published one for."""
    from facesr_bench.images import write_atomically

    pins = read_pins() | {known.file: digest}
    text = json.dumps(pins, indent=2, sort_keys=True)
    write_atomically(weights_dir() / "pins.json", text.encode())


def find(entry: Entry) -> tuple[KnownFile, Path]:
    """The file of an entry that is there, its hash verified.

    Raises:
        MissingRequirement: none is there; the sentence gives the command.
        WeightsError: a file is there but is not the registered one.
    """
    for known in entry.files:
        path = path_of(known)
        if path.is_file():
            verify(known, path, entry.name)
            return known, path
    names = " or ".join(
        known.file + (f" (sha256 {known.sha256[:8]}...)" if known.sha256 else "")
        for known in entry.files
    )
    uses = f"; needed by {'; '.join(entry.users)}" if entry.users else ""
    fetch = f"facesr-bench weights fetch {entry.name}; or " if entry.direct else ""
    raise MissingRequirement(
        f"weights {entry.name!r} are missing ({entry.what}; {entry.size_mb:g} MB; {entry.licence}"
        f"{uses}): "
        f"{fetch}get {names} from {entry.url}, then: facesr-bench weights import FILE --as {entry.name}"
    )


def verify(known: KnownFile, path: Path, name: str) -> str:
    """The sha256 of a file that must be the registered one of the weights called ``name``.

    Raises:
        WeightsError: it is another file, or one without a published hash that was never imported.
    """
    digest, expected = file_hash(path), expected_hash(known)
    if known.git_sha1 is not None and git_hash(path) != known.git_sha1:
        raise WeightsError(other_than_in_git(path, known.git_sha1))
    if expected is None and known.git_sha1 is not None:
        return digest
    if expected is None:
        raise WeightsError(
            f"{path} was put there by hand and nobody publishes its hash; import it once, so that the "
            f"hash is recorded: facesr-bench weights import {path}"
        )
    if not digest.startswith(expected):
        if known.sha256 is None:
            raise WeightsError(other_than_pinned(path, digest, expected, name))
        raise WeightsError(
            f"{path} is not the registered file: its sha256 is {digest}, expected {expected}. Delete "
            "it and import the right one."
        )
    return digest


def other_than_in_git(path: Path, expected: str) -> str:
    """What to say of a file that is not the one in the history of its project."""
    return (
        f"{path} is not the registered file: git hash-object says {git_hash(path)}, expected "
        f"{expected}. Get the right one and import it."
    )


def other_than_pinned(path: Path, digest: str, pin: str, name: str) -> str:
    """What to say of a file that differs from the one imported first, which may have been wrong."""
    return (
        f"{path} is not the registered file: its sha256 is {digest}, but {pin} was recorded when "
        f"{name!r} was imported (nobody publishes its hash). If this file is the right one: "
        f"facesr-bench weights import {path} --as {name} --replace"
    )
