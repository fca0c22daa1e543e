"""One array per image, by key: the only state a metric keeps.

Sums drift with the number of ranks; rows, ordered by key and reduced once, do not. They stay in
memory up to a limit and then go to a temporary file, so that 50,000 feature vectors or a few
gigabytes of patches need no more memory than what is being reduced.
"""

import tempfile
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError

Array = NDArray[Any]


class RowTable:
    """Rows of one shape and dtype, added in any order, taken in the order asked for.

    A key that comes twice is counted once, the first row staying: distributed samplers pad their
    last batches with samples that another rank has already.

    Args:
        memory_bytes: beyond this, rows move to a temporary file (deleted with the table).
    """

    def __init__(self, memory_bytes: int = 64 * 2**20) -> None:
        self._memory_bytes = memory_bytes
        self._positions: dict[str, int] = {}
        self._chunks: list[Array] = []
        self._pending = 0
        self._file: IO[bytes] | None = None
        self._shape: tuple[int, ...] | None = None
        self._dtype: np.dtype[Any] = np.dtype(np.float64)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def keys(self) -> list[str]:
        """All keys, sorted."""
        return sorted(self._positions)

    def add(self, keys: Sequence[str], rows: Array) -> None:
        """Add rows (B, ...) under their keys.

        Raises:
            DataError: as many keys as rows are not there, or the rows differ in shape or dtype from
                the earlier ones.
        """
        if len(keys) != len(rows):
            raise DataError(f"{len(rows)} rows were given for {len(keys)} keys.")
        if not len(keys):
            return
        if self._shape is None:
            self._shape, self._dtype = rows.shape[1:], rows.dtype
        elif (rows.shape[1:], rows.dtype) != (self._shape, self._dtype):
            raise DataError(
                f"The row of {keys[0]!r} is {rows.dtype} {rows.shape[1:]}, the rows before it are "
                f"{self._dtype} {self._shape}; images of one set must have one size here."
            )
        fresh = []
        for index, key in enumerate(keys):
            if key not in self._positions:
                self._positions[key] = len(self._positions)
                fresh.append(index)
        kept = np.ascontiguousarray(rows[fresh])  # a copy: the caller may reuse its buffer
        self._chunks.append(kept)
        self._pending += kept.nbytes
        if self._pending > self._memory_bytes:
            self._spill()

    def take(self, keys: Sequence[str]) -> Array:
        """Rows of these keys, stacked (n, ...) in that order; a copy the caller may change.

        Raises:
            DataError: a key without a row.
        """
        try:
            positions = [self._positions[key] for key in keys]
        except KeyError as error:
            raise DataError(f"There is no row for the image {error.args[0]!r}.") from None
        return np.asarray(self._all()[positions])

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="facesr-rows-")  # noqa: SIM115
        for chunk in self._chunks:
            self._file.write(chunk.tobytes())
        self._file.flush()
        self._chunks, self._pending = [], 0

    def _all(self) -> Array:
        """Rows in order of arrival; a memory map once there is a file."""
        if self._file is not None:
            self._spill()
            shape = (len(self), *(self._shape or ()))
            return np.memmap(self._file, dtype=self._dtype, mode="r", shape=shape)
        if not self._chunks:
            return np.empty((0, *(self._shape or ())), dtype=self._dtype)
        self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0]
