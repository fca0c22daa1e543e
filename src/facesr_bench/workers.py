"""What goes wrong in a process that loads training images, told in a sentence."""

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from facesr_bench.errors import FaceSRError, WorkerDied

CONNECTIONS = ("multiprocessing.connection", "multiprocessing.reduction")
"""Modules of Python through which processes hand images to each other; nothing else here uses them."""

SIGNAL_SECONDS = 1.0
"""How long the signal of a dead process is waited for; it ends the waiting, so this is seldom spent."""


def telling_of_workers(fit: Callable[[], object]) -> None:
    """Run ``fit`` and translate PyTorch's and Python's words about the processes that load its images.

    Raises:
        WorkerDied: one of them was killed or crashed.
        FaceSRError: what one of them raised on purpose, without the worker's traceback around it.
    """
    try:
        with _translated():
            fit()
    except RuntimeError as error:  # PyTorch's signal, which can strike while the above is at work
        if not _is_the_signal(error):
            raise
        raise _died(error) from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FaceSRError as error:
        said = str(error)
        if "in DataLoader worker process" not in said:
            raise
        raise type(error)(said.rpartition(f".{type(error).__name__}: ")[2].strip()) from error
    except (OSError, EOFError) as error:  # a connection broke before PyTorch saw the process go
        if not _between_processes(error):
            raise
        raise _died(_last_word(error)) from error


def _is_the_signal(error: RuntimeError) -> bool:
    return str(error).startswith("DataLoader worker")


def _between_processes(error: BaseException) -> bool:
    """Whether it was raised where a process hands over images, here or in PyTorch's pinning thread."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return "in pin memory thread" in str(error) or any(
        frame.f_globals.get("__name__") in CONNECTIONS for frame in frames
    )


def _last_word(error: BaseException) -> BaseException:
    """What PyTorch says of the death: raised by a signal, which must not strike later, elsewhere."""
    try:
        time.sleep(SIGNAL_SECONDS)
    except RuntimeError as said:
        return said
    return error


def _died(error: BaseException) -> WorkerDied:
    said = str(error).strip().rstrip(".") or type(error).__name__
    return WorkerDied(
        f"A process that loads training images died ({said}), most often for want of memory. Fewer of "
        "them need less: data.num_workers=1, or 0 to load in the training process."
    )
