"""Ctrl-C and SIGTERM: the first asks politely, the second does not wait."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from facesr_bench.errors import RunInterrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Whether somebody asked this process to stop.

    During training the flag is read between two steps, so that the state that is saved is whole.
    Outside of training (``waiting`` is False) the signal raises at once.
    """

    def __init__(self) -> None:
        self.requested = False
        self.waiting = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.requested or not self.waiting:
            raise RunInterrupted(f"Stopped by {signal.Signals(signum).name}.")
        self.requested = True

    def install(self) -> dict[int, Any]:
        """Take over both signals; returns what was there. Does nothing outside the main thread."""
        try:
            return {number: signal.signal(number, self.handle) for number in _SIGNALS}
        except ValueError:
            return {}

    @contextmanager
    def listening(self) -> Iterator["Interrupts"]:
        """Handle signals inside the block and give them back after it."""
        before = self.install()
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
