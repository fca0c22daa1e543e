"""Scoring a finished run again from its stored images: no model, no GPU, the same numbers."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facesr_bench.console import print_rich, result_table, start_logging
from facesr_bench.evaluate.finished import (
    build_run_data,
    finished,
    read_settings,
    same_images,
    same_inputs,
)
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
from facesr_bench.image_attributes import write_attributes
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
from facesr_bench.side_outputs import SideStores
from facesr_bench.side_scores import joined, score_sides
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
    with sole_writer(finished(folder)):
        record, settings = read_record(folder / "result.json"), read_settings(folder)
        per_image = _read_table(folder / "per_image.csv")
        config = metrics_config(request, settings["metrics"], settings["data"])
        device = choose_device(request.device)
        data = build_run_data(settings, folder)
        suite = MetricSuite.from_config(
            config, f"{data.test_name}-test", data.downsample, data.degradation.settings()
        )
        store = SRStore(folder / "sr")
        log.info("%s: checking that images and test set are the run's own", folder)
        test_set = same_inputs(record, data, settings, folder)
        same_images(record, store, test_set)
        of_sides = record.get("side_outputs") or {}
        sides = SideStores(folder, [int(side) for side in of_sides])
        sides.check(of_sides, test_set.keys)
        refuse_the_impossible(suite, _present(test_set))

        names = {name for metric in suite.metrics for name in metric.keys}
        names |= set(config.get("only") or config["measures"])
        batch_size = request.batch_size or data.test_batch_size
        batches = score_batches(test_set, store, range(len(test_set)), batch_size)
        scores = suite.to(device).score(
            _counted(batches, len(test_set)), Expected(len(test_set), test_set.hr_hash)
        )
        if sides.stores:
            every = range(len(test_set))
            found, asked = score_sides(sides, data, config, every, batch_size, device)
            scores, names = joined(scores, found), names | asked
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
            write_attributes(  # runs of older versions have none yet
                folder / "attributes.csv", test_set.keys, test_set.domains, test_set.attributes
            )
            write_record(folder / "result.json", merged)
        print_rich([result_table(merged)])
        log.info("Record: %s", folder / "result.json")
    return merged


def _read_table(path: Path) -> PerImage:
    if not path.exists():
        log.warning("%s is gone; the new one holds the metrics scored now only.", path)
        return {}
    return read_per_image(path)


def _present(test_set: TestSet) -> frozenset[Need]:
    present: set[Need] = {"lr", "hr"} if test_set.has_hr else {"lr"}
    return frozenset(present)


def _counted(batches: Iterator[ScoreBatch], images: int) -> Iterator[ScoreBatch]:
    with progress("score", images) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch.keys))
