"""Putting scores of today into a record of yesterday."""

import copy
import logging
import math
from collections.abc import Mapping
from typing import Any

from facesr_bench.metrics.scores import Scores
from facesr_bench.metrics.value import settings_hash

log = logging.getLogger(__name__)

_TOLERANCE = 1e-6


def merge_record(
    record: Mapping[str, Any], scores: Scores, names: set[str], note: Mapping[str, Any]
) -> dict[str, Any]:
    """A copy of the record with the new scores in it.

    A new value replaces the old one of its key. A metric that has a value is no longer listed as
    skipped or failed. One that failed today keeps the value it had: the inputs are the same, so the
    old number is still true, and the note tells of the failure.

    Args:
        record: of the run.
        scores: of the same images.
        names: what was asked for: labels, and the keys the metrics go by before they see images.
        note: appended to ``rescored``.
    """
    merged = copy.deepcopy(dict(record))
    fresh = {key: value.to_json() for key, value in scores.values.items()}
    for key, new in fresh.items():
        if key in merged["metrics"]:
            _compare(key, merged["metrics"][key], new)
    merged["metrics"] = {**merged["metrics"], **fresh}
    settled = names | set(fresh) | set(scores.skipped) | set(scores.failed)
    for field, today in (
        ("metrics_skipped", scores.skipped),
        ("metrics_failed", scores.failed),
    ):
        before = {k: v for k, v in (merged.get(field) or {}).items() if k not in settled}
        merged[field] = before | {k: v for k, v in today.items() if k not in merged["metrics"]}
    merged["rescored"] = [*(merged.get("rescored") or []), dict(note)]
    return merged


def _compare(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Say it when a number moved although nothing it depends on did."""
    same = settings_hash(old.get("settings", {})) == settings_hash(new["settings"])
    if not same:
        log.warning(
            "%s is measured with other settings than before; the old value is replaced.", key
        )
    elif not math.isclose(old["value"], new["value"], rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        log.warning(
            "%s was %.8g and is %.8g now, of the same images with the same settings: another "
            "version of a library, or another device (see rescored in result.json).",
            key, old["value"], new["value"],
        )  # fmt: skip
