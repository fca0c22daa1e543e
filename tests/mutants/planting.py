"""Run the tests of each fault, a few faults at a time, each on its own copy of the checkout."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mutants.forking import NOTHING_RUN, PASSED, Ended, Tests
from mutants.listing import Fault
from mutants.scratch import copy_checkout, planted

Job = TypeVar("Job")
BASELINE_SECONDS = 900


@dataclass(frozen=True)
class Verdict:
    """What became of a fault.

    Attributes:
        fault: the fault.
        caught: whether a test failed or hung; None where its tests fail without it too.
        how: the test, or what happened instead.
        seconds: how long that took.
    """

    fault: Fault
    caught: bool | None
    how: str
    seconds: float


class Planting:
    """Copies of the checkout, and tests running on them.

    Args:
        root: the checkout.
        folder: where the copies go.
        jobs: how many.
        patience: seconds the tests of a fault may take beyond five times what they take without it.
    """

    def __init__(self, root: Path, folder: Path, jobs: int, patience: float = 60) -> None:
        self._folder, self._patience = folder, patience
        self._copies = [folder / f"copy{number}" for number in range(jobs)]
        for copy in self._copies:
            copy_checkout(root, copy)
        self._warm = folder / "cache"  # what tests without a fault have rendered
        self._warm.mkdir()

    def baselines(self, faults: Sequence[Fault]) -> dict[str, Ended]:
        """How each word of the faults' tests ends without any fault."""
        words = sorted({word for fault in faults for word in fault.tests})
        ends: dict[str, Ended] = {}

        def start(word: str, slot: int, _: ExitStack) -> Tests:
            work = self._folder / f"work{slot}"
            return Tests(self._copies[slot], [word], BASELINE_SECONDS, work, self._warm)

        def finish(word: str, end: Ended) -> None:
            ends[word] = end
            if end.code == PASSED:
                _tell(f"passes without a fault, {end.seconds:.1f} s: {word}")
            else:
                _tell(f"FAILS without a fault: {word}: {end.how}\n{end.said}")

        self._all(words, start, finish)
        return ends

    def verdicts(self, faults: Sequence[Fault], told: Callable[[Verdict], None]) -> list[Verdict]:
        """Plant each fault and run its tests, in the order of the list."""
        ends = self.baselines(faults)
        expected = {fault: sum(ends[word].seconds for word in fault.tests) for fault in faults}
        found: dict[Fault, Verdict] = {}

        def start(fault: Fault, slot: int, until_ended: ExitStack) -> Tests:
            until_ended.enter_context(planted(fault, self._copies[slot]))
            # A fault may render faces wrongly: what it leaves in the cache is for nobody else.
            cache = self._folder / f"cache{slot}"
            shutil.rmtree(cache, ignore_errors=True)
            shutil.copytree(self._warm, cache)
            timeout = self._patience + 5 * expected[fault]
            work = self._folder / f"work{slot}"
            return Tests(self._copies[slot], fault.tests, timeout, work, cache)

        def finish(fault: Fault, end: Ended) -> None:
            verdict = Verdict(fault, end.code not in (PASSED, NOTHING_RUN), end.how, end.seconds)
            found[fault] = verdict
            told(verdict)

        sound = []
        for fault in faults:
            broken = [word for word in fault.tests if ends[word].code != PASSED]
            if broken:
                how = f"{', '.join(broken)} fails without it too"
                found[fault] = Verdict(fault, None, how, 0.0)
            else:
                sound.append(fault)
        longest_first = sorted(sound, key=lambda fault: -expected[fault])
        self._all(longest_first, start, finish)
        return [found[fault] for fault in faults]

    def _all(
        self,
        jobs: Iterable[Job],
        start: Callable[[Job, int, ExitStack], Tests],
        finish: Callable[[Job, Ended], None],
    ) -> None:
        """Keep every copy busy until all jobs have ended."""
        waiting = list(jobs)[::-1]
        running: dict[int, tuple[Job, Tests, ExitStack]] = {}
        try:
            while waiting or running:
                for slot in range(len(self._copies)):
                    if slot not in running and waiting:
                        job, undo = waiting.pop(), ExitStack()
                        running[slot] = (job, start(job, slot, undo), undo)
                time.sleep(0.02)
                for slot, (job, tests, undo) in list(running.items()):
                    end = tests.ended()
                    if end is not None:
                        undo.close()
                        del running[slot]
                        finish(job, end)
        finally:
            for _, tests, _ in running.values():
                tests.kill()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
