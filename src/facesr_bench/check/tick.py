"""The contract of a tick: one promise of a method, and how to see whether it is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from facesr_bench.check.subject import Subject

State = Literal["kept", "broken", "not claimed", "not tried"]


class Fault(Exception):
    """A promise that is broken: one sentence that names what to open."""


class NotClaimed(Exception):
    """The tick does not apply: the method does not train, does not claim it, or takes one size only."""


@dataclass(frozen=True)
class Tick:
    """One promise.

    Attributes:
        name: how it is chosen (``--only``).
        promise: what holds when it is kept, in a few words.
        test: raises :class:`Fault` or :class:`NotClaimed`; may return a remark.
        after: ticks without which this one means nothing; where one of them is broken it is not tried,
            so that one fault is told once.
        slow: starts processes of its own.
    """

    name: str
    promise: str
    test: Callable[["Subject"], str | None]
    after: tuple[str, ...] = ()
    slow: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of one tick.

    Attributes:
        tick: which.
        state: "kept", "broken", "not claimed" or "not tried".
        said: the sentence of a fault, the reason, or a remark.
        seconds: wall time.
    """

    tick: Tick
    state: State
    said: str = ""
    seconds: float = 0.0
