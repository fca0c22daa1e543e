"""Ctrl-C and SIGTERM while scoring: stop at once, and never between two files of a record."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from facesr_bench.errors import RunInterrupted


class Stop:
    """Whether somebody asked to stop.

    The signal raises KeyboardInterrupt, which no ``except Exception`` of a metric can take for a
    failure of its own.
    """

    def __init__(self) -> None:
        self.requested = False
        self._writing = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """The signal handler."""
        self.requested = True
        if not self._writing:
            raise KeyboardInterrupt

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The few milliseconds in which a record is written; a signal then comes too late.

        Raises:
            KeyboardInterrupt: somebody asked before, and a library swallowed it.
        """
        if self.requested:
            raise KeyboardInterrupt
        self._writing = True
        try:
            yield
        finally:
            self._writing = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Turn both signals into one sentence and exit code 130.

    Raises:
        RunInterrupted: a signal came before the record was written.
    """
    stop = Stop()
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, stop.handle)
    except ValueError:  # not in the main thread: signals are the caller's
        pass
    try:
        yield stop
    except KeyboardInterrupt:
        raise RunInterrupted("Stopped; no record was written or changed.") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
