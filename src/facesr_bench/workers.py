"""What goes wrong in a process that loads training images, told in a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from facesr_bench.errors import FaceSRError, WorkerDied


@contextmanager
def worker_errors() -> Iterator[None]:
    """Translate PyTorch's words about its workers.

    Raises:
        WorkerDied: one of them was killed or crashed.
        FaceSRError: what one of them raised on purpose, without the worker's traceback around it.
    """
    try:
        yield
    except FaceSRError as error:
        said = str(error)
        if "in DataLoader worker process" not in said:
            raise
        raise type(error)(said.rpartition(f".{type(error).__name__}: ")[2].strip()) from error
    except RuntimeError as error:
        said = str(error)
        if not said.startswith("DataLoader worker"):
            raise
        raise WorkerDied(
            f"A process that loads training images died ({said.strip().rstrip('.')}), most often for "
            "want of memory. Fewer of them need less: data.num_workers=1, or 0 to load in the training "
            "process."
        ) from error
