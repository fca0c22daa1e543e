"""Scoring folders of images from elsewhere: pair, check, score, record."""

import logging
import re
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from facesr_bench.console import print_rich, result_table, start_logging
from facesr_bench.errors import ConfigError
from facesr_bench.evaluate.annotations import Annotations, read_annotations
from facesr_bench.evaluate.image_set import ImageSet, check_images, find_pairs
from facesr_bench.evaluate.measuring import (
    choose_device,
    metrics_config,
    refuse_the_impossible,
    sole_writer,
    tell_what_is_missing,
)
from facesr_bench.evaluate.reading import progress
from facesr_bench.evaluate.request import Request
from facesr_bench.evaluate.stopping import Stop
from facesr_bench.image_attributes import write_attributes
from facesr_bench.metrics.base import Expected, Need
from facesr_bench.metrics.scores import Scores, write_per_image
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.results import (
    SCHEMA,
    device_facts,
    git_state,
    now,
    package_versions,
    write_record,
)

log = logging.getLogger(__name__)

ORIGIN = "images from elsewhere"
_VERSION = 1  # of the protocol: raised when the hash would mean something else
_BATCH_SIZE = 32
_GENERIC = {"hr", "gt", "lr", "sr", "test", "val", "images"}  # names that tell no set from another


def score_folders(request: Request, stop: Stop) -> dict[str, Any]:
    """Score the SR images of a folder against their partners.

    Leaves a folder with ``result.json``, ``per_image.csv`` and ``run.log``.

    Returns:
        The record.

    Raises:
        FaceSRError: with a sentence for the user; nothing was scored then.
    """
    started, clock = now(), time.perf_counter()
    start_logging(None)
    name, set_name = _names(request)
    out = _free_folder(request, name)
    config = metrics_config(request)
    device = choose_device(request.device)
    pairs = find_pairs(request.images, request.hr, request.lr)
    suite = MetricSuite.from_config(config, set_name)
    refuse_the_impossible(suite, _present(request))
    annotations = Annotations()
    if request.landmarks is not None:
        annotations = read_annotations(request.landmarks, [pair.key for pair in pairs])
    images = check_images(pairs, request.factor, annotations)
    annotations.check({key: size for key, (size, _) in images.sizes.items()})
    with sole_writer(out):
        log.info("%s", _what_was_found(request, images, name, set_name))
        with progress("score", len(pairs)) as bar:
            scores = suite.to(device).score(
                images.batches(request.batch_size or _BATCH_SIZE, bar),
                Expected(len(pairs), images.hr_hash),
            )
        tell_what_is_missing(scores)
        asked = _settings(request, config, annotations)
        record = _record((name, set_name), images, scores, asked, device.type, started)
        record["seconds"] = round(time.perf_counter() - clock, 3)
        with stop.writing():
            write_per_image(out / "per_image.csv", scores.per_image, images.identities)
            known = {pair.key: annotations.of(pair.key) for pair in pairs}
            write_attributes(
                out / "attributes.csv",
                list(known),
                [facts.domain for facts in known.values()],
                [facts.attributes for facts in known.values()],
            )
            write_record(out / "result.json", record)
        print_rich([result_table(record)])
        log.info("Record: %s", out / "result.json")
    return record


def _present(request: Request) -> frozenset[Need]:
    sides: dict[Need, Path | None] = {"hr": request.hr, "lr": request.lr}
    return frozenset(side for side, folder in sides.items() if folder is not None)


def _names(request: Request) -> tuple[str, str]:
    """What the method is called, and the test set."""
    folder = request.images.resolve()
    name = request.name or (folder.parent.name if folder.name.lower() == "sr" else folder.name)
    keyed = (request.hr or request.lr or request.images).resolve()
    telling = (
        keyed.name if keyed.name.lower() not in _GENERIC else f"{keyed.parent.name}-{keyed.name}"
    )
    set_name = request.set_name or re.sub(r"[^\w.+-]+", "-", telling).strip("-")
    return name or "images", set_name or "images"


