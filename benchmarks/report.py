"""What a benchmark found, as a row of the common table: ``make bench`` collects them."""

import json
import os
from pathlib import Path

VARIABLE = "FACESR_BENCH_ROWS"
"""Names the file that rows are appended to; where it is not set, :func:`note` does nothing."""


def note(
    what: str, unit: str, ours: float, baseline: float | None = None, ratio: float | None = None
) -> None:
    """Add a row.

    Args:
        what: was measured, with everything that tells it from other rows.
        unit: of ``ours`` and ``baseline``.
        ours: the measurement.
        baseline: what it is compared with, measured in the same process.
        ratio: ours to baseline, above 1 where ours is better; it travels between machines.
    """
    path = os.environ.get(VARIABLE)
    if path is None:
        return
    row = {"what": what, "unit": unit, "ours": ours, "baseline": baseline, "ratio": ratio}
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
