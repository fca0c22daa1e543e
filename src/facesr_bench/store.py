"""The SR store: what a method made, as lossless 8-bit PNG, and nothing else.

Metrics read exactly these values, so a finished run can be scored again without model or GPU, and a
metric that crashes never costs the images.
"""

import re
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image, encode_png, hash_images, read_rgb, write_atomically

_SAFE = "/-_.~ ()+,=@"

_TEMPORARY = re.compile(r"\.(?P<target>.*\.png|.{80})\.[a-z0-9_]{8}")
"""What :func:`write_atomically` calls a file until it is whole; long names are cut at 80 characters."""


class SRStore:
    """The folder ``sr/`` of a run; images are named by their key.

    Args:
        root: the folder; made on the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Where the SR image of a key lies: the key, percent-encoded, plus ".png"."""
        return self.root / (urllib.parse.quote(key, safe=_SAFE) + ".png")

    def write(self, keys: Sequence[str], images: NDArray[np.uint8]) -> None:
        """Write a batch, uint8 (B, H, W, 3)."""
        for key, image in zip(keys, images, strict=True):
            write_atomically(self.path(key), encode_png(image))

    def read(self, key: str) -> UInt8Image:
        """Read one image back.

        Raises:
            DataError: it is missing or damaged; the message names the file.
        """
        return read_rgb(self.path(key), orientation="stored")

    def items(self, keys: Sequence[str]) -> Iterator[tuple[str, UInt8Image]]:
        """Key and image, in the order of ``keys``."""
        for key in keys:
            yield key, self.read(key)

    def hash(self, keys: Sequence[str]) -> str:
        """One hash over all images, which must all be there."""
        missing = [key for key in keys if not self.path(key).is_file()]
        if missing:
            raise DataError(
                f"{self.root} lacks the SR images of {len(missing)} of {len(keys)} keys, the first "
                f"is {missing[0]!r}. Run the test stage again."
            )
        return hash_images(self.items(sorted(keys)))

    def size_bytes(self, keys: Sequence[str]) -> int:
        """Bytes on disk of the images of these keys."""
        return sum(self.path(key).stat().st_size for key in keys)

    def sweep(self, keep: Iterable[str], written_now: Iterable[str]) -> None:
        """Delete images of other keys than these, and what killed writers left half-done.

        Args:
            keep: keys whose images stay.
            written_now: keys other processes may be writing: their temporary files stay.
        """
        images = {self.path(key) for key in keep}
        busy = {(path.parent, path.name[:80]) for path in map(self.path, written_now)}
        for path in self.root.rglob("*"):
            temporary = _TEMPORARY.fullmatch(path.name)
            if temporary is not None:
                stale = (path.parent, temporary["target"]) not in busy
            else:
                stale = path.suffix == ".png" and path not in images
            if stale and path.is_file():
                path.unlink(missing_ok=True)

    def drop(self, keys: Sequence[str]) -> None:
        """Delete the images of these keys (``keep_sr=false``)."""
        for key in keys:
            self.path(key).unlink(missing_ok=True)
        folders = sorted((p for p in self.root.rglob("*") if p.is_dir()), reverse=True)
        for folder in [*folders, self.root]:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
