"""Scoring images again, and comparing with a run's table and record."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.base import Expected, PerImageMetric, ScoreBatch
from facesr_bench.metrics.scores import PerImage
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.scoring import stack
from facesr_bench.verify.comparing import compare_scores, compare_values
from facesr_bench.verify.verdict import Verdict


def compare_with_scores(
    verdict: Verdict,
    record: Mapping[str, Any],
    table: PerImage,
    data: FaceSRDataModule,
    images: Mapping[str, UInt8Image],
    device: torch.device,
    everything: bool,
) -> None:
    """Measure what the run measured and add what differs to the verdict.

    Args:
        verdict: gets findings, the names compared, and notes on the others.
        record: of the run.
        table: its ``per_image.csv``.
        data: of the run.
        images: SR by key, as stored; as made again where none are stored.
        device: of the metrics' networks.
        everything: these are all images, so that values of whole sets can be compared, too.
    """
    suite = MetricSuite.from_config(
        _measured(record), f"{data.test_name}-test", data.downsample, data.degradation.settings()
    )
    if not everything:  # what needs the other images of the set would come out otherwise
        suite.metrics = [m for m in suite.metrics if isinstance(m, PerImageMetric)]
    # Statistics of HR may be cached under the hash of the whole set only.
    hr_hash = data.test_set.hr_hash if everything else None
    scores = suite.to(device).score(_batches(data, images), Expected(len(images), hr_hash))
    tolerance = verdict.tolerance.score
    findings, compared = compare_scores(table, scores.per_image, tolerance, "what its image scores")
    verdict.findings += findings
    if everything:
        again = {key: value.to_json() for key, value in scores.values.items()}
        verdict.findings += compare_values(record, again, tolerance)
        compared = [*compared, *(key for key in again if key not in compared)]
    verdict.scores = compared
    left = [key for key in record["metrics"] if key not in compared]
    if left:
        why = "not computed here" if everything else "need all images: --share 1.0"
        verdict.notes.append(f"not measured again ({why}): {', '.join(left)}")


def _measured(record: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of the run and of whoever scored it again; what cannot be built here is left out."""
    config = dict(record["config"]["metrics"])
    measures = dict(config["measures"] or {})
    for note in record.get("rescored") or []:
        measures = (note["config"]["metrics"].get("measures") or {}) | measures
    names = config.get("only")
    only = None if names is None or record.get("rescored") else names
    return {**config, "measures": measures, "only": only, "on_missing": "skip"}


def _batches(data: FaceSRDataModule, images: Mapping[str, UInt8Image]) -> Iterator[ScoreBatch]:
    test_set, size = data.test_set, data.test_batch_size
    chosen = [position for position, key in enumerate(test_set.keys) if key in images]
    for start in range(0, len(chosen), size):
        positions = chosen[start : start + size]
        samples = [test_set.sample(position) for position in positions]
        hr = [sample.hr for sample in samples if sample.hr is not None]
        yield ScoreBatch(
            keys=[test_set.keys[p] for p in positions],
            sr=stack([images[test_set.keys[p]] for p in positions]),
            hr=stack(hr) if test_set.has_hr else None,
            lr=stack([test_set.lr[p] for p in positions]),
            identities=[test_set.identities[p] for p in positions],
            landmarks=[sample.landmarks for sample in samples],
            attributes=[sample.attributes for sample in samples],
        )
