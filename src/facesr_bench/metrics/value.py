"""What a metric hands over: a number with everything needed to trust or refuse it."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from facesr_bench.metrics.intervals import Interval, IntervalKind


def settings_hash(settings: dict[str, Any]) -> str:
    """First 12 hex digits of sha256 over the canonical JSON of a metric's settings.

    Cells of a table share a column only when this hash is the same.
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class MetricValue:
    """One finished metric.

    Attributes:
        value: always finite.
        higher_is_better: the direction of the column.
        n: images behind it.
        settings: everything besides the images that the value depends on, as plain JSON.
        ci95: lower and upper end of the 95 % interval; None with too few images.
        ci_kind: how the interval was made; None exactly when ``ci95`` is.
        ci_units: what was resampled, "people" or "images", and how many ("200 people").
        se: standard error from the same replicates.
        floor_is: how the floor was found, in words; not among the settings, since the value does not
            depend on it.
        floor: what a perfect method would score: the distance of unseen real faces (FID, KID, FD), HR's
            own (SWD, NIQE, detection, landmarks, ``-other``).
        per_image: whether the per-image table has a column for it.
        not_scored: images that could not be scored (flat, no face found) and are not in the value.
        spread: standard deviation over subsets (KID); no interval.
        replicates: leave-one-group-out values of a jackknife, so that two runs can be paired later.
    """

    value: float
    higher_is_better: bool
    n: int
    settings: dict[str, Any]
    ci95: tuple[float, float] | None = None
    ci_kind: IntervalKind | None = None
    se: float | None = None
    ci_units: str | None = None
    floor: float | None = None
    floor_is: str | None = None
    per_image: bool = False
    not_scored: int = 0
    spread: float | None = None
    replicates: tuple[float, ...] | None = None

    def within(self, interval: Interval | None) -> "MetricValue":
        """The same value with its interval, where one could be made."""
        if interval is None:
            return self
        return replace(
            self,
            ci95=interval.ci95,
            ci_kind=interval.kind,
            se=interval.se,
            ci_units=interval.units,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the last four attributes only where there is something to say."""
        record: dict[str, Any] = {
            "value": self.value,
            "ci95": None if self.ci95 is None else list(self.ci95),
            "ci_kind": self.ci_kind,
            "se": self.se,
            "ci_units": self.ci_units,
            "higher_is_better": self.higher_is_better,
            "n": self.n,
            "per_image": self.per_image,
            "settings": self.settings,
            "settings_hash": settings_hash(self.settings),
        }
        if self.floor is not None:
            record["floor"] = self.floor
            if self.floor_is is not None:
                record["floor_is"] = self.floor_is
        if self.not_scored:
            record["not_scored"] = self.not_scored
        if self.spread is not None:
            record["spread"] = self.spread
        if self.replicates is not None:
            record["replicates"] = list(self.replicates)
        return record
