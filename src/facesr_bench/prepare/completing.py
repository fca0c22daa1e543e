"""Landmarks for a finished folder that was prepared on a machine without YuNet."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from facesr_bench.images import write_atomically
from facesr_bench.prepare.journal import Journal
from facesr_bench.prepare.landmarks import FOUND, LACKING, find_landmarks_of, lacks_yunet
from facesr_bench.prepare.layout import Layout
from facesr_bench.prepare.manifest import read_manifest, write_manifest
from facesr_bench.prepare.opening import lock_folder, read_facts
from facesr_bench.prepare.packing import replacing
from facesr_bench.prepare.saving import saving
from facesr_bench.prepare.sheet import chosen, write_sheet
from facesr_bench.prepare.summary import Tally
from facesr_bench.prepare.working import cores


def add_landmarks(layout: Layout, workers: int | None) -> str | None:
    """Look for the landmarks a complete folder lacks, if YuNet is here and never looked there.

    Images and packs stay as they are. A kill leaves the old tables or the new ones: the manifest is
    replaced in one step and ``prepared.json``, which says that YuNet looked, after it.

    Args:
        layout: of a complete folder.
        workers: threads; None: all cores.

    Returns:
        A sentence about what was found, or None where there was nothing to do.
    """
    if not _open(read_facts(layout)) or lacks_yunet() is not None:
        return None
    with lock_folder(layout):
        facts = read_facts(layout)
        rows: list[dict[str, Any]] = read_manifest(layout.manifest).to_pylist()
        # Those YuNet found already are of a call that was killed between the two tables.
        missing = {
            row["key"]: row["sha256"]
            for row in rows
            if row["role"] == "hr" and row["landmarks_from"] in (None, "yunet")
        }
        if not _open(facts) or not missing:
            return None  # another process was faster, or only LR has none
        with saving(layout.root):
            layout.work.mkdir(exist_ok=True)
            with (
                Journal(layout.work / "landmarks.jsonl") as points,
                ThreadPoolExecutor(workers or cores()) as pool,
            ):
                note = find_landmarks_of(missing, layout, points, pool)
                found = {key: points[key]["landmarks"] for key in missing}
            _rewrite(layout, facts, rows, found, note)
            shutil.rmtree(layout.work, ignore_errors=True)
    return note


def _open(facts: dict[str, Any]) -> bool:
    """Whether there may be landmarks that nobody looked for."""
    looked = any(FOUND in note for note in facts["notes"])
    return not looked and facts["counts"]["landmarks"].get("none", 0) > 0


def _rewrite(
    layout: Layout,
    facts: dict[str, Any],
    rows: list[dict[str, Any]],
    found: dict[str, list[float] | None],
    note: str,
) -> None:
    tally = Tally()
    for row in rows:
        row["attributes"] = dict(row["attributes"])
        if found.get(row["key"]) is not None:
            row["landmarks"], row["landmarks_from"] = found[row["key"]], "yunet"
        tally.add(row)
    with replacing(layout.manifest, layout.work) as path:
        write_manifest(path, (dict(row) for row in rows))
    shown = set(chosen([(row["key"], row["role"]) for row in rows]))
    some = [row for row in rows if row["key"] in shown]
    write_sheet(layout, f"{facts['recipe']} {facts['size']}", len(rows), some)
    facts["counts"] = tally.content()
    facts["notes"] = [old for old in facts["notes"] if LACKING not in old] + [note]
    write_atomically(layout.facts, (json.dumps(facts, indent=2) + "\n").encode())
