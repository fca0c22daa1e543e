"""Comparing two runs on the same images: is the difference more than chance?

Rows of a table share their test images, so their difference is far surer than their two intervals
suggest. Per-image metrics are paired by resampling people, distances between sets by leaving the same
groups of images out of both. NumPy only: tables and web pages use this without PyTorch.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from facesr_bench.errors import ConfigError
from facesr_bench.metrics.intervals import Intervals, PairedDifference, paired_difference
from facesr_bench.metrics.value import settings_hash


def paired(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    a_images: Mapping[str, float] | None = None,
    b_images: Mapping[str, float] | None = None,
    intervals: Intervals | None = None,
) -> PairedDifference:
    """The difference a - b of one metric in two run records of one protocol.

    Args:
        a: the metric's entry in a record (``record["metrics"][key]``).
        b: the same of the other run.
        a_images: image key to value, from ``per_image.csv``, for metrics that have such a column.
        b_images: the same of the other run.
        intervals: seed, replicates and identities of the bootstrap.

    Raises:
        ConfigError: measured with other settings, over other images, or nothing to pair by.
    """
    if settings_hash(a["settings"]) != settings_hash(b["settings"]):
        raise ConfigError(
            "The two values were measured with other settings (reference set, network, resize ...), "
            "so their difference means nothing. Score both runs with the same metrics again."
        )
    if a_images and b_images:
        return paired_difference(a_images, b_images, intervals or Intervals())
    if a.get("replicates") and b.get("replicates"):
        return _jackknife_difference(a, b)
    raise ConfigError(
        "There is nothing to pair by: neither values of single images nor leave-one-group-out values."
    )


def _jackknife_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> PairedDifference:
    """Distances: the same groups were left out of both, so replicates are subtracted one by one."""
    if a["n"] != b["n"] or len(a["replicates"]) != len(b["replicates"]):
        raise ConfigError(f"Sets of {a['n']} and {b['n']} images cannot be paired.")
    value = float(a["value"] - b["value"])
    differences = np.subtract(a["replicates"], b["replicates"])
    groups = len(differences)
    spread = float(np.sum((differences - differences.mean()) ** 2))
    se = math.sqrt((groups - 1) / groups * spread)
    if se == 0.0:
        return PairedDifference(value, (value, value), 1.0 if value == 0.0 else 0.0, int(a["n"]))
    p = math.erfc(abs(value) / se / math.sqrt(2.0))
    return PairedDifference(value, (value - 1.96 * se, value + 1.96 * se), p, int(a["n"]))
