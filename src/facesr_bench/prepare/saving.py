"""One sentence for every file that cannot be written: full disks, quotas, disks that went away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facesr_bench.errors import FaceSRError


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Around whatever writes below a folder.

    Not a DataError: those of single images are collected, and a full disk is none of an image.

    Args:
        path: what is written, for the message.

    Raises:
        FaceSRError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise FaceSRError(
            f"{path} cannot be written ({error}). What is finished stays; once that is put right, the "
            "same command goes on where it stopped."
        ) from error
