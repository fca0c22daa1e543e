"""pytest in a fork of this process, which has imported what takes long and nothing of the project."""

import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

HEAVY = (
    "torch", "torchvision", "torchmetrics", "pytorch_lightning", "hydra", "omegaconf", "cv2",
    "scipy.io", "scipy.linalg", "scipy.stats", "PIL.Image", "lpips", "pyiqa", "kornia", "h5py",
    "albumentations", "pyarrow.parquet", "onnx", "onnxruntime", "skimage.metrics", "hypothesis",
    "rich.table", "tqdm",
)  # fmt: skip
PASSED, NOTHING_RUN = int(pytest.ExitCode.OK), int(pytest.ExitCode.NO_TESTS_COLLECTED)


def preload(names: Iterable[str]) -> None:
    """Import third-party packages once for all forks.

    Where one is missing or damaged (torchvision beside another build of PyTorch), it and those after it
    are left to the forks.
    """
    for name in names:
        try:
            import_module(name)
        except Exception as error:
            top = name.partition(".")[0]
            for half in [known for known in sys.modules if known.partition(".")[0] == top]:
                del sys.modules[half]
            print(f"{name} cannot be imported ahead of the tests ({error}).", file=sys.stderr)
            return


@dataclass(frozen=True)
class Ended:
    """How pytest ended: its exit code, minus a signal, or None where it did not; and what it wrote."""

    code: int | None
    seconds: float
    said: str

    @property
    def how(self) -> str:
        """In words, with the test that failed where there is one."""
        if self.code is None:
            return f"hung, ended after {self.seconds:.0f} s"
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", self.said, re.MULTILINE)
        if failed:
            return failed[1]
        if self.code < 0:
            return f"ended by signal {-self.code}"
        return {PASSED: "all tests passed", NOTHING_RUN: "no test was run"}.get(
            self.code, "the tests could not be collected"
        )


class Tests:
    """A run of some tests on one copy of the checkout, which may be watched and is never waited for."""

    __test__ = False

    def __init__(
        self, copy: Path, tests: Sequence[str], timeout: float, work: Path, cache: Path
    ) -> None:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        self._log, self._began = work / "log.txt", time.monotonic()
        self._deadline = self._began + timeout
        self._pid = os.fork()
        if self._pid == 0:
            code = 70
            try:
                _settle(copy, work, cache, self._log)
                options = [
                    "-x",
                    "--tb=line",
                    "-p",
                    "no:cacheprovider",
                    f"--basetemp={work / 'base'}",
                ]
                code = int(pytest.main([*options, *tests]))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def ended(self) -> Ended | None:
        """How it ended; None while it runs. One that is late is killed, with all it started."""
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        late = time.monotonic() > self._deadline
        if not pid and not late:
            return None
        self.kill()
        if not pid:
            os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status) if pid else None
        seconds = time.monotonic() - self._began
        return Ended(code, seconds, self._log.read_text(encoding="utf-8", errors="replace"))

    def kill(self) -> None:
        """End it and the processes of its group."""
        for end in (os.killpg, os.kill):  # the second: it has not made its group yet
            try:
                end(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _settle(copy: Path, work: Path, cache: Path, log: Path) -> None:
    """Make this process one that only knows the copy."""
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = (open(n, "w", encoding="utf-8") for n in (1, 2))  # noqa: PTH123, SIM115
    os.chdir(copy)
    (work / "tmp").mkdir()
    os.environ.update(_surroundings(copy, work, cache))
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(copy / "src"))
    sys.argv = ["pytest"]


def _surroundings(copy: Path, work: Path, cache: Path) -> Mapping[str, str]:
    return {
        "PYTHONPATH": str(copy / "src"),  # for the interpreters that tests start
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # no test needs one, and Hydra's imports a lot
        "OMP_NUM_THREADS": "1",
        "PWD": str(copy),
        "TMPDIR": str(work / "tmp"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(work / "hypothesis"),
        "FACESR_CACHE": str(cache),
    }
