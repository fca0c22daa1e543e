"""Packs: all images of one size as one uncompressed array on disk, which any process can map.

A mapped pack costs no decoding and no memory of its own: pages are the system's cache, shared by all
that read them. ``numpy.load(path, mmap_mode="r")`` opens it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image

PackChoice = Literal["auto", "yes", "no"]
BORDER = "border"
MOST_SIZES = 8
"""Images of more sizes than this are not packed: LR kept at its own odd sizes is not trained on."""
LARGEST_SIDE = 384
LARGEST_BYTES = 8_000_000_000
"""What "auto" packs: beyond these, decoding is not what a training waits for, or the disk is."""


@dataclass(frozen=True)
class Pack:
    """One pack.

    Attributes:
        file: its name in the prepared folder.
        rows: the images' positions in the manifest, ascending; row i of the pack is ``rows[i]``.
        height, width: of every image in it.
    """

    file: str
    rows: Sequence[int]
    height: int
    width: int

    @property
    def bordered(self) -> bool:
        """Whether it holds the images with their borders."""
        return self.file.startswith(BORDER)

    @property
    def bytes(self) -> int:
        """Size of its pixels."""
        return len(self.rows) * self.height * self.width * 3

    def wanted(self, choice: PackChoice) -> bool:
        """Whether it is to be written."""
        small = max(self.height, self.width) <= LARGEST_SIDE and self.bytes <= LARGEST_BYTES
        return choice == "yes" or (choice == "auto" and small)


def packs_of(images: Iterable[tuple[int, int, Sequence[int] | None]]) -> list[Pack]:
    """The packs a folder can have: ``pack.npy`` where all images have one size, else one for each size.

    ``border.npy``, or ``border-HEIGHTxWIDTH.npy``, hold the images with their borders.

    Args:
        images: height and width of each, and those of its border image, or None, in the order of the
            manifest.
    """
    inside: dict[tuple[int, int], list[int]] = {}
    around: dict[tuple[int, int], list[int]] = {}
    for row, (height, width, wide) in enumerate(images):
        inside.setdefault((height, width), []).append(row)
        if wide is not None:
            around.setdefault((wide[0], wide[1]), []).append(row)
    return _named("pack", inside) + _named(BORDER, around)


def _named(stem: str, rows: Mapping[tuple[int, int], list[int]]) -> list[Pack]:
    if len(rows) > MOST_SIZES:
        return []
    files = {shape: stem if len(rows) == 1 else f"{stem}-{shape[0]}x{shape[1]}" for shape in rows}
    return [Pack(f"{files[shape]}.npy", rows[shape], *shape) for shape in rows]


def write_pack(
    path: Path,
    pack: Pack,
    read: Callable[[int], UInt8Image],
    pool: Executor,
    step: Callable[[], Any],
) -> None:
    """Write a pack from front to back; the caller renames it into place.

    Not through a map: there a full disk is no error but a signal that ends the process.

    Args:
        path: the file to write.
        pack: what it holds.
        read: image by its row in the manifest; called in the pool's threads.
        pool: does the reading.
        step: called after each image.
    """
    shape = (len(pack.rows), pack.height, pack.width, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    # Images in flight: a few megabytes, whatever the pack's length and the images' size.
    chunk = min(256, max(16, (32 << 20) // (pack.height * pack.width * 3)))
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(pack.rows), chunk):
            for image in pool.map(read, pack.rows[first : first + chunk]):
                file.write(np.ascontiguousarray(image).data)
                step()


def open_pack(path: Path, pack: Pack) -> NDArray[np.uint8]:
    """Map a pack for reading.

    Raises:
        DataError: it is missing, damaged, or does not fit the manifest.
    """
    expected = (len(pack.rows), pack.height, pack.width, 3)
    again = "Delete the folder and prepare the data again."
    try:
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path} is missing, though the manifest counts on it. {again}") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged ({error}). {again}") from error
    if array.shape != expected or array.dtype != np.uint8:
        raise DataError(
            f"{path} holds {array.dtype} {array.shape}, but the manifest says uint8 {expected}: one of "
            f"the two was changed. {again}"
        )
    return array


@contextmanager
def replacing(path: Path, work: Path) -> Iterator[Path]:
    """A place to write a file to that appears under its name only when it is whole."""
    temporary = work / f"new-{path.name}"
    yield temporary
    temporary.replace(path)
