"""Scores of today in a record of yesterday: what was settled is no longer open."""

from typing import Any

from facesr_bench.evaluate.merging import merge_record
from facesr_bench.metrics.scores import Scores
from facesr_bench.metrics.value import MetricValue

NEW = MetricValue(21.0, True, 4, {"peak": 255})


def record(**fields: Any) -> dict[str, Any]:
    old = MetricValue(0.3, False, 4, {}).to_json()
    return {"metrics": {"lpips": old}, "metrics_failed": {}, "metrics_skipped": {}, **fields}


def test_a_metric_that_has_a_value_now_is_no_longer_failed_or_skipped() -> None:
    before = record(metrics_failed={"psnr": "it broke", "fid": "so did it"},
                    metrics_skipped={"niqe": "no weights"})  # fmt: skip
    merged = merge_record(before, Scores({"psnr": NEW}), {"psnr"}, {"when": "now"})
    assert list(merged["metrics"]) == ["lpips", "psnr"]
    assert merged["metrics_failed"] == {"fid": "so did it"}
    assert merged["metrics_skipped"] == {"niqe": "no weights"}
    assert merged["rescored"] == [{"when": "now"}]
    assert before["metrics_failed"] == {"psnr": "it broke", "fid": "so did it"}, "a copy"


def test_a_name_that_was_asked_for_and_came_under_another_is_settled() -> None:
    before = record(metrics_skipped={"lr_psnr": "no operator"})
    merged = merge_record(before, Scores({"lr_psnr_bicubic": NEW}), {"lr_psnr"}, {})
    assert merged["metrics_skipped"] == {}
