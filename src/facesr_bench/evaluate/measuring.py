"""What both forms of ``evaluate`` share: which metrics, on which device, into which folder."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from facesr_bench.console import start_logging
from facesr_bench.errors import ConfigError, UsageError
from facesr_bench.evaluate.request import Request
from facesr_bench.launch import name_conf_folders
from facesr_bench.metrics.base import Need
from facesr_bench.metrics.choosing import compose_metrics
from facesr_bench.metrics.scores import Scores
from facesr_bench.metrics.suite import MetricSuite

log = logging.getLogger(__name__)


def metrics_config(
    request: Request,
    own: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The ``metrics`` configuration the words ask for.

    Args:
        request: the command.
        own: what a finished run measured: the default, and the seed and arguments of whatever is
            asked for.
        data: that run's data, which name the reference set.

    Raises:
        UsageError: a metric that does not exist; no word, and a run that measured nothing.
    """
    folders = [str(folder) for folder in request.config_dirs]
    # As launch does for runs: everything else that reads YAML sees the user's folders too.
    name_conf_folders([word for folder in folders for word in ("--config-dir", folder)])
    if request.metrics or own is None:
        config = compose_metrics(request.metrics or ["core"], folders, data)
        if own is not None:
            config["seed"] = own["seed"]
            ours = {k: v for k, v in (own["measures"] or {}).items() if v}
            config["measures"] = {k: ours.get(k, v) for k, v in config["measures"].items()}
    else:
        config = dict(own)
    if not any((config["measures"] or {}).values()):
        raise UsageError("There is nothing to measure; say what, as in --metrics core.")
    if request.on_missing is not None:
        config["on_missing"] = request.on_missing
    if request.allow_small:
        config["allow_small"] = True
    return config


def refuse_the_impossible(suite: MetricSuite, present: frozenset[Need]) -> None:
    """Stop before hours of reading when not one metric applies to what was given.

    Raises:
        UsageError: saying which folder is missing.
    """
    lacking = [metric.needs - present for metric in suite.metrics]
    if not suite.metrics:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in suite.not_computed.items())
        raise UsageError(f"Not one of the metrics asked for can be computed here. {reasons}")
    if all(lacking):
        options = " or ".join(f"--{need}" for need in sorted(frozenset[Need]().union(*lacking)))
        raise UsageError(
            f"Not one of the metrics asked for can be computed without {options}. Give the folder, "
            "or choose metrics that need no reference with --metrics."
        )


def choose_device(name: str) -> torch.device:
    """The device of the metrics' networks.

    Raises:
        ConfigError: CUDA is asked for and not there.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ConfigError("--device cuda: PyTorch sees no CUDA device here. Use --device cpu.")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if needed, and log into its ``run.log``.

    Raises:
        ConfigError: somebody else writes there, or nobody may.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        start_logging(folder / "run.log")
    except Timeout:
        raise ConfigError(
            f"Another process is writing to {folder}. Wait for it, or choose another folder."
        ) from None
    except OSError as error:
        lock.release(force=True)
        raise ConfigError(f"Cannot write to {folder}: {error}.") from error
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        log.debug("Nothing was recorded.", exc_info=error)  # for run.log only
        raise
    finally:
        lock.release(force=True)
        # The log file is closed: another evaluation of this process has its own.
        start_logging(None)


def tell_what_is_missing(scores: Scores) -> None:
    """A line for every metric without a value."""
    for key, reason in scores.skipped.items():
        log.warning("No %s: %s", key, reason)
    for key, reason in scores.failed.items():
        log.warning("%s failed: %s", key, reason)
