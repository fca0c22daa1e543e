"""Scoring side outputs: the run's own metrics, at each side, under names that say it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.metrics.base import Expected
from facesr_bench.metrics.lr_consistency import Downsample
from facesr_bench.metrics.scores import Scores
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.scoring import score_batches
from facesr_bench.side_outputs import HR_OPERATOR, SideStores, key_at, reduced


def suite_at(config: Mapping[str, Any], data: FaceSRDataModule, side: int) -> MetricSuite:
    """The metrics of one side; LR consistency takes the protocol's operator from there.

    Args:
        config: the ``metrics`` group.
        data: of the run.
        side: in pixels.

    Raises:
        ConfigError: a measure that cannot be built.
        MissingRequirement: weights or packages that are not there.
    """
    whole, rest = divmod(side, data.lr_size)
    operator = data.degradation.at_factor(whole) if whole and not rest else None
    downsample: Downsample | None = None
    if operator is not None and data.test_set.made_lr:
        downsample = operator.downsample
    settings = None if operator is None else operator.settings()
    return MetricSuite.from_config(config, f"{data.test_name}-test", downsample, settings)


def score_sides(
    stores: SideStores,
    data: FaceSRDataModule,
    config: Mapping[str, Any],
    positions: Sequence[int],
    batch_size: int,
    device: torch.device,
) -> tuple[Scores, set[str]]:
    """Score every side's images; collective over ranks, as :meth:`MetricSuite.score`.

    Args:
        stores: hold them.
        data: of the run.
        config: the ``metrics`` group.
        positions: this rank's.
        batch_size: images at once.
        device: of the metrics' networks.

    Returns:
        Everything under its name at that side, and the names that were asked for.
    """
    found, asked = Scores(), set[str]()
    for side, store in stores.stores.items():
        suite = suite_at(config, data, side)
        asked |= {key_at(name, side) for metric in suite.metrics for name in metric.keys}
        test_set = reduced(data.test_set, side)
        asks = test_set.has_hr and any(metric.compares_whole_hr for metric in suite.metrics)
        scores = suite.to(device).score(
            score_batches(test_set, store, positions, batch_size, data.test_set if asks else None),
            Expected(len(test_set), test_set.hr_hash),
        )
        place = {"side": side, "hr": f"reduced by {HR_OPERATOR}"}
        for key, value in scores.values.items():
            found.values[key_at(key, side)] = replace(value, settings=value.settings | place)
        found.per_image.update({key_at(k, side): v for k, v in scores.per_image.items()})
        found.skipped.update({key_at(k, side): v for k, v in scores.skipped.items()})
        found.failed.update({key_at(k, side): v for k, v in scores.failed.items()})
    return found, asked


def joined(scores: Scores, sides: Scores) -> Scores:
    """Both in one."""
    return Scores(
        values=scores.values | sides.values,
        per_image=scores.per_image | sides.per_image,
        skipped=scores.skipped | sides.skipped,
        failed=scores.failed | sides.failed,
        images=scores.images,
    )
