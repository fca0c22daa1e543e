"""Trying the ticks in order; one that breaks costs only those that mean nothing without it."""

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from facesr_bench.check import checkpoints, claims, declared, images, ranks, training
from facesr_bench.check.composing import Composer
from facesr_bench.check.subject import Subject
from facesr_bench.check.tick import Fault, NotClaimed, Outcome, Tick
from facesr_bench.errors import FaceSRError, UsageError

TICKS: tuple[Tick, ...] = (
    *declared.TICKS[:-1],
    *images.TICKS,
    *claims.TICKS,
    declared.TICKS[-1],
    *training.TICKS,
    *checkpoints.TICKS,
    *ranks.TICKS,
)
"""In the order they are tried; what a tick comes after stands before it."""


def chosen_ticks(names: Sequence[str], *, fast: bool = False) -> tuple[Tick, ...]:
    """The ticks of these names, or all.

    Args:
        names: as given; empty for all.
        fast: leave out those that start processes.

    Raises:
        UsageError: a name there is no tick of.
    """
    known = {tick.name: tick for tick in TICKS}
    for name in names:
        if name not in known:
            raise UsageError(f"There is no tick {name!r}. Ticks: {', '.join(known)}.")
    chosen = [tick for tick in TICKS if not names or tick.name in names]
    return tuple(tick for tick in chosen if not (fast and tick.slow))


def check(
    words: Sequence[str],
    config_dirs: Sequence[Path] = (),
    ticks: Iterable[Tick] = TICKS,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Try the ticks on the method that a command line chooses.

    Args:
        words: Hydra overrides, ``+method=NAME`` among them.
        config_dirs: folders with YAML files beside ours.
        ticks: in order.
        told: called with each outcome as it comes.

    Raises:
        FaceSRError: the method cannot even be composed at smoke scale.
    """
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="facesr-check-") as folder:
        subject = Subject(Composer(words, config_dirs), Path(folder))
        for tick in ticks:
            outcomes.append(_try(tick, subject, outcomes))
            told(outcomes[-1])
    return outcomes


def _try(tick: Tick, subject: Subject, earlier: Sequence[Outcome]) -> Outcome:
    broken = [
        o.tick.name
        for o in earlier
        if o.tick.name in tick.after and o.state in ("broken", "not tried")
    ]
    if broken:
        return Outcome(tick, "not tried", f"means nothing while {broken[0]!r} is broken")
    started = time.perf_counter()

    def outcome(state: str, said: object) -> Outcome:
        seconds = time.perf_counter() - started
        return Outcome(tick, state, " ".join(str(said or "").split()), seconds)  # type: ignore[arg-type]

    try:
        return outcome("kept", tick.test(subject))
    except NotClaimed as reason:
        return outcome("not claimed", reason)
    except Fault as fault:
        return outcome("broken", fault)
    except FaceSRError as error:
        return outcome("broken", f"Open {subject.yaml}: {error}")
    except Exception as error:
        return outcome("broken", subject.fault(None, f"breaks: {type(error).__name__}: {error}"))
