"""Scoring a finished run again from its stored images: no model, no GPU, the same numbers."""

import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from facesr_bench.config import build_data
from facesr_bench.console import print_rich, result_table, start_logging
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import DataError, FaceSRError
from facesr_bench.evaluate.measuring import (
    choose_device,
    metrics_config,
    refuse_the_impossible,
    sole_writer,
    tell_what_is_missing,
)
from facesr_bench.evaluate.merging import merge_record
from facesr_bench.evaluate.reading import progress
from facesr_bench.evaluate.request import Request
from facesr_bench.evaluate.stopping import Stop
from facesr_bench.metrics.base import Expected, Need, ScoreBatch
from facesr_bench.metrics.scores import PerImage, read_per_image, write_per_image
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.protocol import TestSet
from facesr_bench.results import (
    device_facts,
    git_state,
    now,
    package_versions,
    read_record,
    write_record,
)
from facesr_bench.scoring import score_batches
from facesr_bench.store import SRStore

log = logging.getLogger(__name__)


def score_run_again(request: Request, stop: Stop) -> dict[str, Any]:
    """Score ``request.images``, the folder of a finished run, and merge the values into its record.

    Returns:
        The new record.

    Raises:
        FaceSRError: with a sentence for the user; the record is as it was then.
    """
    began, clock = now(), time.perf_counter()
    start_logging(None)
    folder = request.images
    with sole_writer(_finished(folder)):
        record, settings = read_record(folder / "result.json"), _read_settings(folder)
        per_image = _read_table(folder / "per_image.csv")
        config = metrics_config(request, settings["metrics"], settings["data"])
        device = choose_device(request.device)
        data = _build_data(settings, folder)
        suite = MetricSuite.from_config(
            config, f"{data.test_name}-test", data.downsample, data.degradation.settings()
        )
        store = SRStore(folder / "sr")
        log.info("%s: checking that images and test set are the run's own", folder)
        test_set = _same_inputs(record, data, settings, folder)
        _same_images(record, store, test_set)
        refuse_the_impossible(suite, _present(test_set))

        names = {name for metric in suite.metrics for name in metric.keys}
        names |= set(config.get("only") or config["measures"])
        batch_size = request.batch_size or data.test_batch_size
        batches = score_batches(test_set, store, range(len(test_set)), batch_size)
        scores = suite.to(device).score(
            _counted(batches, len(test_set)), Expected(len(test_set), test_set.hr_hash)
        )
        tell_what_is_missing(scores)
        note = {
            "when": began,
            "seconds": round(time.perf_counter() - clock, 3),
            "metrics": list(scores.values),
            "skipped": dict(scores.skipped),
            "failed": dict(scores.failed),
            "config": {"metrics": config, "batch_size": batch_size},
            "versions": package_versions(),
            "git": git_state(),
            "device": device_facts(device.type),
        }
        merged = merge_record(record, scores, names, note)
        people = dict(zip(test_set.keys, test_set.identities, strict=True))
        with stop.writing():
            write_per_image(folder / "per_image.csv", per_image | scores.per_image, people)
            write_record(folder / "result.json", merged)
        print_rich([result_table(merged)])
        log.info("Record: %s", folder / "result.json")
    return merged


def _finished(folder: Path) -> Path:
    """The folder of a run that has everything needed, checked before anything is written to it."""
    if not (folder / "result.json").is_file():
        raise DataError(
            f"{folder} has no result.json: the run is not finished. Let it end, or go on with it."
        )
    record = read_record(folder / "result.json")
    if not (folder / "config.yaml").is_file():
        if record["config"].get("command") == "evaluate":
            raise DataError(
                f"{folder} holds the scores of images from elsewhere, not a run. Give their folder "
                f"again: facesr-bench evaluate {record['config']['sr']} ..."
            )
        raise DataError(f"{folder} has no config.yaml, which says what the run was asked.")
    if not (folder / "sr").is_dir():
        dropped = record["config"].get("keep_sr") is False
        raise DataError(
            f"{folder} has no SR images (sr/){', it ran with keep_sr=false' if dropped else ''}; "
            "there is nothing to score. Run the test stage again with keep_sr=true."
        )
    return folder.absolute()


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / "config.yaml"
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    if not isinstance(settings, dict) or not {"data", "metrics"} <= set(settings):
        raise DataError(f"{path} is not the configuration of a run: it lacks data or metrics.")
    return settings


def _read_table(path: Path) -> PerImage:
    if not path.exists():
        log.warning("%s is gone; the new one holds the metrics scored now only.", path)
        return {}
    return read_per_image(path)


def _build_data(settings: Mapping[str, Any], folder: Path) -> FaceSRDataModule:
    try:
        data: FaceSRDataModule = build_data(settings["data"])
    except FaceSRError as error:
        raise _unreachable(error, settings, folder) from error
    return data


def _same_inputs(
    record: Mapping[str, Any], data: FaceSRDataModule, settings: Mapping[str, Any], folder: Path
) -> TestSet:
    """The test set, if it is still the one the run was asked."""
    try:
        test_set = data.test_set
    except FaceSRError as error:
        raise _unreachable(error, settings, folder) from error
    then = {"lr_hash": record["lr_hash"], "hr_hash": record.get("hr_hash")}
    is_now = {"lr_hash": test_set.lr_hash, "hr_hash": test_set.hr_hash}
    changed = [key for key in then if then[key] != is_now[key]]
    if test_set.hash != record["protocol"]["hash"] or changed:
        what = " and ".join(changed) or "keys, name, version or degradation, though not the pixels"
        raise DataError(
            f"The test set of {folder} is no longer the one the run was asked: its protocol hash is "
            f"{test_set.hash[:12]}, the record says {record['protocol']['hash'][:12]} (different: "
            f"{what}). Scores of different inputs are not mixed; run the method again."
        )
    return test_set


def _same_images(record: Mapping[str, Any], store: SRStore, test_set: TestSet) -> None:
    digest = store.hash(test_set.keys)
    if digest != record["sr_hash"]:
        raise DataError(
            f"The images in {store.root} are not those the run wrote: their sr_hash is "
            f"{digest[:12]}, the record says {record['sr_hash'][:12]}. To score them for what they "
            f"are, give the folder itself: facesr-bench evaluate {store.root} --hr DIR"
        )


def _unreachable(error: FaceSRError, settings: Mapping[str, Any], folder: Path) -> DataError:
    """The data's own sentence, and where its relative paths start."""
    relative = [
        f"{key}={value}"
        for key, value in settings["data"].items()
        if isinstance(value, str)
        and key.endswith(("root", "file", "dir", "path", "folder"))
        and not Path(value).is_absolute()
    ]
    hint = (
        f" {folder / 'config.yaml'} has relative paths ({', '.join(relative)}); start this command "
        f"in the folder the run was started in, not in {Path.cwd()}."
    )
    return DataError(
        f"The test set of {folder} is not to be had: {error}{hint if relative else ''}"
    )


def _present(test_set: TestSet) -> frozenset[Need]:
    present: set[Need] = {"lr", "hr"} if test_set.has_hr else {"lr"}
    return frozenset(present)


def _counted(batches: Iterator[ScoreBatch], images: int) -> Iterator[ScoreBatch]:
    with progress("score", images) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch.keys))
