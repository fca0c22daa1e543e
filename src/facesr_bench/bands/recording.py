"""Curves kept beside their plan: ``docs/bands/METHOD.json``."""

import json
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.bands.curve import Curve
from facesr_bench.bands.judging import judge
from facesr_bench.bands.plan import Plan
from facesr_bench.errors import ConfigError
from facesr_bench.images import write_atomically


@dataclass(frozen=True)
class Recording:
    """What a band is made of, and the proof that it sees.

    Attributes:
        reason: why it was recorded (anew).
        versions: of the packages it was recorded with.
        curves: one a seed.
        faults: a curve of each planted fault, by name.
    """

    reason: str
    versions: dict[str, str]
    curves: tuple[Curve, ...]
    faults: dict[str, Curve]


def blind_spots(plan: Plan, recording: Recording) -> list[str]:
    """Sentences about what makes this band worthless: a fault it misses, a seed that leaves it.

    A seed is judged by the band of the others.
    """
    curves = recording.curves
    found = [
        f"{plan.method}: {fault!r} stays inside the band, so the band does not see it."
        for fault, curve in recording.faults.items()
        if not judge(plan, curves, curve)
    ]
    for left_out in curves if len(curves) > 2 else ():
        others = [curve for curve in curves if curve is not left_out]
        found += [
            f"Seed {left_out.seed} leaves the band of the other seeds: {sentence}"
            for sentence in judge(plan, others, left_out)
        ]
    return found


def write_recording(path: Path, plan: Plan, recording: Recording) -> None:
    """Write it whole."""
    content = {
        "reason": recording.reason,
        "training": plan.training(),
        "versions": recording.versions,
        "curves": [curve.as_json() for curve in recording.curves],
        "faults": {name: curve.as_json() for name, curve in recording.faults.items()},
    }
    write_atomically(path, (_compact(json.dumps(content, indent=1)) + "\n").encode())


def read_recording(path: Path, plan: Plan) -> Recording:
    """What was recorded for this plan.

    Raises:
        ConfigError: nothing was, or for another training.
    """
    if not path.exists():
        raise ConfigError(f"{plan.method} has no recorded curves; record them: {_how(plan)}")
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["training"] != plan.training():
        raise ConfigError(
            f"{path} was recorded for another training than {path.with_suffix('.yaml').name} "
            f"describes now; record it anew: {_how(plan)}"
        )
    return Recording(
        content["reason"],
        content["versions"],
        tuple(Curve.from_json(curve) for curve in content["curves"]),
        {name: Curve.from_json(curve) for name, curve in content["faults"].items()},
    )


def _how(plan: Plan) -> str:
    return f"python -m facesr_bench.bands {plan.method} --record --reason 'WHY'"


def _compact(text: str) -> str:
    """Lists of numbers on one line each."""
    import re

    return re.sub(r"\[\s+([-\d.e,+\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
