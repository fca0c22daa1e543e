"""A job in a forked process: nothing is imported again, and it may be killed."""

import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from facesr_bench.cli import main


class Forked:
    """Runs ``job`` in a process of its own; its output goes to a file.

    Args:
        job: its result is the exit code; None is 0.
        log: gets standard output, and errors when they have no file of their own.
        folder: its working directory.
        env: added to its environment.
        errors: gets standard error.
    """

    def __init__(
        self,
        job: Callable[[], int | None],
        log: Path,
        folder: Path,
        env: Mapping[str, str] = {},
        errors: Path | None = None,
    ) -> None:
        self._log, self._errors = log, errors
        self._pid = os.fork()
        if self._pid == 0:
            code = 70
            try:
                self._settle(folder, env)
                code = job() or 0
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def _settle(self, folder: Path, env: Mapping[str, str]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        file = os.open(self._log, flags)
        os.dup2(file, 1)
        os.dup2(file if self._errors is None else os.open(self._errors, flags), 2)
        self._before = sys.stdout, sys.stderr  # kept: the end of one might close its descriptor
        sys.stdout, sys.stderr = (open(number, "w") for number in (1, 2))  # noqa: PTH123, SIM115
        os.chdir(folder)
        os.environ |= env
        torch.set_num_threads(1)  # threads do not survive a fork

    def wait(self, timeout: float = 900) -> int:
        """The exit code, or minus the signal that ended it; a job that hangs is killed."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)
        raise AssertionError(f"It did not end:\n{self.said}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._pid, number)

    @property
    def said(self) -> str:
        """What it wrote."""
        return self._log.read_text(errors="replace")


def completed(
    words: Sequence[str],
    folder: Path,
    env: Mapping[str, str] = {},
    plant: Callable[[], object] | None = None,
    timeout: float = 900,
) -> subprocess.CompletedProcess[str]:
    """``facesr-bench WORDS`` in a fork, after ``plant()`` made something go wrong there."""

    def job() -> int:
        sys.argv = ["facesr-bench", *words]
        if plant is not None:
            plant()
        return main(list(words))

    with TemporaryDirectory() as kept:
        out, errors = Path(kept) / "out", Path(kept) / "errors"
        code = Forked(job, out, folder, env, errors).wait(timeout)
        said = [path.read_text(errors="replace") for path in (out, errors)]
    return subprocess.CompletedProcess(words, code, *said)


def command(
    words: Sequence[str],
    folder: Path,
    plant: Callable[[], object] | None = None,
    env: Mapping[str, str] = {},
) -> tuple[int, str]:
    """The exit code of :func:`completed`, and all it said."""
    done = completed(words, folder, env, plant)
    return done.returncode, done.stdout + done.stderr


def two_ranks(words: Sequence[str], folder: Path) -> list[Forked]:
    """``facesr-bench WORDS`` as two processes that find each other, the way two machines do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    apart = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=1", "trainer.num_nodes=2")
    job = partial(main, [*words, *apart])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        Forked(job, folder / f"{rank}.txt", folder, where | {"NODE_RANK": rank}) for rank in "01"
    ]
