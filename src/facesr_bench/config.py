"""From the composed configuration to objects: resolvers, instantiation, where a run writes."""

import inspect
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from facesr_bench.errors import ConfigError, FaceSRError, first_line
from facesr_bench.save_times import check_save_minutes

SCALES = ("full", "slim", "smoke")
STAGES = ("fit_test", "fit", "test", "adapt", "predict", "export")
WITHOUT_DATA = ("predict", "export")
"""Stages that use a method on its own; the data group only tells the sizes it is built for."""

HARNESS_KEYS = ("name", "budget", "shipped", "cost")
"""Keys of a method's YAML that are for the harness; the rest are the method's own arguments."""

OUTPUT_DIR_VARIABLE = "FACESR_BENCH_OUTPUT_DIR"
"""Tells the other processes of one run where the first one writes."""


def _scale_of(choices: Mapping[str, Any], *, _root_: DictConfig) -> Any:
    """``${scale_of:{full: 256, slim: 48, smoke: 8}}``: the value for the run's ``scale``."""
    if "full" not in choices:
        raise ConfigError("scale_of needs at least a value for 'full', the paper's size.")
    scale = _root_.get("scale", "full")
    return choices.get(scale, choices["full"])


def register_resolvers() -> None:
    """Make ``${scale_of:...}`` known; may be called twice."""
    OmegaConf.register_new_resolver("scale_of", _scale_of, replace=True)


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain containers, every interpolation resolved.

    Raises:
        ConfigError: an interpolation or a mandatory value (``???``) that cannot be resolved.
    """
    try:
        content = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"The configuration does not resolve: {error}") from error
    return cast("dict[str, Any]", content)


def check_choices(config: Mapping[str, Any] | DictConfig) -> None:
    """Refuse what no run can be: an unknown stage or scale, no time between saves, both weights."""
    for key, choices in (("stage", STAGES), ("scale", SCALES)):
        if config[key] not in choices:
            raise ConfigError(f"{key}={config[key]} does not exist; choose {', '.join(choices)}.")
    check_save_minutes(config["save_minutes"])
    if config["ckpt"] and config["init"]:
        raise ConfigError(
            "ckpt= and init= exclude each other: ckpt resumes a run (or is scored with stage=test), "
            "init takes weights only and starts a new count."
        )


def complete_without_data(config: DictConfig) -> None:
    """Fill in what ``stage=predict`` and ``stage=export`` do not need to be told, in place.

    Without ``+method=`` it is the one of the run whose checkpoint ``ckpt=`` is (``config.yaml`` lies
    beside it). Without ``+data=`` the sizes are those of that run, or faces from 16 to 64 pixels, what
    the shipped weights are for; ``+data.hr_size=`` and ``+data.factor=`` say otherwise.
    """
    if config.stage not in WITHOUT_DATA:
        return
    sizes: dict[str, Any] = {"name": str(config.stage), "hr_size": 64, "factor": 4}
    with open_dict(config):
        if config.get("method") is None and config.get("ckpt"):
            beside = Path(str(config.ckpt)).expanduser().absolute().parents[1] / "config.yaml"
            if beside.is_file():
                run = cast("DictConfig", OmegaConf.load(beside))
                config.method, config.scale = run["method"], run["scale"]
                sizes |= {key: run["data"][key] for key in ("hr_size", "factor")}
        config.data = OmegaConf.merge(sizes, config.get("data") or {})


def instantiate(config: Mapping[str, Any], what: str) -> Any:
    """``hydra.utils.instantiate`` whose errors are sentences of this project.

    Args:
        config: with ``_target_``; plain containers reach the constructor.
        what: for the message ("the method").
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate as hydra_instantiate

    try:
        return hydra_instantiate(dict(config), _convert_="all")
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, FaceSRError):
            cause = cause.__cause__
        if isinstance(cause, FaceSRError):
            raise cause from None
        detail = first_line(error.__cause__ or error)
        raise ConfigError(
            f"Cannot build {what} from {config.get('_target_')}: {detail}."
        ) from error


def build_method(config: Mapping[str, Any]) -> Any:
    """The method of the ``method`` group; harness keys are kept from its constructor."""
    arguments = {key: value for key, value in config.items() if key not in HARNESS_KEYS}
    return instantiate(arguments, "the method")


def build_data(config: Mapping[str, Any]) -> Any:
    """The data module of the ``data`` group.

    A data YAML may hold convenience keys for its user (``root``), which it passes on by
    interpolation; keys that the data module does not take are left out here.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import get_class

    target = str(config.get("_target_", ""))
    try:
        known = inspect.signature(get_class(target)).parameters
    except (InstantiationException, ImportError, ValueError) as error:
        raise ConfigError(f"The data module {target!r} cannot be imported: {error}") from error
    arguments = {key: value for key, value in config.items() if key in known or key == "_target_"}
    return instantiate(arguments, "the data")


def choose_output_dir(config: Mapping[str, Any], sweep_number: int | None) -> Path:
    """Where this run writes: ``output_dir=``, or ``runs/<method>/<data>/<date>``.

    Args:
        config: the resolved configuration.
        sweep_number: number of the job in a multirun, which gives each job a folder of its own.
    """
    shared: str | None = os.environ.get(OUTPUT_DIR_VARIABLE)
    if shared:
        return Path(shared)
    if config["output_dir"]:
        root = Path(config["output_dir"])
        return root if sweep_number is None else root / str(sweep_number)
    date = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    base = Path("runs") / str(config["method"]["name"]) / str(config["data"]["name"])
    suffix = "" if sweep_number is None else f"_{sweep_number}"
    folder = base / f"{date}{suffix}"
    number = 2
    while folder.exists():
        folder = base / f"{date}{suffix}-{number}"
        number += 1
    return folder


def quote_override(text: str) -> str:
    """One override as a shell would need it."""
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text) else "'" + text.replace("'", "'\\''") + "'"