def _free_folder(request: Request, name: str) -> Path:
    """Where to write, checked before hours of reading.

    Raises:
        ConfigError: the folder holds a record already, or images that are to be scored; or nothing
            can be written there.
    """
    folder = _chosen_folder(request, name)
    _try_to_write(folder)
    return folder


def _chosen_folder(request: Request, name: str) -> Path:
    if request.out is None:
        base = (
            Path("runs") / "evaluate" / (re.sub(r"[^\w+=@.-]+", "-", name).lstrip(".") or "images")
        )
        date = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        number, folder = 2, base / date
        while folder.exists():
            number, folder = number + 1, base / f"{date}-{number}"
        return folder.absolute()
    out = request.out.absolute()
    if (out / "result.json").exists():
        raise ConfigError(
            f"--out {out} already holds a record (result.json). Choose another folder, or delete it."
        )
    for given in (request.images, request.hr, request.lr):
        if given is not None and given.resolve() == out.resolve():
            raise ConfigError(f"--out {out} is a folder of images to score. Choose another one.")
    return out


def _try_to_write(folder: Path) -> None:
    """Make and remove a folder where this one is, or will be made; leaves no trace."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        Path(tempfile.mkdtemp(prefix=".facesr-bench-", dir=there)).rmdir()
    except OSError as error:
        raise ConfigError(f"Cannot write to {folder}: {error.strerror}.") from error


def _what_was_found(request: Request, images: ImageSet, name: str, set_name: str) -> str:
    count = len(images.pairs)
    lines = [f"{name} on {set_name}: {count} images ({images.size_counts()})"]
    for what, folder in (("SR", request.images), ("HR", request.hr), ("LR", request.lr)):
        lines.append(f"  {what}  {f'{count} in {folder}' if folder is not None else '-'}")
    if request.landmarks is not None:
        named = [person for person in images.identities.values() if person is not None]
        lines.append(
            f"  {request.landmarks}: landmarks of {len(images.annotations.landmarks)} of the {count} "
            f"images, names of {len(named)} ({len(set(named))} people)"
        )
    return "\n".join(lines)


def _settings(
    request: Request, config: Mapping[str, Any], annotations: Annotations
) -> dict[str, Any]:
    """What was asked for, as far as it can move a number."""
    folders = {"sr": request.images, "hr": request.hr, "lr": request.lr}
    return {
        "command": "evaluate",
        **{side: None if folder is None else str(folder) for side, folder in folders.items()},
        "factor": request.factor,
        "batch_size": request.batch_size or _BATCH_SIZE,
        "landmarks": None
        if request.landmarks is None
        else {"file": str(request.landmarks), "sha256": annotations.sha256},
        "metrics": dict(config),
    }


def _record(
    names: tuple[str, str],
    images: ImageSet,
    scores: Scores,
    settings: dict[str, Any],
    device: str,
    started: str,
) -> dict[str, Any]:
    """The keys of a run's record; what only a run knows is empty or None."""
    name, set_name = names
    return {
        "schema": SCHEMA,
        "method": name,
        "label": name,
        "scale": None,
        "paper": None,
        "data": set_name,
        "data_sources": [],
        "protocol": {"name": set_name, "version": _VERSION, "hash": images.protocol_hash},
        "lr_hash": images.lr_hash,
        "hr_hash": images.hr_hash,
        "sr_hash": images.sr_hash,
        "n_images": len(images.pairs),
        "metrics": {key: value.to_json() for key, value in scores.values.items()},
        "metrics_skipped": dict(scores.skipped),
        "metrics_failed": dict(scores.failed),
        "cost": {},
        "config": settings,
        "weights": [],
        "trained_on": [],
        "budget": None,
        "origin": ORIGIN,
        "loss_networks": None,
        "versions": package_versions(),
        "git": git_state(),
        "device": device_facts(device),
        "started": started,
    }
