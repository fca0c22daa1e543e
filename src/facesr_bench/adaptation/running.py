"""The protocol of adaptation as one run: for every cell adapt, test, record; then the mean."""

import io
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facesr_bench.adaptation.aggregate import aggregated, mean_per_image
from facesr_bench.adaptation.cells import Cell, Target
from facesr_bench.adaptation.settings import AdaptationSettings
from facesr_bench.adaptation.strategies import SUFFIX, Adapter, make_adapter, tell_prior_changed
from facesr_bench.attempt import drop_attempt, fingerprint, read_findings
from facesr_bench.console import print_rich, progress_bar, result_table
from facesr_bench.cost import Cost, measure_cost
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.grid import write_grid
from facesr_bench.image_attributes import Facts, facts_of, write_facts
from facesr_bench.images import to_float, write_atomically
from facesr_bench.method import Method
from facesr_bench.metrics.base import Expected
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.scores import read_per_image, write_per_image
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.protocol import canonical_hash
from facesr_bench.record import Outcome, make_record
from facesr_bench.results import now, read_record, write_record
from facesr_bench.scoring import score_batches, super_resolve_test_set
from facesr_bench.seeding import derive_seed
from facesr_bench.starting_weights import StartingWeights
from facesr_bench.store import SRStore
from facesr_bench.training import build_trainer

log = logging.getLogger(__name__)

RECORD = "cell.json"
"""Of a cell; not called result.json, since a cell is no result."""

PER_IMAGE = "per_image.csv"
ATTRIBUTES = "attributes.csv"


def run_protocol(
    settings: Mapping[str, Any],
    output_dir: Path,
    data: FaceSRDataModule,
    method: Method,
    weights: StartingWeights,
) -> dict[str, Any]:
    """Carry out ``stage=adapt``. Cells that an earlier attempt finished are kept.

    Args:
        settings: the run's resolved configuration.
        output_dir: gets ``cells/<condition>/<seed>/``, ``per_image.csv``,
            ``attributes.csv`` and, last, ``result.json``.
        data: of which no split was opened.
        method: with the weights of the source domain.
        weights: where these came from.

    Returns:
        The record.

    Raises:
        ConfigError: what cannot be adapted, or more than one process.
    """
    wanted = AdaptationSettings.from_config(settings.get("adaptation"))
    trainer = build_trainer(settings["trainer"], method, [], [], "test")
    if trainer.world_size > 1:
        raise ConfigError("stage=adapt runs on one device; choose trainer=cpu or trainer=gpu.")
    device = trainer.strategy.root_device
    method.to(device).eval()
    target = Target(data)
    cells = target.cells(wanted.k, range(wanted.seeds), wanted.conditions)
    adapter = make_adapter(method, wanted, data, output_dir, device, settings["seed"], progress_bar)
    label = str(settings["label"] or settings["method"]["name"]) + SUFFIX[wanted.strategy]
    runner = _Runner({**settings, "label": label}, output_dir, target, adapter, weights)
    shown = _bar(cells, wanted)
    with shown:
        records = [runner.record(cell, shown) for cell in cells]
    tables = [read_per_image(cell.folder(output_dir) / PER_IMAGE) for cell in cells]
    intervals = intervals_of(settings["metrics"], runner.people)
    record = {**aggregated(records, label, tables, intervals), "config": dict(settings)}
    write_per_image(output_dir / PER_IMAGE, mean_per_image(tables), runner.people)
    write_facts(output_dir / ATTRIBUTES, runner.facts)
    write_record(output_dir / "result.json", record)
    print_rich([result_table(record)])
    for name, metric in record["metrics"].items():
        if metric.get("spread") is not None:
            log.info(
                "%s: %.4f, ± %.4f over %d draws of exemplars",
                name, metric["value"], metric["spread"], wanted.seeds,
            )  # fmt: skip
    spent = record["adaptation"]["seconds"]
    log.info(
        "Adapting took %.1f s a cell (%.1f to %.1f); one face then takes %.4f s.",
        spent["mean"], spent["min"], spent["max"], record["cost"]["seconds_per_image"],
    )  # fmt: skip
    log.info("Cells:  %s\nRecord: %s", output_dir / "cells", output_dir / "result.json")
    return record


