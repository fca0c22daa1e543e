"""Taking a fetched file into the weights folder, after looking at it."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.errors import WeightsError
from facesr_bench.weights.cache import (
    expected_hash,
    file_hash,
    git_hash,
    other_than_in_git,
    other_than_pinned,
    path_of,
    read_pins,
    record_pin,
    weights_dir,
)
from facesr_bench.weights.converting import PICKLES, convert
from facesr_bench.weights.loading import WeightFile, check_file
from facesr_bench.weights.registry import Entry, KnownFile, entry, registry


@dataclass(frozen=True)
class Imported:
    """What became of one file.

    Attributes:
        entry: which weights it is.
        path: where it lies now.
        sha256: of its bytes.
        pinned: whether that hash was recorded now, for want of a published one.
        converted: the safetensors made of it, where the file is a pickle.
    """

    entry: Entry
    path: Path
    sha256: str
    pinned: bool
    converted: Path | None = None


def import_file(
    source: Path, name: str | None = None, replace: bool = False, move: bool = False
) -> Imported:
    """Verify a file and copy it into the weights folder.

    Args:
        source: the file, under any name.
        name: which weights it is; found by its hash when not given.
        replace: take it in place of one imported before, where nobody publishes a hash that could
            tell which of the two is right.
        move: do not leave it where it is.

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
        if move:
            source.replace(target)
        else:
            _copy(source, target)
    if pinned:
        record_pin(known, digest)
    if found.layout.kind not in PICKLES:
        return Imported(found, target, digest, pinned)
    converted = convert(WeightFile(found, target, digest))
    return Imported(found, target, digest, pinned, converted)


def _recognise(
    source: Path, digest: str, name: str | None, replace: bool
) -> tuple[Entry, KnownFile]:
    candidates = list(registry().values()) if name is None else [entry(name)]
    pairs = [(found, known) for found in candidates for known in found.files]
    for found, known in pairs:
        expected = expected_hash(known)
        if expected is not None and digest.startswith(expected):
            _same_in_git(source, known)
            return found, known
    for found, known in pairs:
        asked = name is None and known.sha256 is None and known.file not in read_pins()
        if asked and known.git_sha1 is not None and git_hash(source) == known.git_sha1:
            return found, known
    for found, known in pairs:
        told = known.file == source.name or (name is not None and len(found.files) == 1)
        if told and known.sha256 is None:
            _same_in_git(source, known)
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


def _same_in_git(source: Path, known: KnownFile) -> None:
    if known.git_sha1 is not None and git_hash(source) != known.git_sha1:
        raise WeightsError(other_than_in_git(source, known.git_sha1))


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
