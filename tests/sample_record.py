"""A run record with one metric, for tests."""

from typing import Any

from facesr_bench.results import REQUIRED, SCHEMA


def record() -> dict[str, Any]:
    """Complete, and of the present schema."""
    metric = {
        "value": 20.5, "ci95": [19, 21], "n": 5, "higher_is_better": True, "settings": {"range": 1}
    }  # fmt: skip
    return dict.fromkeys(REQUIRED) | {
        "schema": SCHEMA, "method": "bicubic", "data": "tiny", "n_images": 5, "metrics": {"x": metric},
        "protocol": {"name": "tiny", "version": 1, "hash": "a" * 64}, "cost": {"params": 3},
        "trained_on": [{"images": 3}], "budget": {"images": 1, "declared": 2},
        "origin": "trained here", "started": "2026-01-01",
    }  # fmt: skip
