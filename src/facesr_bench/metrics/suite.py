"""The metrics of a run together: fed batch by batch, finished once, none able to spoil another."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from facesr_bench.errors import ConfigError, DataError, FaceSRError, NotComputed, RunInterrupted
from facesr_bench.metrics.base import Expected, FaceMetric, ScoreBatch
from facesr_bench.metrics.building import build_measures
from facesr_bench.metrics.gather import Gathering
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.lr_consistency import Downsample
from facesr_bench.metrics.rows import RowTable
from facesr_bench.metrics.scores import PerImage, Scores
from facesr_bench.metrics.value import MetricValue, settings_hash

_NAMES = {"hr": "HR images", "lr": "LR images"}


class MetricSuite:
    """Scores one set of images with several metrics.

    Args:
        metrics: at most one for each name.
        seed: of the intervals.
        replicates: of the bootstrap.
        not_computed: what was asked for but left out, name to reason; told beside the scores.

    Raises:
        ConfigError: two metrics yield the same name.
    """

    def __init__(
        self,
        metrics: Iterable[FaceMetric],
        seed: int = 2020,
        replicates: int = 10_000,
        not_computed: Mapping[str, str] | None = None,
    ) -> None:
        self.metrics = list(metrics)
        self.seed = seed
        self.replicates = replicates
        self.not_computed = dict(not_computed or {})
        names = [name for metric in self.metrics for name in metric.keys]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"The metric {twice[0]!r} is asked for twice; drop one of them.")
        self._forget()

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        set_name: str,
        downsample: Downsample | None = None,
        operator: Mapping[str, Any] | None = None,
    ) -> "MetricSuite":
        """Build the suite of one ``conf/metrics/*.yaml``; see :mod:`facesr_bench.metrics.building`.

        Args:
            config: the ``metrics`` group.
            set_name: what follows "@" in the names of distances between sets.
            downsample: ``Degradation.downsample`` of the protocol; it may return None.
            operator: ``Degradation.settings()``, which say what ``downsample`` is.

        Raises:
            ConfigError: a measure that cannot be built, named.
            MissingRequirement: weights or packages that are not there, all in one message.
        """
        seed = int(config["seed"])
        given = {
            "set_name": set_name,
            "downsample": downsample,
            "operator": operator,
            "seed": seed,
            "allow_small": bool(config.get("allow_small", False)),
        }
        built, left_out = build_measures(config, given)
        return cls(built, seed, not_computed=left_out)

    def to(self, device: torch.device) -> "MetricSuite":
        """Move the metrics' networks."""
        for metric in self.metrics:
            metric.to(device)
        return self

    def score(self, batches: Iterable[ScoreBatch], expected: Expected | None = None) -> Scores:
        """Score this rank's images and put the ranks together; every rank gets all values."""
        if expected is not None:
            self.expect(expected)
        for batch in batches:
            self.update(batch)
        return self.finish()

    def expect(self, expected: Expected) -> None:
        """Let metrics that could say nothing about such a set step aside before any work."""
        for index, metric in enumerate(self.metrics):
            try:
                metric.expect(expected)
            except NotComputed as error:
                self._refused[index] = str(error)

    def update(self, batch: ScoreBatch) -> None:
        """Score one batch. A metric that breaks is noted and left out from then on."""
        identities = zip(batch.keys, batch.identities, strict=True)
        self._seen.update((key, identity) for key, identity in identities)
        for index, metric in enumerate(self.metrics):
            missing = metric.needs - batch.present
            if missing:
                lacking = ", ".join(_NAMES[need] for need in sorted(missing))
                self._refused[index] = f"needs {lacking}, which this set lacks"
            elif index not in self._broken | self._refused and len(batch.keys):
                try:
                    metric.update(batch)
                except NotComputed as error:
                    self._refused[index] = str(error)
                    metric.reset()
                except RunInterrupted:
                    raise
                except Exception as error:
                    self._broken[index] = _sentence(error)
                    metric.reset()

    def finish(self) -> Scores:
        """Gather, reduce, and forget, so that the suite can score the next set.

        Collective: with torch.distributed, every rank calls it, also one without images.
        """
        gathering = Gathering()
        try:
            seen, refused, broken = _merge(gathering, (self._seen, self._refused, self._broken))
            for index, metric in enumerate(self.metrics):
                out = index in broken or index in refused
                kinds = gathering.everyone([] if out else sorted(metric.rows()))
                names = sorted({name for kind in kinds for name in kind})
                metric.load_rows(_assemble(gathering, metric, names, index, broken))
            return gathering.from_first(lambda: self._reduce(seen, refused, broken))
        finally:
            gathering.close()
            for metric in self.metrics:
                metric.reset()
            self._forget()

    def _reduce(
        self, seen: dict[str, str | None], refused: dict[int, str], broken: dict[int, str]
    ) -> Scores:
        identities = {key: identity for key, identity in seen.items() if identity is not None}
        intervals = Intervals(seed=self.seed, replicates=self.replicates, identities=identities)
        scores = Scores(images=len(seen))
        scores.skipped.update(self.not_computed)
        for index, metric in enumerate(self.metrics):
            if index in broken:
                scores.failed.update(dict.fromkeys(metric.keys, broken[index]))
            elif index in refused:
                scores.skipped.update(dict.fromkeys(metric.keys, refused[index]))
            elif not any(len(table) for table in metric.rows().values()):
                scores.skipped.update(dict.fromkeys(metric.keys, "no images came"))
            else:
                _finish_one(metric, intervals, scores)
        return scores

    def _forget(self) -> None:
        self._seen: dict[str, str | None] = {}
        self._refused: dict[int, str] = {}
        self._broken: dict[int, str] = {}


def _assemble(
    gathering: Gathering, metric: FaceMetric, names: list[str], index: int, broken: dict[int, str]
) -> dict[str, RowTable]:
    """A metric's rows of all ranks; every rank goes through the same names in the same order."""
    tables: dict[str, RowTable] = {}
    for name in names:
        try:
            tables[name] = gathering.table(metric.rows().get(name))
        except DataError as error:  # shards that do not fit; the other ranks wait for the next name
            broken[index] = str(error)
    return tables


def _finish_one(metric: FaceMetric, intervals: Intervals, scores: Scores) -> None:
    """Reduce one metric into the scores; what breaks becomes a sentence under its names."""
    names = metric.keys
    try:
        values = metric.results(intervals)
        for name, value in values.items():
            _check(name, value)
        columns: PerImage = metric.per_image()
    except RunInterrupted:
        raise
    except NotComputed as error:
        scores.skipped.update(dict.fromkeys(names, str(error)))
    except Exception as error:
        scores.failed.update(dict.fromkeys(names, _sentence(error)))
    else:
        scores.values.update(values)
        scores.per_image.update(columns)
        scores.skipped.update(metric.omitted())


def _check(name: str, value: MetricValue) -> None:
    """Refuse here what the record could not be written with, so that it costs one metric alone."""
    low, high = value.ci95 or (None, None)
    for what, number in (
        ("value", value.value),
        ("floor", value.floor),
        ("spread", value.spread),
        ("standard error", value.se),
        ("lower end of the interval", low),
        ("upper end of the interval", high),
    ):
        if number is not None and not math.isfinite(number):
            raise DataError(f"The {what} of {name} came out as {number}, which is no result.")
    try:
        settings_hash(value.settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The settings of {name} are not plain JSON values ({error}).") from error


def _merge(
    gathering: Gathering,
    own: tuple[dict[str, str | None], dict[int, str], dict[int, str]],
) -> tuple[dict[str, str | None], dict[int, str], dict[int, str]]:
    """What the ranks saw, refused and broke; for a key or metric twice, the lowest rank's word."""
    seen: dict[str, str | None] = {}
    refused: dict[int, str] = {}
    broken: dict[int, str] = {}
    for rank_seen, rank_refused, rank_broken in reversed(gathering.everyone(own)):
        seen.update(rank_seen)
        refused.update(rank_refused)
        broken.update(rank_broken)
    return seen, refused, broken


def _sentence(error: Exception) -> str:
    if isinstance(error, FaceSRError):
        return str(error)
    return f"{type(error).__name__}: {error} (a bug of the metric; please report it)"
