"""From cells to a protocol's numbers: means over conditions and draws, and how far they lie apart."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from facesr_bench.metrics.scores import PerImage
from facesr_bench.protocol import canonical_hash

Record = Mapping[str, Any]


def aggregated(cells: Sequence[Record], label: str) -> dict[str, Any]:
    """The record of a protocol from those of its cells, all of one method and strategy.

    A metric's value is the mean over conditions of the mean over exemplar draws (what the paper
    prints). Its ``spread`` is the standard deviation over draws of the mean over conditions: what
    another exemplar would change. There is no interval: images are the same in every draw.

    Args:
        cells: records, each with ``adaptation.condition`` and ``adaptation.seed``.
        label: what tables call it.
    """
    first = cells[0]
    metrics, skipped = _metrics(cells)
    failed = {k: v for cell in reversed(cells) for k, v in cell["metrics_failed"].items()}
    skipped |= {k: v for c in reversed(cells) for k, v in c["metrics_skipped"].items()}
    hashes = sorted({str(cell["protocol"]["hash"]) for cell in cells})
    shown = sorted({str(cell["adaptation"]["shown"]) for cell in cells})
    adaptation = {
        **{k: first["adaptation"][k] for k in ("k", "strategy", "stylist")},
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
        "n_images": sum({c["adaptation"]["condition"]: c["n_images"] for c in cells}.values()),
        "metrics": metrics,
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
        dropped = ("ci95", "ci_kind", "se", "ci_units", "replicates", "floor", "floor_is", "spread")
        entry = {k: v for k, v in sample.items() if k not in dropped}
        entry |= dict.fromkeys(("ci95", "ci_kind", "se", "ci_units"))
        entry |= {"value": statistics.fmean(conditions), "n": len(cells)}
        entry["n"] = sum({c["adaptation"]["condition"]: c["n_images"] for c in cells}.values())
        if len(draws) > 1:
            entry["spread"] = statistics.stdev(draws)
        entry["over"] = {
            "conditions": _summary(conditions),
            "seeds": _summary(draws),
            "cells": len(cells),
        }
        found[name] = entry
    return found, partial


def _summary(values: Sequence[float]) -> dict[str, float | None]:
    """Mean, sample standard deviation (None of a single value), smallest and largest."""
    return {
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "min": min(values),
        "max": max(values),
    }
