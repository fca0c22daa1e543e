"""The run record: ``result.json``, written atomically and last, so that it means "complete"."""

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import facesr_bench
from facesr_bench.errors import DataError
from facesr_bench.images import write_atomically
from facesr_bench.record_shape import wrong_shape

SCHEMA = 1
"""Raised whenever a reader of older records would misread a newer one."""

_PACKAGES = (
    "torch", "pytorch-lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy", "scipy",
    "pillow", "opencv-python-headless", "torchvision",
)  # fmt: skip

REQUIRED = (
    "schema", "method", "data", "protocol", "lr_hash", "sr_hash", "n_images", "metrics", "cost",
    "config", "weights", "trained_on", "origin", "versions", "git", "device", "started", "seconds",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Versions of everything the numbers may depend on."""
    found = {"python": platform.python_version(), "facesr-bench": facesr_bench.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout this code runs from and whether it was changed; None in a wheel."""
    root = Path(facesr_bench.__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def device_facts(kind: str) -> dict[str, Any]:
    """What the run ran on: ``kind`` is torch's device type ("cpu", "cuda")."""
    import os

    import torch

    facts: dict[str, Any] = {"type": kind, "threads": torch.get_num_threads()}
    if kind == "cuda":
        facts["name"] = torch.cuda.get_device_name()
    else:
        facts["name"] = cpu_name()
        facts["cores"] = os.cpu_count()
    return facts


def cpu_name() -> str:
    """What the processor calls itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def now() -> str:
    """The present in UTC, to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write the record; a value that JSON cannot hold (nan, infinity) is an error, not a "NaN"."""
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode())


def read_record(path: Path) -> dict[str, Any]:
    """Read a record of this or an older schema.

    Raises:
        DataError: damaged, incomplete, or written by a newer version.
    """
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as a run record ({error}).") from error
    return check_record(record, str(path))


def check_record(record: Any, path: str) -> dict[str, Any]:
    """The same record, if it is one.

    Args:
        record: what its JSON holds.
        path: where it is from, for messages.

    Raises:
        DataError: incomplete, damaged, or written by a newer version.
    """
    if not isinstance(record, dict) or not isinstance(record.get("schema"), int):
        raise DataError(f"{path} is not a run record: it has no schema number.")
    if record["schema"] > SCHEMA:
        raise DataError(
            f"{path} has schema {record['schema']}, newer than the {SCHEMA} this version reads. "
            "Update facesr-bench."
        )
    missing = [key for key in REQUIRED if key not in record]
    if missing:
        raise DataError(f"{path} is not a complete run record: it lacks {', '.join(missing)}.")
    if wrong := wrong_shape(record):
        raise DataError(f"{path} is damaged: {wrong}.")
    return record
