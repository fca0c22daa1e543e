"""Tracing, judging and recording one method, told line by line."""

from pathlib import Path

from facesr_bench.bands.curve import trace
from facesr_bench.bands.judging import judge
from facesr_bench.bands.plan import read_plan
from facesr_bench.bands.recording import (
    Recording,
    blind_spots,
    read_recording,
    write_recording,
)
from facesr_bench.errors import ConfigError, UsageError
from facesr_bench.results import package_versions


def again(path: Path, seeds: int, fault: str | None) -> int:
    """Trace so many of the recorded seeds again; how many curves left the band.

    Args:
        path: the plan.
        seeds: how many.
        fault: to plant, or None.
    """
    plan = read_plan(path)
    if fault is not None and fault not in plan.faults:
        known = ", ".join(map(repr, plan.faults)) or "none"
        raise UsageError(f"{plan.method} has no fault {fault!r}; it has {known}.")
    recording = read_recording(path.with_suffix(".json"), plan)
    changes = () if fault is None else plan.faults[fault]
    left = 0
    for seed in plan.seeds[:seeds]:
        curve = trace(plan, seed, changes)
        sentences = judge(plan, recording.curves, curve)
        left += bool(sentences)
        what = f"{plan.method}, seed {seed}{'' if fault is None else f', {fault}'}"
        verdict = "LEFT THE BAND" if sentences else "within the band"
        print(f"{what}: {verdict} ({curve.cpu_seconds:.0f} s of CPU)", flush=True)
        for sentence in sentences:
            print(f"  {sentence}", flush=True)
    return left


def record(path: Path, reason: str) -> None:
    """Trace every seed and every fault of a plan, and write them unless the band is blind.

    Raises:
        ConfigError: a fault stays inside the band, or a seed outside that of the others.
    """
    plan = read_plan(path)
    curves = []
    for seed in plan.seeds:
        curves.append(trace(plan, seed))
        print(f"{plan.method}, seed {seed}: {curves[-1].cpu_seconds:.0f} s of CPU", flush=True)
    faults = {}
    for name, changes in plan.faults.items():
        faults[name] = trace(plan, plan.seeds[0], changes)
        sentences = judge(plan, curves, faults[name])
        print(f"{plan.method}, {name}: {len(sentences)} statistics leave the band", flush=True)
        for sentence in sentences:
            print(f"  {sentence}", flush=True)
    recording = Recording(reason, _versions(), tuple(curves), faults)
    if blind := blind_spots(plan, recording):
        raise ConfigError("Not recorded.\n" + "\n".join(blind))
    write_recording(path.with_suffix(".json"), plan, recording)


def _versions() -> dict[str, str]:
    found = package_versions()
    return {name: found[name] for name in ("torch", "pytorch-lightning", "numpy") if name in found}
