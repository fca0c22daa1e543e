"""The metrics of a run together: fed batch by batch, finished once, none able to spoil another."""

import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any

from facesr_bench.errors import ConfigError, DataError, FaceSRError
from facesr_bench.metrics.base import FaceMetric, ScoreBatch
from facesr_bench.metrics.gather import Gathering
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.lr_consistency import Downsample
from facesr_bench.metrics.rows import RowTable
from facesr_bench.metrics.scores import PerImage, Scores
from facesr_bench.metrics.value import MetricValue

_NAMES = {"hr": "HR images", "lr": "LR images"}


class MetricSuite:
    """Scores one set of images with several metrics.

    Args:
        metrics: at most one for each name.
        seed: of the intervals.
        replicates: of the bootstrap.

    Raises:
        ConfigError: two metrics yield the same name.
    """

    def __init__(
        self, metrics: Iterable[FaceMetric], seed: int = 2020, replicates: int = 10_000
    ) -> None:
        self.metrics = list(metrics)
        self.seed = seed
        self.replicates = replicates
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
    ) -> "MetricSuite":
        """Build the suite of one ``conf/metrics/*.yaml``.

        Args:
            config: ``name``, ``seed``, and ``measures``: label to ``_target_`` with arguments (null
                leaves that measure out). Arguments named ``set_name``, ``downsample`` or ``seed``
                are filled in here unless the configuration gives them.
            set_name: what follows "@" in the names of distances between sets.
            downsample: ``Degradation.downsample`` of the protocol; it may return None.

        Raises:
            ConfigError: a measure that cannot be built, named.
            WeightsError: from a metric whose network's weights are missing.
        """
        seed = int(config["seed"])
        filled = {"set_name": set_name, "downsample": downsample, "seed": seed}
        measures = config["measures"] or {}
        built = [_build(label, measures[label], filled) for label in measures if measures[label]]
        return cls(built, seed)

    def score(self, batches: Iterable[ScoreBatch]) -> Scores:
        """Score this rank's images and put the ranks together; every rank gets all values."""
        for batch in batches:
            self.update(batch)
        return self.finish()

    def update(self, batch: ScoreBatch) -> None:
        """Score one batch. A metric that breaks is noted and left out from then on."""
        identities = zip(batch.keys, batch.identities, strict=True)
        self._seen.update((key, identity) for key, identity in identities)
        for index, metric in enumerate(self.metrics):
            missing = metric.needs - batch.present
            if missing:
                self._missing[index] = ", ".join(_NAMES[need] for need in sorted(missing))
            elif index not in self._broken and len(batch.keys):
                try:
                    metric.update(batch)
                except Exception as error:
                    self._broken[index] = _sentence(error)
                    metric.reset()

    def finish(self) -> Scores:
        """Gather, reduce, and forget, so that the suite can score the next set.

        Collective: with torch.distributed, every rank calls it, also one without images.
        """
        gathering = Gathering()
        try:
            seen, missing, broken = _merge(gathering, (self._seen, self._missing, self._broken))
            for index, metric in enumerate(self.metrics):
                kinds = gathering.everyone(sorted(metric.rows()) if index not in broken else [])
                names = sorted({name for kind in kinds for name in kind})
                metric.load_rows(_assemble(gathering, metric, names, index, broken))
            return gathering.from_first(lambda: self._reduce(seen, missing, broken))
        finally:
            gathering.close()
            for metric in self.metrics:
                metric.reset()
            self._forget()

    def _reduce(
        self, seen: dict[str, str | None], missing: dict[int, str], broken: dict[int, str]
    ) -> Scores:
        identities = {key: identity for key, identity in seen.items() if identity is not None}
        intervals = Intervals(seed=self.seed, replicates=self.replicates, identities=identities)
        scores = Scores(images=len(seen))
        for index, metric in enumerate(self.metrics):
            if index in broken:
                scores.failed.update(dict.fromkeys(metric.keys, broken[index]))
            elif not any(len(table) for table in metric.rows().values()):
                lacking = missing.get(index)
                reason = f"needs {lacking}, which this set lacks" if lacking else "no images came"
                scores.skipped.update(dict.fromkeys(metric.keys, reason))
            else:
                _finish_one(metric, intervals, scores)
        return scores

    def _forget(self) -> None:
        self._seen: dict[str, str | None] = {}
        self._missing: dict[int, str] = {}
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
            _check_finite(name, value)
        columns: PerImage = metric.per_image()
    except Exception as error:
        scores.failed.update(dict.fromkeys(names, _sentence(error)))
    else:
        scores.values.update(values)
        scores.per_image.update(columns)


def _check_finite(name: str, value: MetricValue) -> None:
    if not math.isfinite(value.value):
        raise ConfigError(f"{name} came out as {value.value}, which is no result.")


def _merge(
    gathering: Gathering,
    own: tuple[dict[str, str | None], dict[int, str], dict[int, str]],
) -> tuple[dict[str, str | None], dict[int, str], dict[int, str]]:
    """What the ranks saw, missed and broke; for a key or metric twice, the lowest rank's word."""
    seen: dict[str, str | None] = {}
    missing: dict[int, str] = {}
    broken: dict[int, str] = {}
    for rank_seen, rank_missing, rank_broken in reversed(gathering.everyone(own)):
        seen.update(rank_seen)
        missing.update(rank_missing)
        broken.update(rank_broken)
    return seen, missing, broken


def _sentence(error: Exception) -> str:
    if isinstance(error, FaceSRError):
        return str(error)
    return f"{type(error).__name__}: {error} (a bug of the metric; please report it)"


def _build(label: str, node: Mapping[str, Any], filled: Mapping[str, Any]) -> FaceMetric:
    from hydra.utils import get_class
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    arguments: dict[str, Any] = dict(plain)  # type: ignore[arg-type]
    target = arguments.pop("_target_", None)
    if target is None:
        raise ConfigError(
            f"The measure {label!r} has no _target_; give the class that computes it."
        )
    try:
        kind = get_class(target)
        takes = inspect.signature(kind).parameters
        given = {name: value for name, value in filled.items() if name in takes}
        metric = kind(**(given | arguments))
    except FaceSRError:
        raise
    except Exception as error:
        raise ConfigError(f"The measure {label!r} ({target}) cannot be built: {error}") from error
    if not isinstance(metric, FaceMetric):
        raise ConfigError(f"The measure {label!r} ({target}) is not a FaceMetric.")
    return metric
