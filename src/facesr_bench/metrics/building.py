"""From a ``conf/metrics/*.yaml`` to metric objects, and the pre-flight of what they need."""

import inspect
from collections.abc import Mapping
from typing import Any

from facesr_bench.errors import ConfigError, FaceSRError, MissingRequirement
from facesr_bench.metrics.base import FaceMetric
from facesr_bench.metrics.measure_files import made_of

ON_MISSING = ("raise", "skip")


def build_measures(
    config: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[list[FaceMetric], dict[str, str]]:
    """Build every measure that is asked for.

    Args:
        config: ``measures``: label to ``_target_`` with arguments (null leaves a measure out);
            ``only``: labels to keep, null for all; a file of ``conf/measure`` that is no label keeps
            what was made of it (``+measure@metrics.measures.LABEL=FILE``); ``on_missing``: "raise", or
            "skip" to go on without measures whose weights or packages are missing.
        given: arguments the harness fills in where a constructor takes them and the configuration
            does not give them.

    Returns:
        The metrics, and label to reason for those left out.

    Raises:
        ConfigError: a measure that cannot be built, named; an ``only`` that names no measure.
        MissingRequirement: everything that is missing, in one message with the commands.
    """
    on_missing = config.get("on_missing", "raise")
    if on_missing not in ON_MISSING:
        raise ConfigError(f"metrics.on_missing={on_missing} does not exist; choose raise or skip.")
    metrics: list[FaceMetric] = []
    missing: dict[str, str] = {}
    for label, node in _chosen(config).items():
        try:
            metrics.append(_build(label, node, given))
        except MissingRequirement as error:
            missing[label] = str(error)
    if missing and on_missing == "raise":
        lines = "".join(f"\n  {label}: {reason}" for label, reason in missing.items())
        one = f"; or leave one out: ~metrics.measures.{next(iter(missing))}"
        raise MissingRequirement(
            f"{len(missing)} of the metrics asked for cannot be computed here:{lines}\n"
            "Or go on without them: metrics.on_missing=skip (evaluate: --on-missing skip)"
            + ("" if config.get("only") is not None else one)
        )
    return metrics, missing


def _chosen(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    measures = {label: node for label, node in (config["measures"] or {}).items() if node}
    only = config.get("only")
    if only is None:
        return measures
    kept: set[str] = set()
    for name in only:
        labels = [name] if name in measures else made_of(name, measures)
        if not labels:
            raise ConfigError(
                f"metrics.only names {name!r}, which is no measure; there are {', '.join(measures)}."
            )
        kept.update(labels)
    return {label: node for label, node in measures.items() if label in kept}


def _build(label: str, node: Mapping[str, Any], given: Mapping[str, Any]) -> FaceMetric:
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
        filled = {name: value for name, value in given.items() if name in takes}
        metric = kind(**(filled | arguments))
    except FaceSRError:
        raise
    except Exception as error:
        raise ConfigError(f"The measure {label!r} ({target}) cannot be built: {error}") from error
    if not isinstance(metric, FaceMetric):
        raise ConfigError(f"The measure {label!r} ({target}) is not a FaceMetric.")
    return metric
