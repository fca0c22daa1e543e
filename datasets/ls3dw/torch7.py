"""The one kind of Torch 7 file LS3D-W has: a matrix of floats or doubles, little endian.

A file is an object: i32 type (4, a Torch class), i32 index, the strings "V 1" and class name, then the
class's own: a tensor has i32 dimensions, i64 sizes, i64 strides, i64 offset (from 1), and an object of
its own, the storage: i64 length and the raw numbers. Strings are an i32 length and ASCII.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError

_KINDS = {"Float": "<f4", "Double": "<f8"}
_MAX_NUMBERS = 1 << 20
"""Landmarks are 136 numbers; whatever claims more than this is not landmarks."""


def read_matrix(content: bytes, where: str) -> NDArray[np.float64]:
    """The matrix in a .t7 file, as float64.

    Raises:
        DataError: anything else than one matrix of floats or doubles, or a file cut short.
    """
    reader = _Reader(content, where)
    kind = reader.head(1, "Tensor")
    dimensions = reader.integer("<i")
    if dimensions != 2:
        raise reader.error(f"holds a tensor of {dimensions} dimensions, not a matrix")
    sizes = [reader.integer("<q") for _ in range(2)]
    strides = [reader.integer("<q") for _ in range(2)]
    offset = reader.integer("<q")
    if reader.head(2, "Storage") != kind:
        raise reader.error("holds a tensor and a storage of different types")
    length = reader.integer("<q")
    if not 0 < length <= _MAX_NUMBERS:
        raise reader.error(f"claims {length} numbers")
    dtype: np.dtype[np.floating] = np.dtype(_KINDS[kind])
    numbers = np.frombuffer(reader.take(length * dtype.itemsize), dtype)
    if min(sizes) < 1 or min(strides) < 1 or offset < 1:
        raise reader.error(f"has sizes {sizes}, strides {strides} and offset {offset}")
    if offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True)) > length:
        raise reader.error(f"needs more than its {length} numbers for a matrix of {sizes}")
    # Within the storage, as just made sure, so indexing cannot run out of it.
    rows, columns = np.ogrid[: sizes[0], : sizes[1]]
    matrix: NDArray[np.float64] = numbers[
        offset - 1 + rows * strides[0] + columns * strides[1]
    ].astype(np.float64)
    return matrix


class _Reader:
    def __init__(self, content: bytes, where: str) -> None:
        self._content, self._where, self._at = content, where, 0

    def error(self, what: str) -> DataError:
        return DataError(
            f"{self._where} {what}; it should be a Torch 7 file of landmarks. Get it again from the "
            "owner."
        )

    def take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._content):
            raise self.error(f"is cut short or damaged after {len(self._content)} bytes")
        self._at += count
        return self._content[self._at - count : self._at]

    def integer(self, kind: str) -> int:
        return int(struct.unpack(kind, self.take(struct.calcsize(kind)))[0])

    def string(self) -> str:
        return self.take(self.integer("<i")).decode("ascii", "replace")

    def head(self, index: int, what: str) -> str:
        """Read an object's head, whose class is torch.FloatWHAT or torch.DoubleWHAT."""
        tag, found = self.integer("<i"), self.integer("<i")
        if (tag, found) != (4, index):
            raise self.error(f"begins an object with {tag}, {found} instead of 4, {index}")
        version, name = self.string(), self.string()
        kinds = {f"torch.{kind}{what}": kind for kind in _KINDS}
        if version != "V 1" or name not in kinds:
            raise self.error(f"holds {name[:40]!r} ({version[:10]!r}), not {' or '.join(kinds)}")
        return kinds[name]
