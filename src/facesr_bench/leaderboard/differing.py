"""Why a number of ours may differ from the paper's: protocol, weights, budget, device."""

from collections.abc import Mapping
from typing import Any

from facesr_bench.leaderboard.provenance import division, row_marks
from facesr_bench.papers import Block

Record = Mapping[str, Any]


def why_ours_differs(record: Record, block: Block) -> list[str]:
    """Reasons, the protocol's first; there is always at least one."""
    found = [f"protocol: {block.benchmark.differs}"]
    name = str(record["protocol"]["name"])
    wanted, have = block.benchmark.images, int(record["n_images"])
    if wanted is not None and have != wanted:
        found.append(f"protocol: {have:,} test images, the paper has {wanted:,}")
    if name != block.benchmark.protocols[0]:
        found.append(f"protocol: {name}, not {block.benchmark.protocols[0]}")
    where = division(record)
    if where == "protocol data":
        found.append("weights: trained here, seed " + str((record.get("config") or {}).get("seed")))
    elif where != "no training":
        found.append(f"weights: {where}")
    found += [f"budget: {mark.text}" for mark in row_marks(record) if _of_budget(mark.text)]
    found += [
        f"data: {mark.text}" for mark in row_marks(record) if mark.text.startswith("trained on")
    ]
    found += [
        f"data: {mark.text}" for mark in row_marks(record) if mark.text.startswith("prior saw")
    ]
    return found


def _of_budget(text: str) -> bool:
    return "budget" in text or text.startswith("scale=")
