"""Run records for tests of tables: as a run of SCGAN on its WIDER protocol leaves one."""

import copy
from pathlib import Path
from typing import Any

from facesr_bench.results import REQUIRED, SCHEMA, write_record

SWITCHES = {
    "name": "scgan", "_target_": "facesr_bench.methods.scgan.SCGAN", "branches": "both",
    "share": "none", "adv": True, "pix": True, "cyc": True, "cycle_grad": "none",
}  # fmt: skip

_SOURCES = [
    {"recipe": "widerface", "images": {"train_lr": 4000}},
    {"recipe": "ffhq", "images": {"train": 20000}},
]


def metric(value: float, higher: bool = False, **facts: Any) -> dict[str, Any]:
    """An entry of a record."""
    entry = {
        "value": value, "ci95": [value - 1, value + 1], "ci_kind": "jackknife", "n": 2000,
        "higher_is_better": higher, "settings": {"resize": 299},
    }  # fmt: skip
    return entry | facts


def wider(
    fid: float = 13.4, switches: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """SCGAN, trained here for the whole budget, on 2,000 WIDER faces."""
    base: dict[str, Any] = dict.fromkeys(REQUIRED) | {
        "schema": SCHEMA,
        "method": "scgan",
        "label": "scgan",
        "scale": "full",
        "data": "scgan_widerface",
        "data_sources": [{"recipe": "widerface", "images": {"test": 2000}}],
        "protocol": {"name": "scgan_widerface", "version": 1, "hash": "a" * 64},
        "n_images": 2000,
        "metrics": {
            "fid@ffhq64-scgan-train": metric(fid),
            "kid@ffhq64-scgan-train": metric(0.0109),
            "niqe_up192": metric(6.7, settings={"exact": False}),
        },
        "metrics_failed": {},
        "metrics_skipped": {},
        "cost": {"params": 15_476_323, "seconds_per_image": 0.02},
        "config": {
            "seed": 2020,
            "method": SWITCHES | (switches or {}),
            "data": {"name": "scgan_widerface"},
        },
        "weights": [],
        "trained_on": [
            {"data": "scgan_widerface", "version": 1, "images": 4_000_000, "sources": _SOURCES}
        ],
        "test_overlap": {"known": True, "images": 0},
        "budget": {"images": 4_000_000, "declared": 4_000_000},
        "loss_networks": [],
        "origin": "trained here",
        "started": "2026-01-01T00:00:00+00:00",
    }
    return copy.deepcopy(base | changes)


def bicubic(**changes: Any) -> dict[str, Any]:
    """Bicubic on the same faces."""
    config = {
        "seed": 2020,
        "method": {"name": "bicubic", "_target_": "facesr_bench.methods.bicubic.Interpolation"},
    }
    facts = {
        "method": "bicubic", "label": "bicubic", "config": config, "trained_on": [], "budget": None,
        "origin": "no training needed",
    }  # fmt: skip
    return wider(271, **(facts | changes))


def save(root: Path, *records: dict[str, Any]) -> None:
    """A folder for each record."""
    for number, content in enumerate(records):
        (root / str(number)).mkdir(parents=True)
        write_record(root / str(number) / "result.json", content)
