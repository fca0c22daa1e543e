"""How far a method is verified on a protocol, computed from a run record and what papers print.

* ``reproducing``: trained here for the whole budget on the paper's protocol; every headline number lies
  within its stated tolerance.
* ``official-weights-equal``: the same, with the authors' released weights.
* ``not reproducing``: such a run has a headline number outside its tolerance.
* ``golden-equal``: no such run, but the implementation equals every value of its specification (tests).
* ``working``: it ran, and that is all there is to say.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from facesr_bench.leaderboard.lookup import metric_of, printed_rows
from facesr_bench.leaderboard.model import Finding, Status
from facesr_bench.leaderboard.protocols import superseded
from facesr_bench.leaderboard.provenance import division, row_marks
from facesr_bench.papers import Block, Paper, WhoIs

Record = Mapping[str, Any]


@cache
def golden(folder: str) -> dict[str, str] | None:
    """What of a method is tested to equal its specification, and by which tests.

    Args:
        folder: of the method, below ``methods/``; its ``golden.yaml`` says it.
    """
    path = files("facesr_bench.methods") / folder / "golden.yaml"
    if not folder.isidentifier() or not path.is_file():
        return None
    content: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def with_golden() -> list[str]:
    """Methods that tests hold equal to a specification."""
    folders = files("facesr_bench.methods").iterdir()
    return sorted(folder.name for folder in folders if golden(folder.name))


def status_of(record: Record) -> Status:
    """The status a row shows."""
    matches = list(printed_rows(record))
    if not matches:
        return _unjudged(record, "no paper prints this row on this protocol")
    paper, table, block, who = max(
        matches, key=lambda m: (m[1].number == m[0].headline[0], len(_judged(m[0], m[2], m[3])))
    )
    why_not = _not_the_papers_run(record, block)
    if why_not:
        return _unjudged(record, why_not)
    where = f"{paper.title}, Table {table.number}, {block.title}"
    findings, missing = [], []
    for name in _judged(paper, block, who):
        column, printed = paper.columns[name], block.rows[who.name][name]
        found = metric_of(column, record)
        if found is None:
            missing.append(name)
        elif column.tolerance is not None:
            ours = float(found[1]["value"]) * column.times
            tolerance = column.tolerance.of(printed.value)
            findings.append(Finding(name, printed.value, ours, tolerance))
    outside = [finding for finding in findings if not finding.within]
    if outside:
        told = ", ".join(
            f"{f.what} {f.ours:.4g} against {f.paper:.4g} ± {f.tolerance:.3g}" for f in outside
        )
        return Status("not reproducing", f"{where}: {told}", findings)
    if missing or not findings:
        return _unjudged(record, f"{where}: {', '.join(missing)} not measured", findings)
    released = division(record) == "released weights"
    name = "official-weights-equal" if released else "reproducing"
    return Status(name, f"{where}: every number within its tolerance", findings)


def _judged(paper: Paper, block: Block, who: WhoIs) -> list[str]:
    return [name for name in block.rows[who.name] if paper.columns[name].tolerance is not None]


def _not_the_papers_run(record: Record, block: Block) -> str | None:
    """Why a run cannot speak for or against the paper, or None where it can."""
    old = superseded(record)
    if old:
        return old
    wanted = block.benchmark.images
    if wanted is not None and record["n_images"] != wanted:
        return f"{record['n_images']:,} images instead of the paper's {wanted:,}"
    for mark in row_marks(record):
        if mark.disqualifies or "budget" in mark.text or mark.text.startswith("scale="):
            return mark.text
    if record.get("scale") not in ("full", None) and record["origin"] != "no training needed":
        return f"scale={record['scale']}, not the paper's size"
    return None


def _unjudged(record: Record, reason: str, findings: list[Finding] | None = None) -> Status:
    evidence = golden(_folder(record))
    if evidence is None:
        return Status("working", reason, findings or ())
    text = f"equals its specification in {evidence['equal']} ({evidence['tests']}); {reason}"
    return Status("golden-equal", text, findings or ())


def _folder(record: Record) -> str:
    """Of the method's code: tables never import it."""
    target = str(((record.get("config") or {}).get("method") or {}).get("_target_", ""))
    inside = target.removeprefix("facesr_bench.methods.")
    return inside.split(".", 1)[0] if inside != target else str(record["method"])
