"""``losses/metrics.csv``: losses against images seen, one row a line of the log.

Lightning's CSV logger deletes the file when a run is resumed; this one goes on in it.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from facesr_bench.images import write_atomically

STEP = "step"
"""The column that counts images seen."""


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


class LossTable(Logger):
    """A Lightning logger that appends to a CSV file.

    Rows from the first new step on are dropped at the first write: an attempt that was killed may have
    got further than the checkpoint that is resumed.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = Path(path)
        self._columns: list[str] = []
        self._opened = False

    @property
    def name(self) -> str:
        """Lightning asks for it."""
        return "losses"

    @property
    def version(self) -> int:
        """Likewise."""
        return 0

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run's ``config.yaml`` has them all."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write one row."""
        row = {STEP: str(step), **{name: _text(value) for name, value in metrics.items()}}
        if not self._opened:
            self._opened = True
            self._rewrite([r for r in self._read() if int(r[STEP]) < int(step or 0)])
        if set(row) - set(self._columns):
            rows = self._read()
            self._columns = [STEP, *sorted({*self._columns, *row} - {STEP})]
            self._rewrite(rows)
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns, restval="").writerow(row)

    def _read(self) -> list[dict[str, str]]:
        """Whole rows of the file; a last line that a kill cut short is left out."""
        if not self._path.is_file():
            return []
        with self._path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = [
                row for row in reader if None not in row.values() and row.get(STEP, "").isdigit()
            ]
            self._columns = self._columns or list(reader.fieldnames or ())
        return rows

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, self._columns, restval="")
        if self._columns:
            writer.writeheader()
            writer.writerows(rows)
        write_atomically(self._path, buffer.getvalue().encode())
