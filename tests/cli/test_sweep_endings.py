"""What a sweep makes of a job that ends badly: the exit code, and whether the others still run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import SMALL
from facesr_bench.errors import ConfigError, FaceSRError, RunInterrupted, UsageError
from forked import command


def ending(*outcomes: FaceSRError | None) -> Callable[[], None]:
    """Jobs that only leave a letter, then end so, one after the other."""
    left = list(outcomes)

    def run(*_: object) -> Path:
        with Path("ran").open("a") as ran:
            ran.write("x")
        outcome = left.pop(0)
        if outcome is not None:
            raise outcome
        return Path()

    def plant() -> None:
        import facesr_bench.run

        facesr_bench.run.run = run  # type: ignore[assignment]

    return plant


@pytest.mark.parametrize(
    ("outcomes", "code", "ran"),
    [
        ((None, None), 0, 2),
        ((ConfigError("one"), None), 1, 2),
        ((UsageError("the worse one"), ConfigError("one")), 2, 2),
        ((RunInterrupted("stopped"), None), 130, 1),
    ],
)
def test_the_worst_code_is_told_and_only_an_interrupt_costs_the_others(
    outcomes: tuple[FaceSRError | None, ...], code: int, ran: int, tmp_path: Path
) -> None:
    words = ["-m", "+method=bicubic", *SMALL, "seed=1,2"]
    found, said = command(words, tmp_path, ending(*outcomes))
    assert found == code, said
    assert (tmp_path / "ran").read_text() == "x" * ran
