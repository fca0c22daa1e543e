"""What an earlier attempt at the test stage left behind, and whether a new one may go on from it.

SR images are stored as they are made, so a killed evaluation has lost only its last batch. They may be
kept only if the very same thing made them; a note in ``sr/`` says what that was. Every rank keeps a
note of its own about its own share, and a lock while it writes: ranks start at different times, and
none may wait for another.
"""

import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from facesr_bench.errors import ConfigError
from facesr_bench.images import write_atomically
from facesr_bench.method import Method
from facesr_bench.metrics.scores import PerImage
from facesr_bench.protocol import TestSet, canonical_hash
from facesr_bench.results import device_facts, package_versions
from facesr_bench.store import SRStore

_NOTES = ".made_by."
_FINDINGS = "findings."


def fingerprint(settings: Mapping[str, Any], method: Method, test_set: TestSet, device: str) -> str:
    """A hash of everything SR images depend on.

    Args:
        settings: the run's resolved configuration.
        method: with the weights it will use; all of them are hashed, and the buffers that no
            checkpoint holds; its own source files and the harness's as well.
        test_set: its inputs.
        device: torch's device type; which device that is here, and how many threads serve it, are
            hashed too, since sums in another order differ.
    """
    tensors = dict(method.named_parameters()) | dict(method.named_buffers())
    return canonical_hash(
        {
            "protocol": test_set.hash,
            "lr": test_set.lr_hash,
            "method": settings["method"],
            "scale": settings["scale"],
            "seed": settings["seed"],
            "weights": hash_of_tensors(tensors),
            "files": method.weight_files,  # a frozen prior is kept beside the method's tensors
            "sides": list(method.sides_wanted),
            "versions": package_versions(),
            "sources": _hash_of_sources(type(method)),
            "device": device_facts(device),
        }
    )


def hash_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over tensors by name: name, type, shape, bytes."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        digest.update(_bytes_of(value))
    return digest.hexdigest()


def hash_of_weights(method: Method) -> str:
    """Of every parameter and buffer that super-resolves (``inference_modules``), for the record."""
    tensors: dict[str, Tensor] = {}
    for number, module in enumerate(method.inference_modules()):
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            tensors[f"{number}.{name}"] = value
    return hash_of_tensors(tensors)


class Attempt:
    """One rank's share of a store that is being filled.

    Args:
        store: the SR images.
        keys: of the test set, in order; this rank makes every ``world_size``-th from ``rank`` on.
        rank: this process.
        world_size: number of processes.
    """

    def __init__(self, store: SRStore, keys: Sequence[str], rank: int, world_size: int) -> None:
        self._store, self._all_keys = store, keys
        self._of_others = [k for index, k in enumerate(keys) if index % world_size != rank]
        self._rank, self._world_size = rank, world_size
        self._note = store.root / f"{_NOTES}{rank}.json"
        self._findings = store.root / f"{_FINDINGS}{rank}.jsonl"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold this rank's place; to be entered before anything else here changes the store.

        A rank outlives the first one when only that is killed, and goes on writing. The lock goes
        with its process, however that ends.

        Raises:
            ConfigError: a process of an earlier attempt still writes.
        """
        self._store.root.mkdir(parents=True, exist_ok=True)
        gone = [p for p in _locks(self._store) if _rank_of(p) >= self._world_size]
        with ExitStack() as held:
            for path in (self._store.root / f"{_NOTES}{self._rank}.lock", *gone):
                lock = FileLock(path)
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    raise ConfigError(
                        f"Rank {_rank_of(path)} of an earlier attempt is still writing to "
                        f"{self._store.root}. Wait until it has ended, or end it; or choose another "
                        "output_dir."
                    ) from None
                held.callback(lock.release)
            yield

    def take_over(self, made_by: str) -> int | None:
        """Keep the images of an earlier attempt if the same thing made them; delete them otherwise.

        What other ranks make now is theirs: their images stay in either case.

        Args:
            made_by: the :func:`fingerprint` of this attempt.

        Returns:
            The batch size of the earlier attempt, or None if there is nothing to go on from.
        """
        if self._rank == 0:
            # Nobody would replace the notes of ranks that are no more; later they would be believed.
            for path in (*self._of_all(_NOTES), *self._of_all(_FINDINGS)):
                if _rank_of(path) >= self._world_size:
                    path.unlink(missing_ok=True)
        batch_size = self._noted(made_by)
        if batch_size is not None:
            self._store.sweep(self._all_keys, written_now=self._of_others)
            return batch_size
        # The note goes first: a kill in between must not leave a note beside somebody else's images.
        self._note.unlink(missing_ok=True)
        self._findings.unlink(missing_ok=True)
        self._store.sweep(self._of_others, written_now=self._of_others)
        return None

    def begin(self, made_by: str, batch_size: int) -> None:
        """Leave the note, before the first image."""
        note = {"made_by": self._identity(made_by), "batch_size": batch_size}
        write_atomically(self._note, json.dumps(note).encode())

    def is_made(self, key: str) -> bool:
        """Whether an image lies there; after :meth:`take_over` it is one of ours."""
        return self._store.path(key).is_file()

    def keep(self, keys: Sequence[str], findings: Mapping[str, Tensor]) -> None:
        """Append what a method reported of images; called before they are stored."""
        if not findings:
            return
        columns = {name: values.tolist() for name, values in findings.items()}
        with self._findings.open("a", encoding="utf-8") as file:
            for index, key in enumerate(keys):
                row = {"key": key, **{name: values[index] for name, values in columns.items()}}
                # The line break comes first, so that half a line of a killed attempt spoils no other.
                file.write("\n" + json.dumps(row))
            file.flush()
            os.fsync(file.fileno())

    def _noted(self, made_by: str) -> int | None:
        """The batch size in this rank's note, if the note is whole and of the same thing."""
        try:
            note = json.loads(self._note.read_bytes())
            return int(note["batch_size"]) if note["made_by"] == self._identity(made_by) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _identity(self, made_by: str) -> list[Any]:
        return [made_by, self._rank, self._world_size]

    def _of_all(self, kind: str) -> list[Path]:
        return sorted(self._store.root.glob(f"{kind}*.json*"))


