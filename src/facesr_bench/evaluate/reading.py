"""Reading images ahead of who needs them, in as little memory for a million as for a hundred."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from facesr_bench.console import progress_bar
from facesr_bench.errors import DataError
from facesr_bench.images import Size, UInt8Image, hash_images, read_rgb
from facesr_bench.protocol import canonical_hash

Item = TypeVar("Item")
Found = TypeVar("Found")


def read_ahead(
    read: Callable[[Item], Found], items: Iterable[Item], ahead: int = 32
) -> Iterator[Found]:
    """``map`` in threads, in order, that is never more than ``ahead`` results in front."""
    pool = ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1)))
    waiting: deque[Future[Found]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also when the reader stops half-way
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass
class Inspected:
    """One folder's images after every one of them was decoded once.

    Attributes:
        digest: sha256 over all of them as run records have it; meaningless with ``problems``.
        sizes: height and width of those that can be read.
        problems: file to what is wrong with it, as the rest of a sentence.
        transparent: how many have an alpha channel, which is dropped.
    """

    digest: str = ""
    sizes: dict[str, Size] = field(default_factory=dict)
    problems: dict[Path, str] = field(default_factory=dict)
    transparent: int = 0


def inspect(files: Sequence[tuple[str, Path]], bar: Any, *, each: bool = False) -> Inspected:
    """Decode, measure and hash the images of one folder.

    Args:
        files: key and file, in key order.
        bar: a progress bar, moved by one for each image.
        each: hash the images' hashes, as records do for HR, instead of one stream.
    """
    found = Inspected()

    def images() -> Iterator[tuple[str, UInt8Image]]:
        looks = read_ahead(_look, (path for _, path in files))
        for (key, path), look in zip(files, looks, strict=True):
            bar.update()
            if isinstance(look, str):
                found.problems[path] = look
                continue
            image, transparent = look
            found.sizes[key] = (image.shape[0], image.shape[1])
            found.transparent += transparent
            yield key, image

    if each:
        found.digest = canonical_hash([hash_images([item]) for item in images()])
    else:
        found.digest = hash_images(images())
    return found


def _look(path: Path) -> tuple[UInt8Image, bool] | str:
    # The folder data set knows how files from anywhere are broken, and says it in a user's words.
    from facesr_bench.headers import read_header

    try:
        header = read_header(path)
    except DataError as error:
        return str(error)
    try:
        return read_rgb(path), header.alpha
    except DataError as error:
        return f"cannot be decoded ({error.__cause__ or error})"


@contextmanager
def progress(what: str, images: int) -> Iterator[Any]:
    """A progress bar that is closed whatever happens."""
    bar = progress_bar(what, images)
    try:
        yield bar
    finally:
        bar.close()
