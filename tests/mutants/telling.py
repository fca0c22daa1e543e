"""What a run of planted faults found, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from mutants.planting import Verdict


def line(verdict: Verdict) -> str:
    """One fault, as soon as it is known."""
    word = {True: "caught", False: "SURVIVED", None: "BROKEN"}[verdict.caught]
    return f"{word:8} {verdict.seconds:5.1f} s  {verdict.fault.name}  [{verdict.how}]"


def is_good(verdict: Verdict) -> bool:
    """Caught, or a survivor that the list names."""
    return bool(verdict.caught) or (verdict.caught is False and verdict.fault.survives is not None)


def table(verdicts: Sequence[Verdict]) -> str:
    """Caught and planted faults of each area, then what is not as it should be."""
    areas = sorted({verdict.fault.area for verdict in verdicts})
    rows = [(area, [v for v in verdicts if v.fault.area == area]) for area in areas]
    width = max(len(area) for area in [*areas, "together"])
    lines = [f"{'area':{width}}  caught  planted  seconds"]
    for area, own in [*rows, ("together", list(verdicts))]:
        caught = sum(v.caught is True for v in own)
        seconds = sum(v.seconds for v in own)
        lines.append(f"{area:{width}}  {caught:6}  {len(own):7}  {seconds:7.0f}")
    told = {
        "caught, though the list says it survives: take the note out": lambda v: (
            v.caught and v.fault.survives
        ),
        "survives, as the list says": lambda v: v.caught is False and v.fault.survives,
        "SURVIVES: no test notices": lambda v: v.caught is False and not v.fault.survives,
        "BROKEN: its tests fail without any fault": lambda v: v.caught is None,
    }
    for title, holds in told.items():
        for v in verdicts:
            if holds(v):
                more = v.how if v.caught is None else v.fault.survives if not v.caught else v.how
                lines.append(f"{title}: {v.fault.name}" + (f" ({more})" if more else ""))
    return "\n".join(lines)


def as_json(verdicts: Sequence[Verdict]) -> str:
    """Every fault with its verdict."""
    return json.dumps([asdict(verdict) for verdict in verdicts], indent=2)