def read_findings(store: SRStore, keys: Sequence[str]) -> PerImage:
    """What the method reported of these images, from all ranks: name to key to number."""
    known = set(keys)
    found: PerImage = {}
    for row in _rows(sorted(store.root.glob(f"{_FINDINGS}*.jsonl"))):
        key = row.pop("key", None)
        if key in known:
            for name, value in row.items():
                found.setdefault(name, {})[key] = float(value)
    return {
        name: {key: column[key] for key in keys if key in column} for name, column in found.items()
    }


def summary(findings: PerImage) -> dict[str, dict[str, float]]:
    """For the record: mean over the images with a finite number, and how many these are."""
    means = {}
    for name, column in findings.items():
        values = [value for value in column.values() if math.isfinite(value)]
        if values:
            means[name] = {"mean": math.fsum(values) / len(values), "n": len(values)}
    return means


def drop_attempt(store: SRStore) -> None:
    """Delete notes and findings (``keep_sr=false``); the images are the store's to drop."""
    for kind in (_NOTES, _FINDINGS):
        for path in store.root.glob(f"{kind}*.json*"):
            path.unlink(missing_ok=True)
    for path in _locks(store):
        # On Windows a rank that is done may not have let go of it yet.
        with suppress(PermissionError):
            path.unlink(missing_ok=True)


def _locks(store: SRStore) -> list[Path]:
    return sorted(store.root.glob(f"{_NOTES}*.lock"))


def _rank_of(path: Path) -> int:
    return int(path.name.split(".")[-2])


def _hash_of_sources(kind: type[Method]) -> str:
    """Of the code behind a method: its package, those of methods it derives from, and the harness.

    A commit would not do: a checkout may be changed, and a wheel has none.
    """
    digest = hashlib.sha256()
    for each in (k for k in kind.__mro__ if issubclass(k, Method)):  # the last is Method itself
        file = getattr(sys.modules.get(each.__module__), "__file__", None)
        if file is None:  # typed at a prompt
            continue
        top = Path(file)
        while (top.parent / "__init__.py").is_file():
            top = top.parent
        for source in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            name = source.relative_to(top.parent).as_posix()
            digest.update(f"{name}\0{hashlib.sha256(source.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _rows(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                row = json.loads(line)
            except ValueError:  # empty, or cut off by a kill before its images were stored
                continue
            if isinstance(row, dict):
                yield row


def _bytes_of(value: Tensor) -> bytes:
    import torch

    flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return flat.numpy().tobytes()
