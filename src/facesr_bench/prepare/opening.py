"""Whether a folder may be prepared into: whose it is, by which call, and that nobody else is at it."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facesr_bench.errors import DataError
from facesr_bench.images import write_atomically
from facesr_bench.prepare.layout import Layout
from facesr_bench.prepare.packing import PackChoice
from facesr_bench.prepare.provenance import differences, source_names
from facesr_bench.prepare.working import OnError


@dataclass(frozen=True)
class Call:
    """What decides the result; two calls that differ in it may not share a folder.

    Attributes:
        recipe: its name.
        target: the class behind it.
        version: of the recipe.
        arguments: of the recipe, all of them.
        size: side of the prepared images.
        operator: what resizes.
    """

    recipe: str
    target: str
    version: int
    arguments: dict[str, Any]
    size: int
    operator: str


def read_facts(layout: Layout) -> dict[str, Any]:
    """The content of ``prepared.json``.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        content = json.loads(layout.facts.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{layout.facts} cannot be read ({error}). Delete the folder and prepare the data again."
        ) from error
    if not isinstance(content, dict) or "recipe" not in content:
        raise DataError(f"{layout.facts} was not written by facesr-bench prepare.")
    return content


def check_same(
    layout: Layout, call: Call, paths: Sequence[Path], on_error: OnError, pack: PackChoice
) -> dict[str, Any]:
    """Compare a complete folder with a call for it.

    Returns:
        The content of its ``prepared.json``.

    Raises:
        DataError: it was prepared by another call; the sentence names every difference.
    """
    facts = read_facts(layout)
    now = asdict(call)
    found = differences({name: facts.get(name) for name in now}, now)
    given = Counter((source["name"], source["bytes"]) for source in source_names(paths))
    before = Counter((source["name"], source["bytes"]) for source in facts["sources"])
    # Archives inside a given folder are listed among the sources, but nobody gives them again.
    if given - before:
        found += differences({"sources": facts["sources"]}, {"sources": source_names(paths)})
    if facts["left_out"] and on_error == "raise":
        found.append(f"{len(facts['left_out'])} bad images were left out there (--on-error skip)")
    packed = bool(facts["packs"])
    if (pack == "yes" and not packed) or (pack == "no" and packed):
        found.append(
            f"images are {'packed' if packed else 'not packed'} there and --pack {pack} here"
        )
    _refuse(layout.root, found, "holds data prepared by another call")
    return facts


def open_work(layout: Layout, call: Call, paths: Sequence[Path]) -> None:
    """Begin in an empty folder, or go on where the same call stopped.

    What the sources hold may change in between, as a damaged file is got again or a missing one is
    added: :mod:`facesr_bench.prepare.fingerprints` sees to that. Their names may not.

    Raises:
        DataError: the folder holds other files, or was begun by another call.
    """
    path = layout.work / "call.json"
    names = [{"name": source["name"]} for source in source_names(paths)]
    now = asdict(call) | {"sources": names}
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            before = {}
        found = differences(before, json.loads(json.dumps(now)))
        _refuse(layout.root, found, "holds the beginning of another preparation")
        return
    others = sorted(p.name for p in layout.root.iterdir() if p not in (layout.work, layout.lock))
    if others:
        raise DataError(
            f"{layout.root} holds other files ({', '.join(others[:5])}); give an empty or a new folder "
            "with --out."
        )
    layout.work.mkdir(exist_ok=True)
    write_atomically(path, json.dumps(now, indent=2).encode())


def check_sources_outside(paths: Sequence[Path], root: Path) -> None:
    """Refuse to write into a folder that is read from: the next call would find its own images.

    Raises:
        DataError: naming both.
    """
    place = root.resolve()
    for path in paths:
        source = path.resolve()
        if path.is_dir() and (source == place or source in place.parents):
            raise DataError(
                f"The output folder {root} lies inside the source {path}; a second call would take its "
                "images for the owner's. Give a folder elsewhere with --out."
            )


@contextmanager
def lock_folder(layout: Layout) -> Iterator[None]:
    """Make the folder and keep other processes out of it; after an error, no empty folder stays.

    Raises:
        DataError: another process is preparing into it, or it cannot be made.
    """
    from filelock import FileLock, Timeout

    made = not layout.root.exists()
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(layout.lock)
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(
            f"Another process is preparing data into {layout.root}. Wait for it, or give another "
            "folder with --out."
        ) from None
    except OSError as error:
        raise DataError(f"{layout.root} cannot be written to ({error}).") from error
    try:
        yield
    finally:
        empty = False
        with suppress(OSError):
            empty = made and list(layout.root.iterdir()) == [layout.lock]
            if empty:
                layout.lock.unlink()  # while it is ours: the next process makes its own
        lock.release()
        with suppress(OSError):
            if empty:
                layout.root.rmdir()


def _refuse(root: Path, found: Sequence[str], what: str) -> None:
    if found:
        raise DataError(
            f"{root} {what}: {'; '.join(found)}. Give another folder with --out, or delete that one."
        )
