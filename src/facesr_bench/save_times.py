"""When the state of a run is due to be saved by the clock; by images is the budget's business."""

import math
import time
from collections.abc import Callable
from typing import Any

from facesr_bench.errors import ConfigError

SAVE_MINUTES = 10.0
"""Between two saves, where nobody says otherwise."""


class SaveTimes:
    """Minutes since the last save, on a clock of one's choice.

    Args:
        minutes: between two saves.
        clock: seconds that never run backwards.
    """

    FIRST = 30.0
    """Seconds after which the first save is due, unless ``minutes`` are fewer: together with the steps
    until somebody looks it is there within a minute."""
    LOOK_SECONDS, LOOK_STEPS = 5.0, 16
    """Several processes look at the clock together, which costs a synchronisation: not each step,
    unless steps are long."""

    def __init__(
        self, minutes: float = SAVE_MINUTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = 60 * minutes, clock
        self._next, self._looked = math.inf, 0.0

    def begin(self) -> None:
        """Training starts now."""
        self._looked = self._clock()
        self._next = self._looked + min(self.FIRST, self._seconds)

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._clock() >= self._next

    def saved(self) -> None:
        """The state is saved; writing it took time that does not count."""
        self._next = self._clock() + self._seconds

    def steps_until_look(self, done: int) -> int:
        """After how many steps to look again, when ``done`` steps were made since the last look."""
        now = self._clock()
        each, self._looked = (now - self._looked) / done, now
        return max(1, min(self.LOOK_STEPS, int(self.LOOK_SECONDS / max(each, 1e-6))))


def check_save_minutes(value: Any) -> None:
    """Refuse what is no time between two saves.

    Raises:
        ConfigError: no number, or none above 0.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not value > 0:  # also nan, which compares false
        raise ConfigError(
            f"save_minutes={value} is no time between two saves of the training state; give a number "
            "of minutes above 0."
        )
