"""The note in a cell's folder: what was asked for, and whether it came to its end.

A fit leaves no run record, so the record alone would not tell.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facesr_bench.images import write_atomically

NOTE = "cell.json"


def read_note(folder: Path) -> dict[str, Any]:
    """The note; empty where there is none or it is damaged."""
    try:
        content = json.loads((folder / NOTE).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_note(folder: Path, overrides: Sequence[str]) -> None:
    """Before a cell runs: what its result will depend on."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, {"overrides": list(overrides), "finished": False})


def note_finished(folder: Path) -> None:
    """After it ran, on whatever machine."""
    _write(folder, {**read_note(folder), "finished": True})


def _write(folder: Path, note: dict[str, Any]) -> None:
    write_atomically(folder / NOTE, json.dumps(note, indent=2).encode())
