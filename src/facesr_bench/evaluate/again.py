"""Scoring a finished run again from its stored images: no model, no GPU, the same numbers."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.console import print_rich, result_table, start_logging
from facesr_bench.datamodule import FaceSRDataModule
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
    start_logging(None)
    folder = request.images
    with sole_writer(finished(folder, cells=True)):
        record, settings = read_record(folder / "result.json"), read_settings(folder)
        config = metrics_config(request, settings["metrics"], settings["data"])
        data = build_run_data(settings, folder)
        again = Again(config, settings, data, request)
        if "adaptation" in record:
            from facesr_bench.adaptation.again import score_cells_again

            merged = score_cells_again(folder, record, settings, data, again, stop)
        else:
            scored = again.score(folder, record, data)
            merged = scored.record
            with stop.writing():
                scored.write_table(folder / "per_image.csv")
                write_attributes(  # runs of older versions have none yet
                    folder / "attributes.csv",
                    data.test_set.keys, data.test_set.domains, data.test_set.attributes,
                )  # fmt: skip
                write_record(folder / "result.json", merged)
        print_rich([result_table(merged)])
        log.info("Record: %s", folder / "result.json")
    return merged


@dataclass(frozen=True)
class Scored:
    """What scoring one folder again gave; nothing is written yet."""

    record: dict[str, Any]
    per_image: PerImage
    people: dict[str, str | None]

    def write_table(self, path: Path) -> None:
        """Write ``per_image.csv``."""
        write_per_image(path, self.per_image, self.people)


class Again:
    """Scores folders of stored images against the test sets they were made for.

    Args:
        config: the ``metrics`` group that is asked for now.
        settings: of the run.
        data: of the run, for the names of distances and the operator of LR consistency.
        request: device and batch size.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        settings: Mapping[str, Any],
        data: FaceSRDataModule,
        request: Request,
    ) -> None:
        self._config, self._settings = config, settings
        self._device = choose_device(request.device)
        self._batch_size = request.batch_size or data.test_batch_size
        self._suite = MetricSuite.from_config(
            config, f"{data.test_name}-test", data.downsample, data.degradation.settings()
        )
        names = {name for metric in self._suite.metrics for name in metric.keys}
        self._names = names | set(config.get("only") or config["measures"])

    def score(self, folder: Path, record: Mapping[str, Any], data: FaceSRDataModule) -> Scored:
        """Score the stored images of ``folder`` and merge the values into a copy of its record.

        Args:
            folder: with ``sr/`` and, usually, ``per_image.csv``.
            record: of these images.
            data: tests on what they were made for.

        Raises:
            DataError: the test set or the images are not the record's own.
        """
        began, clock = now(), time.perf_counter()
        store, device, names = SRStore(folder / "sr"), self._device, set(self._names)
        log.info("%s: checking that images and test set are the run's own", folder)
        test_set = same_inputs(record, data, self._settings, folder)
        same_images(record, store, test_set)
        of_sides = record.get("side_outputs") or {}
        sides = SideStores(folder, [int(side) for side in of_sides])
        sides.check(of_sides, test_set.keys)
        refuse_the_impossible(self._suite, _present(test_set))
        every = range(len(test_set))
        batches = score_batches(test_set, store, every, self._batch_size)
        scores = self._suite.to(device).score(
            _counted(batches, len(test_set)), Expected(len(test_set), test_set.hr_hash)
        )
        if sides.stores:
            found, asked = score_sides(sides, data, self._config, every, self._batch_size, device)
            scores, names = joined(scores, found), names | asked
        tell_what_is_missing(scores)
        note = {
            "when": began,
            "seconds": round(time.perf_counter() - clock, 3),
            "metrics": list(scores.values),
            "skipped": dict(scores.skipped),
            "failed": dict(scores.failed),
            "config": {"metrics": self._config, "batch_size": self._batch_size},
            "versions": package_versions(),
            "git": git_state(),
            "device": device_facts(device.type),
        }
        return Scored(
            merge_record(record, scores, names, note),
            _read_table(folder / "per_image.csv") | scores.per_image,
            dict(zip(test_set.keys, test_set.identities, strict=True)),
        )


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