class _Runner:
    """Cells one after the other, each from the same source weights."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        output_dir: Path,
        target: Target,
        adapter: Adapter,
        weights: StartingWeights,
    ) -> None:
        self._settings, self._root, self._target = settings, output_dir, target
        self._adapter, self._weights = adapter, weights
        self._start = _copied(adapter.method.state_dict())
        self._trained_on = list(adapter.method.trained_on)
        self._cost: Cost | None = None
        self._suite: MetricSuite | None = None
        self._data: tuple[tuple[str, ...], FaceSRDataModule] | None = None
        self.people: dict[str, str | None] = {}
        """Who the images tested so far show."""
        self.facts: Facts = {}
        """What else is known of them."""

    def record(self, cell: Cell, shown: Any) -> dict[str, Any]:
        """Of a cell: as an earlier attempt left it, or made now."""
        folder, data = cell.folder(self._root), self._data_of(cell)
        self.people |= dict(zip(data.test_set.keys, data.test_set.identities, strict=True))
        self.facts = {**self.facts, **facts_of(data.test_set)}
        made_by = self._identity(cell, data)
        try:
            record = read_record(folder / RECORD)
            if record.get("made_by") == made_by:
                shown.update(1)
                return record
        except DataError:
            pass
        record = self._carry_out(cell, data, folder)
        write_record(folder / RECORD, {**record, "made_by": made_by})
        shown.update(1)
        return record

    def _identity(self, cell: Cell, data: FaceSRDataModule) -> str:
        """A hash of everything a cell's numbers depend on: the source weights first of all."""
        method = self._adapter.method
        method.load_state_dict(self._start)
        return canonical_hash(
            {
                "source": fingerprint(self._settings, method, data.test_set, method.device.type),
                "adaptation": asdict(self._adapter.settings),
                "adapter": self._adapter.facts(),
                "metrics": self._settings["metrics"],
                "seed": cell.seed,
                "exemplars": list(cell.keys),
            }
        )

    def _carry_out(self, cell: Cell, data: FaceSRDataModule, folder: Path) -> dict[str, Any]:
        started, clock = now(), time.perf_counter()
        method, settings = self._adapter.method, self._settings
        found, seconds, shown = self._adapt(cell)
        store = SRStore(folder / "sr")
        made = super_resolve_test_set(method, data, store, settings)
        device = made.trainer.strategy.root_device
        method.to(device)
        test_set, findings = data.test_set, read_findings(store, data.test_set.keys)
        scores = (
            self._suite_of(data)
            .to(device)
            .score(
                score_batches(test_set, store, range(len(test_set)), data.test_batch_size),
                Expected(len(test_set), test_set.hr_hash),
            )
        )
        self._suite_of(data).to(torch.device("cpu"))
        if self._cost is None:  # of one architecture: the same in every cell
            first = data.test_batches(batch_size=made.batch_size)[:1]
            inputs = next(iter(data.test_loader(first)))["lr"].to(device)
            self._cost = measure_cost(
                method, to_float(inputs), seconds=float(settings["cost_seconds"])
            )
        label = str(settings["label"])
        write_grid(folder / "images" / "grid.png", test_set, store, label)
        people = {key: self.people[key] for key in test_set.keys}
        write_per_image(folder / PER_IMAGE, findings | scores.per_image, people)
        digest = store.hash(test_set.keys)
        outcome = Outcome(method, data, scores, self._cost, self._weights, None, digest, findings)
        spent = time.perf_counter() - clock
        record = make_record(settings, outcome, device.type, started, spent)
        if not settings["keep_sr"]:
            drop_attempt(store)
            store.drop(test_set.keys)
        record["adaptation"] = {
            "condition": cell.condition,
            "seed": cell.seed,
            "k": len(cell.keys),
            "exemplars": list(cell.keys),
            "shown": shown,
            "seconds": round(seconds, 3),
            **self._adapter.facts(),
            "found": found,
        }
        return record

    def _adapt(self, cell: Cell) -> tuple[dict[str, float], float, str]:
        """The method, adapted to a cell's exemplars; what was found, the seconds, and what it saw."""
        method, device = self._adapter.method, self._adapter.method.device
        method.load_state_dict(self._start)
        tell_prior_changed(method)
        method.trained_on = list(self._trained_on)
        exemplars = self._target.exemplars(cell)
        shown = canonical_hash([list(cell.keys), _digest(exemplars.lr), _digest(exemplars.hr)])
        seed = derive_seed(self._adapter.seed, "adapt", f"{cell.condition}|{cell.seed}")
        bar = progress_bar(f"adapt {cell.condition} {cell.seed}", self._adapter.steps, "step")
        clock = time.perf_counter()
        with self._target.guard.only(cell.keys), bar:
            found = self._adapter.adapt(exemplars.to(device), seed, lambda: bar.update(1))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - clock
        if self._adapter.settings.strategy != "none":
            data = self._target.data
            entry = {"data": data.name, "version": data.version, "exemplars": list(cell.keys)}
            method.trained_on = [*self._trained_on, {**entry, "images": len(cell.keys)}]
        if self._adapter.settings.keep_weights:
            self._keep(cell)
        return found, seconds, shown

    def _keep(self, cell: Cell) -> None:
        method, buffer = self._adapter.method, io.BytesIO()
        content = {
            "state_dict": method.state_dict(),
            "images_seen": method.images_seen,
            "trained_on": method.trained_on,
        }
        torch.save(content, buffer)
        write_atomically(cell.folder(self._root) / "adapted.ckpt", buffer.getvalue())

    def _data_of(self, cell: Cell) -> FaceSRDataModule:
        """A data module that tests on the cell's samples; kept while the next cell has the same."""
        keys = tuple(cell.test.keys)
        if self._data is None or self._data[0] != keys:
            self._data = keys, self._target.testing(cell, self._settings["data"])
        return self._data[1]

    def _suite_of(self, data: FaceSRDataModule) -> MetricSuite:
        """One suite for all cells: they differ in images, not in what is measured."""
        if self._suite is None:
            self._suite = MetricSuite.from_config(
                self._settings["metrics"],
                set_name=f"{data.test_name}-test",
                downsample=data.downsample,
                operator=data.degradation.settings(),
            )
        return self._suite


def _bar(cells: Sequence[Cell], wanted: AdaptationSettings) -> Any:
    conditions = len({cell.condition for cell in cells})
    log.info(
        "%d conditions by %d draws of %d exemplars: %d cells.",
        conditions, wanted.seeds, wanted.k, len(cells),
    )  # fmt: skip
    return progress_bar("cells", len(cells), "cell")


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


def _digest(images: Tensor) -> str:
    return canonical_hash(images.mul(255).round().to(torch.uint8).flatten().tolist())


def intervals_of(metrics: Mapping[str, Any], people: Mapping[str, str | None]) -> Intervals:
    """As a suite makes those of a run, from the ``metrics`` group and who is seen."""
    known = {key: person for key, person in people.items() if person}
    return Intervals(seed=int(metrics["seed"]), identities=known)
