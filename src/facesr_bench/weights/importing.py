"""Taking a file a person has fetched into the weights folder, after looking at it."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.errors import WeightsError
from facesr_bench.weights.cache import (
    expected_hash,
    file_hash,
    other_than_pinned,
    path_of,
    read_pins,
    record_pin,
    weights_dir,
)
from facesr_bench.weights.loading import check_file
from facesr_bench.weights.registry import Entry, KnownFile, entry, registry


@dataclass(frozen=True)
class Imported:
    """What became of one file.

    Attributes:
        entry: which weights it is.
        path: where it lies now.
        sha256: of its bytes.
        pinned: whether that hash was recorded now, for want of a published one.
    """

    entry: Entry
    path: Path
    sha256: str
    pinned: bool


def import_file(source: Path, name: str | None = None, replace: bool = False) -> Imported:
    """Verify a file and copy it into the weights folder.

    Args:
        source: the file, under any name.
        name: which weights it is; found by its hash when not given.
        replace: take it in place of one imported before, where nobody publishes a hash that could
            tell which of the two is right.

    Raises:
        WeightsError: it is missing, not one of the registered files, or not of their layout.
    """
    if not source.is_file():
        raise WeightsError(f"There is no file {source} to import.")
    digest = file_hash(source)
    found, known = _recognise(source, digest, name, replace)
    check_file(source, found.layout)
    pinned = known.sha256 is None and read_pins().get(known.file) != digest
    target = path_of(known)
    if source.resolve() != target.resolve():
        _copy(source, target)
    if pinned:
        record_pin(known, digest)
    return Imported(found, target, digest, pinned)


def _recognise(
    source: Path, digest: str, name: str | None, replace: bool
) -> tuple[Entry, KnownFile]:
    candidates = list(registry().values()) if name is None else [entry(name)]
    pairs = [(found, known) for found in candidates for known in found.files]
    for found, known in pairs:
        expected = expected_hash(known)
        if expected is not None and digest.startswith(expected):
            return found, known
    for found, known in pairs:
        told = known.file == source.name or (name is not None and len(found.files) == 1)
        if told and known.sha256 is None:
            pin = expected_hash(known)
            if pin is None or replace:
                return found, known
            raise WeightsError(other_than_pinned(source, digest, pin, found.name))
    if name is None:
        raise WeightsError(
            f"{source} (sha256 {digest}) is none of the registered files. Say which weights it is "
            "with --as NAME; facesr-bench weights list shows the names."
        )
    hashes = ", ".join(f"{known.file} {expected_hash(known)}" for known in candidates[0].files)
    raise WeightsError(
        f"{source} is not {name}: its sha256 is {digest}, expected {hashes}. It was not imported."
        + (" --replace is for files whose hash nobody publishes." if replace else "")
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=weights_dir(), prefix=".import-")
    try:
        with source.open("rb") as reader, open(descriptor, "wb") as writer:  # noqa: PTH123
            shutil.copyfileobj(reader, writer)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
