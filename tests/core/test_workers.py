"""A process that loads images and dies is told in one sentence, whichever of its traces comes first."""

import os
import signal
from multiprocessing import Pipe
from multiprocessing.connection import Client
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from facesr_bench import workers
from facesr_bench.errors import DataError, WorkerDied
from facesr_bench.workers import telling_of_workers

SENTENCE = r"A process that loads training images died \(.+\)"


class Dies(Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> torch.Tensor:
        if index >= 24:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.zeros(3, 16, 16)


def fail(error: Exception) -> None:
    raise error


def test_a_killed_worker() -> None:
    """Now PyTorch's signal is first, now the broken connection: a race, so more than one try."""
    for _ in range(10):
        with pytest.raises(WorkerDied, match=SENTENCE):
            telling_of_workers(lambda: list(DataLoader(Dies(), batch_size=8, num_workers=1)))


def test_a_connection_that_breaks_before_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SIGNAL_SECONDS", 0)
    ours, theirs = Pipe()
    theirs.close()
    with pytest.raises(WorkerDied, match=r"\(EOFError\)"):
        telling_of_workers(ours.recv_bytes)
    with pytest.raises(WorkerDied, match="No such file"):
        telling_of_workers(lambda: Client("/nowhere/of/a/worker"))


def test_a_signal_in_the_midst_of_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def struck(_: BaseException) -> bool:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr(workers, "_between_processes", struck)
    with pytest.raises(WorkerDied, match="pid 7"):
        telling_of_workers(lambda: fail(ConnectionResetError("Connection reset by peer")))


def test_pytorch_s_signal_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def struck(_: float) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr("time.sleep", struck)
    with pytest.raises(WorkerDied, match="pid 7"):
        telling_of_workers(lambda: Client("/nowhere/of/a/worker"))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError, match="the tracker"):
        telling_of_workers(lambda: fail(ConnectionResetError("the tracker hung up")))
    with pytest.raises(FileNotFoundError):
        telling_of_workers((tmp_path / "none").read_bytes)
    with pytest.raises(RuntimeError, match="size mismatch"):
        telling_of_workers(lambda: fail(RuntimeError("size mismatch")))
    with pytest.raises(DataError, match=r"^no faces$"):
        telling_of_workers(lambda: fail(DataError("no faces")))
