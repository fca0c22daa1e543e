"""All runs of one protocol side by side: columns as in the table, images as in the test set."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.leaderboard.columns import Column, columns_of
from facesr_bench.leaderboard.model import Table
from facesr_bench.leaderboard.page.runs import Run
from facesr_bench.leaderboard.run_tables import run_tables

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Board:
    """One protocol.

    Attributes:
        runs: its rows, oldest first.
        columns: its metrics; a metric measured in two ways is two columns.
        table: what every view shows of them: a row for each run, a head for each column.
    """

    runs: Sequence[Run]
    columns: Sequence[Column]
    table: Table

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Board":
        """Columns and table follow from the records."""
        (table,) = run_tables([(run.folder, run.record) for run in runs])
        return cls(runs, columns_of([run.record for run in runs]), table)

    @property
    def protocol(self) -> Mapping[str, Any]:
        """Name, version and hash, which all runs share."""
        protocol: Mapping[str, Any] = self.runs[0].record["protocol"]
        return protocol

    @property
    def images(self) -> int:
        """Test images, as the records say."""
        return int(self.runs[0].record["n_images"])

    @cached_property
    def keys(self) -> list[str]:
        """Images any run has a score of, sorted."""
        return sorted(
            {key for run in self.runs for scores in run.per_image.values() for key in scores}
        )

    @cached_property
    def identities(self) -> dict[str, str]:
        """Image key to person, from whichever run knows."""
        return {key: person for run in self.runs for key, person in run.identities.items()}

    def titles(self) -> list[str]:
        """Names of the columns; the settings' hash tells two of one metric apart."""
        return [head.name for head in self.table.heads]

    @cached_property
    def scores(self) -> dict[int, Floats]:
        """Number of a column to every image's score, (runs, keys); nan where there is none.

        Columns without a single score of an image, such as distances between sets, are left out. A
        run's scores belong to the column its own settings chose.
        """
        found = {}
        for number, column in enumerate(self.columns):
            table = np.full((len(self.runs), len(self.keys)), np.nan)
            for row, run in enumerate(self.runs):
                single = run.per_image.get(column.key)
                if single and column.cells[row] is not None:
                    table[row] = [single.get(key, np.nan) for key in self.keys]
            table[~np.isfinite(table)] = np.nan
            if np.isfinite(table).any():
                found[number] = table
        return found

    def sample(self, most: int) -> list[int]:
        """Positions of at most so many keys, the first by sha256: nobody's choice; in key order."""
        if len(self.keys) <= most:
            return list(range(len(self.keys)))
        digests = [hashlib.sha256(key.encode()).digest() for key in self.keys]
        return sorted(sorted(range(len(self.keys)), key=digests.__getitem__)[:most])
