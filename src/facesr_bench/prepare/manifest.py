"""``manifest.parquet``: one row for each image, written last, so that it also says "complete"."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP = 8192
"""Rows converted and written at a time, so that memory does not grow with the data set."""


def schema() -> "pa.Schema":
    """Names and types of the columns.

    ``landmarks`` are x0, y0, x1 ... y4 and ``landmarks_from`` says whether "owner" or "yunet" gave
    them; ``border`` is top, right, bottom, left in pixels of the border image, whose height and width
    are ``border_shape``; ``sha256`` is of key, size and pixels
    (:func:`facesr_bench.images.hash_images`), ``bytes`` the size of the PNG.
    """
    import pyarrow as pa

    return pa.schema(
        [
            ("key", pa.string()),
            ("split", pa.string()),
            ("role", pa.string()),
            ("identity", pa.string()),
            ("attributes", pa.map_(pa.string(), pa.float64())),
            ("landmarks", pa.list_(pa.float32())),
            ("landmarks_from", pa.string()),
            ("domain", pa.string()),
            ("source", pa.string()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("border", pa.list_(pa.int32())),
            ("border_shape", pa.list_(pa.int32())),
            ("sha256", pa.string()),
            ("border_sha256", pa.string()),
            ("bytes", pa.int64()),
        ]
    )


def write_manifest(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows to a Parquet file; the caller renames it into place."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = schema()
    remaining = iter(rows)
    with pq.ParquetWriter(path, columns, compression="zstd") as writer:
        while group := list(islice(remaining, _GROUP)):
            for row in group:
                row["attributes"] = sorted(row["attributes"].items())
            writer.write_table(pa.Table.from_pylist(group, schema=columns))


def read_manifest(path: Path, columns: Sequence[str] | None = None) -> "pa.Table":
    """Read columns of a manifest.

    Raises:
        DataError: it is missing, damaged, or of another layout.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_schema(path)
        lacking = [name for name in columns or schema().names if name not in found.names]
        if lacking:
            raise DataError(
                f"{path} has no column {', '.join(lacking)}: it is not a manifest of facesr-bench "
                "prepare, or one of another version. Prepare the data again into a new folder."
            )
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.") from None
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is damaged ({error}). Delete the folder and prepare the data again."
        ) from error


def points_of(column: Any, width: int, missing: float) -> NDArray[np.float64]:
    """A list column as (rows, width) with ``missing`` where it is null."""
    flat = column.combine_chunks()
    out = np.full((len(flat), width), missing)
    there = np.asarray(flat.is_valid())
    values = np.asarray(flat.flatten(), dtype=np.float64)
    out[there] = values.reshape(int(there.sum()), width)
    return out


def attributes_of(column: Any) -> tuple[list[str], NDArray[np.float32]]:
    """A column of maps as names and a matrix (rows, names), nan where a row has no such attribute."""
    flat = column.combine_chunks()
    encoded = flat.keys.dictionary_encode()
    names = [str(name) for name in encoded.dictionary.to_pylist()]
    matrix = np.full((len(flat), len(names)), np.nan, dtype=np.float32)
    rows = np.repeat(np.arange(len(flat)), np.diff(np.asarray(flat.offsets)))
    matrix[rows, np.asarray(encoded.indices)] = np.asarray(flat.items)
    order = np.argsort(names)
    return [names[i] for i in order], np.ascontiguousarray(matrix[:, order])
