"""Outcomes for people and for programs."""

from collections.abc import Sequence
from typing import Any

from facesr_bench.check.tick import Outcome, Tick

_SIGNS = {"kept": "✓", "broken": "✗", "not claimed": "-", "not tried": "?"}
_STYLES = {"kept": "green", "broken": "bold red", "not claimed": "dim", "not tried": "yellow"}


def print_outcome(outcome: Outcome) -> None:
    """One line as soon as it is known; a fault stands below its line, whole, to be copied."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True)
    style = _STYLES[outcome.state]
    fault = outcome.state == "broken"
    line = Text.assemble(
        (f"{_SIGNS[outcome.state]} {outcome.tick.name:<14}", style),
        f"{outcome.tick.promise:<48}{outcome.seconds:6.1f} s",
        ("" if fault or not outcome.said else f"  {outcome.said}", "dim"),
    )
    console.print(line)
    if fault:
        console.print(Text(f"    {outcome.said}"))


def summary(outcomes: Sequence[Outcome]) -> str:
    """The last line."""
    counts = {state: sum(o.state == state for o in outcomes) for state in _SIGNS}
    seconds = sum(outcome.seconds for outcome in outcomes)
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"{told}; {seconds:.0f} s"


def as_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Plain values, in order."""
    return [
        {
            "tick": outcome.tick.name,
            "promise": outcome.tick.promise,
            "state": outcome.state,
            "said": outcome.said,
            "seconds": round(outcome.seconds, 2),
        }
        for outcome in outcomes
    ]


def listing(ticks: Sequence[Tick]) -> str:
    """Names and promises."""
    return "\n".join(f"{tick.name:<14}{tick.promise}" for tick in ticks)
