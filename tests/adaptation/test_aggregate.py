"""From cells to a protocol: means and spreads by hand, and what is the same question."""

from typing import Any

import numpy as np
import pytest

from facesr_bench.adaptation.aggregate import aggregated, mean_per_image
from facesr_bench.metrics.intervals import Intervals


def cell(condition: str, seed: int, psnr: float, shown: str = "x", **more: Any) -> dict[str, Any]:
    metric = {
        "value": psnr, "higher_is_better": True, "n": 4, "settings": {}, "settings_hash": "s",
        "ci95": [0, 1], "ci_kind": "t", "se": 0.1, "ci_units": "4 images", "replicates": [1.0],
        "per_image": True,
    }  # fmt: skip
    return {
        "data": "two_lights", "label": "m", "protocol": {"name": "p", "version": 1, "hash": condition},
        "lr_hash": condition, "hr_hash": condition, "sr_hash": f"{condition}{seed}", "n_images": 4,
        "metrics": {"psnr": metric}, "metrics_skipped": {}, "metrics_failed": {},
        "findings": {}, "trained_on": [],
        "started": f"2026-01-0{seed + 1}", "seconds": 2.0,
        "adaptation": {
            "condition": condition, "seed": seed, "k": 1, "shown": f"{shown}{condition}{seed}",
            "seconds": 1.0 + seed, "strategy": "own", "stylist": None, "style_features": None,
            "exemplars": ["a"],
        },
        **more,
    }  # fmt: skip


def four(shown: str = "x") -> list[dict[str, Any]]:
    values = {("bright", 0): 20.0, ("bright", 1): 22.0, ("dim", 0): 10.0, ("dim", 1): 14.0}
    return [cell(*where, psnr, shown) for where, psnr in values.items()]


def test_mean_over_conditions_and_spread_over_draws() -> None:
    record = aggregated(four(), "m + x")
    metric = record["metrics"]["psnr"]
    assert metric["value"] == pytest.approx(16.5)
    assert metric["spread"] == pytest.approx(1.5 * 2**0.5)  # of 15 and 18
    assert metric["over"]["seeds"]["min"] == 15 and metric["over"]["seeds"]["max"] == 18
    assert metric["over"]["conditions"]["std"] == pytest.approx(9 / 2**0.5)  # of 21 and 12
    assert metric["over"]["cells"] == 4 and metric["n"] == record["n_images"] == 8
    assert metric["ci95"] is None and "replicates" not in metric
    assert record["label"] == "m + x" and record["seconds"] == 8.0
    assert record["adaptation"]["seconds"]["mean"] == 1.5
    assert record["adaptation"]["conditions"] == ["bright", "dim"]


def test_conditions_weigh_the_same_however_many_images_they_have() -> None:
    cells = four()
    cells[0]["n_images"] = cells[1]["n_images"] = 400
    assert aggregated(cells, "m")["metrics"]["psnr"]["value"] == pytest.approx(16.5)


def test_a_single_draw_has_no_spread() -> None:
    metric = aggregated(four()[:1], "m")["metrics"]["psnr"]
    assert "spread" not in metric and metric["over"]["seeds"]["std"] is None


def test_a_metric_that_some_cells_lack_is_left_out_with_the_reason() -> None:
    cells = four()
    cells[2]["metrics"] = {}
    record = aggregated(cells, "m")
    assert record["metrics"] == {}
    assert record["metrics_skipped"]["psnr"] == "only 3 of 4 cells have a value"


def test_other_exemplars_are_another_protocol() -> None:
    hashes = [aggregated(four(shown), "m")["protocol"]["hash"] for shown in ("x", "x", "y")]
    assert hashes[0] == hashes[1] != hashes[2]
    fewer = aggregated(four()[:2], "m")["protocol"]["hash"]
    assert fewer != hashes[0]


def test_images_have_their_mean_over_draws() -> None:
    found = mean_per_image([{"psnr": {"a": 1.0, "b": 2.0}}, {"psnr": {"a": 3.0}}])
    assert found == {"psnr": {"a": 2.0, "b": 2.0}}


def test_the_interval_is_of_people_who_are_drawn_in_every_cell() -> None:
    """Four people, each in both conditions and both draws: as sure as four, not as sixteen."""
    spread = {"a": -3.0, "b": -1.0, "c": 1.0, "d": 3.0}
    cells = four()
    tables = [
        {"psnr": {f"{person}-{c['adaptation']['condition']}": c["metrics"]["psnr"]["value"] + x
                  for person, x in spread.items()}}
        for c in cells
    ]  # fmt: skip
    identities = {key: key[0] for table in tables for key in table["psnr"]}
    intervals = Intervals(replicates=2000, identities=identities)
    metric = aggregated(cells, "m", tables, intervals)["metrics"]["psnr"]
    assert metric["value"] == pytest.approx(16.5)
    alone = intervals.mean(sorted(tables[0]["psnr"]), np.array(sorted(spread.values())))
    assert alone is not None and metric["ci_units"] == "4 people"
    low, high = alone.ci95
    assert metric["ci95"] == pytest.approx([16.5 + low, 16.5 + high])
    assert metric["se"] == pytest.approx(alone.se) and metric["ci_kind"] == "bootstrap"
    # As images of nobody known they would be twice as many, and look surer than they are.
    unknown = aggregated(cells, "m", tables, Intervals(replicates=2000))["metrics"]["psnr"]
    assert unknown["ci_units"] == "8 images" and unknown["se"] < 0.8 * metric["se"]
    for cell in cells:
        cell["metrics"]["psnr"]["per_image"] = False  # a distance
    assert aggregated(cells, "m", tables, intervals)["metrics"]["psnr"]["ci95"] is None


def test_images_that_no_draw_could_score_are_counted_once_and_findings_are_of_all() -> None:
    cells = four()
    for cell, lost, mean in zip(cells, (3, 1, 0, 0), (1.0, 2.0, 3.0, 4.0), strict=True):
        cell["metrics"]["psnr"]["not_scored"] = lost
        cell["findings"] = {"converged": {"mean": mean, "n": 4}}
    cells[3]["findings"]["converged"]["n"] = 12
    record = aggregated(cells, "m")
    assert record["metrics"]["psnr"]["not_scored"] == 3 and record["metrics"]["psnr"]["n"] == 5
    assert record["findings"]["converged"] == {"mean": pytest.approx(72 / 24), "n": 24}
