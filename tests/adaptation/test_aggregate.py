"""From cells to a protocol: means and spreads by hand, and what is the same question."""

from typing import Any

import pytest

from facesr_bench.adaptation.aggregate import aggregated, mean_per_image


def cell(condition: str, seed: int, psnr: float, shown: str = "x", **more: Any) -> dict[str, Any]:
    metric = {
        "value": psnr, "higher_is_better": True, "n": 4, "settings": {}, "settings_hash": "s",
        "ci95": [0, 1], "ci_kind": "t", "se": 0.1, "ci_units": "4 images", "replicates": [1.0],
    }  # fmt: skip
    return {
        "data": "two_lights", "label": "m", "protocol": {"name": "p", "version": 1, "hash": condition},
        "lr_hash": condition, "hr_hash": condition, "sr_hash": f"{condition}{seed}", "n_images": 4,
        "metrics": {"psnr": metric}, "metrics_skipped": {}, "metrics_failed": {},
        "findings": {}, "trained_on": [],
        "started": f"2026-01-0{seed + 1}", "seconds": 2.0,
        "adaptation": {
            "condition": condition, "seed": seed, "k": 1, "shown": f"{shown}{condition}{seed}",
            "seconds": 1.0 + seed, "strategy": "own", "stylist": None, "exemplars": ["a"],
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
