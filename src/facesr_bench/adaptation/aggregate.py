"""From cells to a protocol's numbers: means over conditions and draws, and how far they lie apart."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.scores import PerImage
from facesr_bench.protocol import canonical_hash

Record = Mapping[str, Any]


def aggregated(
    cells: Sequence[Record],
    label: str,
    tables: Sequence[PerImage] = (),
    intervals: Intervals | None = None,
) -> dict[str, Any]:
    """The record of a protocol from those of its cells, all of one method and strategy.

    A metric's value is the mean over conditions of the mean over exemplar draws (what the paper
    prints). Its ``spread`` is the standard deviation over draws of the mean over conditions: what
    another exemplar would change. Its interval tells what other people would change, the draws being
    what they are: who is resampled is so in every cell. Distances between sets have none.

    Args:
        cells: records, each with ``adaptation.condition`` and ``adaptation.seed``.
        label: what tables call it.
        tables: the single images' scores of each cell, in the same order; without, no intervals.
        intervals: seed, replicates and identities of the bootstrap.
    """
    first = cells[0]
    metrics, skipped = _metrics(cells)
    if tables:
        _give_intervals(metrics, tables, intervals or Intervals())
    failed = {k: v for cell in reversed(cells) for k, v in cell["metrics_failed"].items()}
    skipped |= {k: v for c in reversed(cells) for k, v in c["metrics_skipped"].items()}
    hashes = sorted({str(cell["protocol"]["hash"]) for cell in cells})
    shown = sorted({str(cell["adaptation"]["shown"]) for cell in cells})
    adaptation = {
        **{k: first["adaptation"][k] for k in ("k", "strategy", "stylist", "style_features")},
        "conditions": sorted({cell["adaptation"]["condition"] for cell in cells}),
        "seeds": sorted({cell["adaptation"]["seed"] for cell in cells}),
        "seconds": _summary([cell["adaptation"]["seconds"] for cell in cells]),
        "cells": [
            {
                **cell["adaptation"],
                "n_images": cell["n_images"],
                "metrics": {name: m["value"] for name, m in cell["metrics"].items()},
            }
            for cell in cells
        ],
    }
    name = f"{first['data']}-{first['adaptation']['k']}shot"
    return {
        **first,
        "label": label,
        "data": name,
        # Which faces are shown is part of the question: rows of one table were shown the same.
        "protocol": {
            "name": name,
            "version": first["protocol"]["version"],
            "hash": canonical_hash([*hashes, *shown]),
        },
        "lr_hash": canonical_hash(sorted({cell["lr_hash"] for cell in cells})),
        "hr_hash": canonical_hash(sorted({str(cell["hr_hash"]) for cell in cells})),
        "sr_hash": canonical_hash([cell["sr_hash"] for cell in cells]),
        "trained_on": _trained_on(cells),
        "n_images": _images(cells),
        "metrics": metrics,
        "findings": _findings(cells),
        "metrics_skipped": {k: v for k, v in skipped.items() if k not in metrics},
        "metrics_failed": {k: v for k, v in failed.items() if k not in metrics},
        "adaptation": adaptation,
        "started": min(str(cell["started"]) for cell in cells),
        "seconds": round(math.fsum(cell["seconds"] for cell in cells), 3),
    }


def mean_per_image(cells: Sequence[PerImage]) -> PerImage:
    """Each image's mean over the draws under which it was tested."""
    values: dict[str, dict[str, list[float]]] = {}
    for cell in cells:
        for name, column in cell.items():
            for key, value in column.items():
                values.setdefault(name, {}).setdefault(key, []).append(value)
    return {
        name: {key: math.fsum(found) / len(found) for key, found in sorted(column.items())}
        for name, column in values.items()
    }


def _trained_on(cells: Sequence[Record]) -> list[dict[str, Any]]:
    """That of the source, and all exemplars of all cells, of which each model saw ``images``."""
    *before, last = cells[0]["trained_on"] or [{}]
    if "exemplars" not in last:
        return list(cells[0]["trained_on"])
    shown = {key for cell in cells for key in cell["trained_on"][-1]["exemplars"]}
    return [*before, {**last, "exemplars": sorted(shown)}]


def _metrics(cells: Sequence[Record]) -> tuple[dict[str, Any], dict[str, str]]:
    found, partial = {}, {}
    for name, sample in cells[0]["metrics"].items():
        having = [cell for cell in cells if name in cell["metrics"]]
        if len(having) < len(cells):
            partial[name] = f"only {len(having)} of {len(cells)} cells have a value"
            continue
        by_condition: dict[str, list[float]] = {}
        by_seed: dict[int, list[float]] = {}
        for cell in cells:
            value = cell["metrics"][name]["value"]
            by_condition.setdefault(cell["adaptation"]["condition"], []).append(value)
            by_seed.setdefault(cell["adaptation"]["seed"], []).append(value)
        conditions = [statistics.fmean(values) for values in by_condition.values()]
        draws = [statistics.fmean(values) for values in by_seed.values()]
        dropped = (
            "ci95", "ci_kind", "se", "ci_units", "replicates", "floor", "floor_is", "spread",
            "not_scored",
        )  # fmt: skip
        entry = {k: v for k, v in sample.items() if k not in dropped}
        entry |= dict.fromkeys(("ci95", "ci_kind", "se", "ci_units"))
        entry["value"] = statistics.fmean(conditions)
        lost = _most_lost(name, cells)
        entry["n"] = _images(cells) - lost
        if lost:
            entry["not_scored"] = lost
        if len(draws) > 1:
            entry["spread"] = statistics.stdev(draws)
        entry["over"] = {
            "conditions": _summary(conditions),
            "seeds": _summary(draws),
            "cells": len(cells),
        }
        found[name] = entry
    return found, partial


def _images(cells: Sequence[Record]) -> int:
    """Of all conditions; every draw of one is tested on as many."""
    return sum({c["adaptation"]["condition"]: int(c["n_images"]) for c in cells}.values())


def _most_lost(name: str, cells: Sequence[Record]) -> int:
    """Images a metric could not score: in each condition, of the draw that lost most."""
    most: dict[str, int] = {}
    for cell in cells:
        condition = cell["adaptation"]["condition"]
        lost = int(cell["metrics"][name].get("not_scored") or 0)
        most[condition] = max(most.get(condition, 0), lost)
    return sum(most.values())


def _findings(cells: Sequence[Record]) -> dict[str, dict[str, float]]:
    """What the method reported of its images, over all images of all cells."""
    found: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(name for cell in cells for name in cell.get("findings") or {}):
        told = [cell["findings"][name] for cell in cells if name in (cell.get("findings") or {})]
        number = sum(entry["n"] for entry in told)
        mean = math.fsum(entry["mean"] * entry["n"] for entry in told) / number
        found[name] = {"mean": mean, "n": number}
    return found


def _give_intervals(
    metrics: Mapping[str, dict[str, Any]], tables: Sequence[PerImage], intervals: Intervals
) -> None:
    """An interval for every metric that scores single images in every cell."""
    for name, entry in metrics.items():
        if not entry.get("per_image") or not all(name in table for table in tables):
            continue
        found = intervals.mean_of_means([table[name] for table in tables])
        if found is not None:
            entry |= {
                "ci95": list(found.ci95),
                "ci_kind": found.kind,
                "se": found.se,
                "ci_units": found.units,
            }


def _summary(values: Sequence[float]) -> dict[str, float | None]:
    """Mean, sample standard deviation (None of a single value), smallest and largest."""
    return {
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "min": min(values),
        "max": max(values),
    }
