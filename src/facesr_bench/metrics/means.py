"""The mean of per-image scores, for metrics that make their scores only when all rows are there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import NotComputed
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.value import MetricValue


def mean_value(
    keys: Sequence[str],
    scores: NDArray[np.float64],
    intervals: Intervals,
    settings: dict[str, Any],
    higher_is_better: bool = True,
    perfect: NDArray[np.float64] | None = None,
) -> MetricValue:
    """Mean over the images with a finite score, with its bootstrap interval.

    Args:
        keys: sorted keys of the images (n).
        scores: (n,); nan where an image could not be scored.
        intervals: how the interval is made.
        settings: of this value.
        higher_is_better: its direction.
        perfect: (n,) what SR equal to HR would score; its mean is told beside the value.

    Raises:
        NotComputed: no image could be scored.
    """
    counted = scores[np.isfinite(scores)]
    if not len(counted):
        raise NotComputed(f"none of the {len(keys)} images could be scored")
    best = np.empty(0) if perfect is None else perfect[np.isfinite(perfect)]
    value = MetricValue(
        value=float(np.mean(counted)),
        higher_is_better=higher_is_better,
        n=len(counted),
        settings=settings,
        floor=float(np.mean(best)) if len(best) else None,
        per_image=True,
        not_scored=len(keys) - len(counted),
    )
    return value.within(intervals.mean(keys, scores))
