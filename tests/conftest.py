"""Shared by all tests: one cache of rendered faces, and the real command line."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import facesr_bench.torchvision_ops  # noqa: F401  (before anything imports torchmetrics or Lightning)
from command_line import Cli
from forked import completed
from offline.sitecustomize import guard


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Test processes share the cores; so do the processes they start, which read the variable."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def _offline() -> None:
    """No test, and no process that one starts, may reach beyond this machine."""
    guard()
    folder = str(Path(__file__).parent / "offline")
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = folder if not known else f"{folder}{os.pathsep}{known}"
    os.environ["FACESR_TESTS_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def _heard_by_caplog() -> None:
    """Whatever command ran in this process before: it sets up the terminal's log."""
    log = logging.getLogger("facesr_bench")
    log.setLevel(logging.NOTSET)
    log.propagate, log.handlers = True, []


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run ``facesr-bench`` in a fresh folder, which is not the checkout.

    It runs in a fork of this process, which has torch and Lightning already: a new interpreter
    would import them anew, for seconds. ``fresh_cli`` is that one.
    """

    def run(
        *words: str, check: bool = True, env: dict[str, str] | None = None, timeout: float = 900
    ) -> subprocess.CompletedProcess[str]:
        return _checked(completed(words, tmp_path, env or {}, timeout=timeout), check)

    return run


@pytest.fixture
def fresh_cli(tmp_path: Path) -> Cli:
    """Run ``python -m facesr_bench`` in a new interpreter: for runs that start processes."""

    def run(
        *words: str, check: bool = True, env: dict[str, str] | None = None, timeout: float = 900
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "facesr_bench", *words],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        return _checked(done, check)

    return run


def _checked(
    done: subprocess.CompletedProcess[str], check: bool
) -> subprocess.CompletedProcess[str]:
    if check and done.returncode != 0:
        raise AssertionError(
            f"{done.args} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done
