"""What stands in a row beside its numbers."""

from collections.abc import Mapping
from typing import Any


def marks_of(record: Mapping[str, Any]) -> list[str]:
    """What a reader must know of a row, in a few words each: a short budget, another scale."""
    found = []
    budget = record.get("budget")
    scale = record.get("scale") or "full"
    if budget and record["origin"] == "trained here":
        if scale == "smoke" or budget["images"] * 10 <= budget["declared"]:
            found.append("smoke budget")
        elif budget["images"] < budget["declared"]:
            found.append(f"{budget['images'] / budget['declared']:.0%} of its budget")
    if scale != "full" and budget:
        found.append(f"scale={scale}")
    return found
