"""Every method of this repository keeps its promises; what other tests cover anew is left out here."""

from pathlib import Path

import pytest

from command_line import ROOT
from facesr_bench.check.running import check, chosen_ticks

METHODS = sorted(path.stem for path in (ROOT / "conf" / "method").glob("*.yaml"))

NOT_MADE_HERE = {
    "images": "it reads images made elsewhere",
    "spandrel": "it runs a file of yours, without which there is nothing to check",
}
"""Why a method is not checked."""

TWICE = {"lanczos", "nearest"}
"""The class of ``bicubic`` with another kernel: its YAML alone is checked."""

COVERED = {"overfit", "resume", "ranks", "flops"}
"""Ticks that train again or build the paper's size: for `make check`, and each method's tests."""

FEWER = {
    "cyclegan": ["budget.images=16"],
    "dap_fsr": ["budget.images=4", "budget.batch_size=2", "statistics_samples=100"],
    "propulse": ["budget.branches=2", "budget.base=2", "budget.scale=2", "budget.batch_size=2"],
    "psp": ["budget.images=4", "budget.batch_size=2"],
    "pulse": ["steps=2", "fit_samples=2000"],
    "scgan": ["budget.images=16"],
    "stylegan2": ["budget.images=16"],
}
"""Shorter than smoke for all but the tick that compares budgets; each phase still comes."""


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_ours_keeps_its_promises(name: str, tmp_path: Path) -> None:
    if name in NOT_MADE_HERE:
        pytest.skip(NOT_MADE_HERE[name])
    if name in TWICE:
        declared, ticks = chosen_ticks(["yaml", "paper"]), ()
    else:
        declared = chosen_ticks(["yaml", "budget", "paper"])
        ticks = tuple(t for t in chosen_ticks([]) if t not in declared and t.name not in COVERED)
    fewer = [f"method.{word}" for word in FEWER.get(name, ())]
    outcomes = check([f"+method={name}"], (), declared)
    if ticks:
        outcomes += check([f"+method={name}", *fewer], (), ticks)
    assert [outcome.said for outcome in outcomes if outcome.state == "broken"] == []
    assert [outcome.tick.name for outcome in outcomes if outcome.state == "not tried"] == []
    assert "exportable is false" not in [outcome.said for outcome in outcomes]  # but why it is
    assert sum(outcome.state == "kept" for outcome in outcomes) >= (2 if name in TWICE else 10)
