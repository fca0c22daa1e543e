"""Scoring a finished protocol of adaptation again: every cell from its stored images, then the mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facesr_bench.adaptation.aggregate import aggregated, mean_per_image
from facesr_bench.adaptation.cells import Target
from facesr_bench.adaptation.running import ATTRIBUTES, PER_IMAGE, RECORD, intervals_of
from facesr_bench.adaptation.settings import AdaptationSettings
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import DataError
from facesr_bench.evaluate.again import Again
from facesr_bench.evaluate.stopping import Stop
from facesr_bench.image_attributes import Facts, facts_of, write_facts
from facesr_bench.metrics.scores import write_per_image
from facesr_bench.results import read_record, write_record


def score_cells_again(
    folder: Path,
    record: Mapping[str, Any],
    settings: Mapping[str, Any],
    data: FaceSRDataModule,
    again: Again,
    stop: Stop,
) -> dict[str, Any]:
    """Score all cells, then write them, the table and the record; nothing is adapted.

    Args:
        folder: of the run.
        record: of the run.
        settings: its resolved configuration.
        data: of which no split was opened.
        again: what is measured.
        stop: keeps Ctrl-C out of the writing.

    Returns:
        The new record.

    Raises:
        DataError: the cells on disk are not those of the record, or their images or test sets are
            not their own; nothing is written then.
    """
    wanted = AdaptationSettings.from_config(settings.get("adaptation"))
    target = Target(data)
    cells = target.cells(wanted.k, range(wanted.seeds), wanted.conditions)
    asked = [(c["condition"], c["seed"], c["exemplars"]) for c in record["adaptation"]["cells"]]
    if asked != [(cell.condition, cell.seed, list(cell.keys)) for cell in cells]:
        raise DataError(
            f"The conditions and exemplars that {folder / 'config.yaml'} leads to today are not those "
            "of the run's record; the data changed. Run the protocol again."
        )
    scored = []
    facts: Facts = {}
    for cell in cells:
        here = cell.folder(folder)
        testing = target.testing(cell, settings["data"])
        found = again.score(here, read_record(here / RECORD), testing)
        facts = {**facts, **facts_of(testing.test_set)}
        scored.append((here, found))
    tables = [found.per_image for _, found in scored]
    people = {key: name for _, found in scored for key, name in found.people.items()}
    merged = {
        **aggregated(
            [found.record for _, found in scored],
            str(record["label"]),
            tables,
            intervals_of(settings["metrics"], people),
        ),
        "config": record["config"],
    }
    with stop.writing():
        for here, found in scored:
            found.write_table(here / PER_IMAGE)
            write_record(here / RECORD, found.record)
        write_per_image(folder / PER_IMAGE, mean_per_image(tables), people)
        write_facts(folder / ATTRIBUTES, facts)  # runs of older versions have none yet
        write_record(folder / "result.json", merged)
    return merged
