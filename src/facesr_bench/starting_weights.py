"""Where a run's weights come from: ``ckpt=``, ``init=``, or the file a method ships."""

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.checkpoints import file_sha256, load_weights, read_checkpoint
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.method import Method

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartingWeights:
    """What was loaded before anything ran.

    Attributes:
        origin: "untrained", "trained here", "shipped weights", "weights from a file", or what the
            method says that neither trains nor was given weights.
        files: name, sha256 and role of every weight file that was read, for the record.
        resume_from: the checkpoint that training resumes, or None.
    """

    origin: str
    files: list[dict[str, str]]
    resume_from: Path | None


def load_starting_weights(method: Method, config: Mapping[str, Any]) -> StartingWeights:
    """Load what ``ckpt``, ``init``, ``stage`` and ``scale`` ask for into the method.

    Raises:
        ConfigError: a trainable method is to be measured without weights.
        WeightsError: a file is missing, damaged or of another layout.
    """
    stage, ckpt, init = config["stage"], config["ckpt"], config["init"]
    if ckpt:
        path = Path(ckpt).expanduser()
        content = read_checkpoint(path)
        entry = _file_entry(path, "checkpoint")
        if stage == "test" or not method.trainable:
            origin = _take(method, content, path)
            return StartingWeights(origin, [entry], None)
        return StartingWeights("trained here", [entry], path)
    if init:
        path = _init_file(str(init), config["method"]["name"])
        origin = _take(method, read_checkpoint(path), path)
        method.images_seen = 0
        return StartingWeights(origin, [_file_entry(path, "init")], None)
    if not method.trainable:
        return StartingWeights(method.origin, [], None)
    if stage == "test":
        return _shipped(method, config)
    return StartingWeights("untrained", [], None)


def _init_file(init: str, method: str) -> Path:
    """The file behind ``init=``: a path, or the name of registered weights of the method itself."""
    path = Path(init).expanduser()
    if path.exists():
        return path
    from facesr_bench.weights.loading import locate
    from facesr_bench.weights.registry import registry

    known = registry().get(init)
    if known is not None and any(u.kind == "method" and u.name == method for u in known.needed_by):
        return locate(init).path
    return path


def _take(method: Method, content: Mapping[str, Any], path: Path) -> str:
    load_weights(method, content, str(path))
    method.image_digests = content.get("image_digests")
    if "images_seen" in content:
        method.images_seen = int(content["images_seen"])
        method.trained_on = list(content.get("trained_on", []))
        return "trained here"
    return "weights from a file"


def _file_entry(path: Path, role: str) -> dict[str, str]:
    return {"file": path.name, "sha256": file_sha256(path), "role": role}


def _shipped(method: Method, config: Mapping[str, Any]) -> StartingWeights:
    name, scale = config["method"]["name"], config["scale"]
    shipped = (config["method"].get("shipped") or {}).get(scale)
    if shipped is None:
        kinds = ", ".join(f"scale={key}" for key in config["method"].get("shipped") or {})
        raise ConfigError(
            f"stage=test measures weights, and {name} ships none at scale={scale}"
            + (f" (only at {kinds})" if kinds else "")
            + ". Give ckpt=FILE (a checkpoint of a run) or init=FILE (weights), or train with "
            "stage=fit_test."
        )
    path = Path(inspect.getfile(type(method))).parent / shipped["file"]
    if not path.is_file():
        raise WeightsError(f"The shipped weights {path} are missing; install the package again.")
    load_weights(method, read_checkpoint(path, shipped["sha256"]), str(path))
    method.trained_on = [dict(entry) for entry in shipped["trained_on"]]
    method.image_digests = None
    method.images_seen = int(method.trained_on[-1]["images"])
    log.info("Weights: %s, shipped with the package.", shipped["file"])
    return StartingWeights("shipped weights", [_file_entry(path, "shipped")], None)
