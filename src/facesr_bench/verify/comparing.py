"""What may differ between a run and its repetition, and by how much."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facesr_bench.images import UInt8Image
from facesr_bench.metrics.scores import PerImage

NAMED = 3
"""Offenders named in a sentence; the rest are counted."""


@dataclass(frozen=True)
class Tolerance:
    """How far apart two makings of one image, or two scores, may lie.

    Attributes:
        levels: most a pixel may differ, of 255.
        mean_levels: most the pixels of one image may differ on average.
        score: of scores of the very same pixels, relative and absolute.
    """

    levels: int
    mean_levels: float
    score: float

    def to_json(self) -> dict[str, float]:
        """The attributes by name."""
        return asdict(self)


SAME_DEVICE = Tolerance(levels=0, mean_levels=0.0, score=1e-6)
OTHER_DEVICE = Tolerance(levels=1, mean_levels=0.02, score=1e-4)
"""Sums in another order move the last bits of float32; rounding to 8 bits turns some into a level."""


def same_device(then: Mapping[str, Any], now: Mapping[str, Any], torch: tuple[str, str]) -> bool:
    """Whether the same machine and PyTorch add up in the same order.

    Args:
        then: device facts of the record.
        now: of this process.
        torch: PyTorch's version then and now.
    """
    keys = ("type", "name", "threads")
    return torch[0] == torch[1] and all(then.get(key) == now.get(key) for key in keys)


def compare_images(
    stored: Mapping[str, UInt8Image], again: Mapping[str, UInt8Image], tolerance: Tolerance
) -> tuple[list[str], dict[str, Any]]:
    """Findings about images of the same keys, and numbers for the record."""
    worst, differing, beyond = 0, 0, []
    for key, image in again.items():
        if stored[key].shape != image.shape:
            beyond.append(f"{key} has another size")
            continue
        gap = np.abs(image.astype(np.int16) - stored[key].astype(np.int16))
        largest, mean = int(gap.max()), float(gap.mean())
        worst, differing = max(worst, largest), differing + bool(largest)
        if largest > tolerance.levels or mean > tolerance.mean_levels:
            beyond.append(
                f"{key} by up to {largest} of 255 in {int((gap > 0).any(2).sum())} pixels"
            )
    numbers = {"images": len(again), "differing": differing, "largest_difference": worst}
    if not beyond:
        return [], numbers
    said = f"{len(beyond)} of {len(again)} stored SR images are not what the weights make: "
    return [said + _some(beyond)], numbers


def compare_scores(
    table: PerImage, again: PerImage, tolerance: float, what: str
) -> tuple[list[str], list[str]]:
    """Findings about per-image scores, and the columns that were compared."""
    findings, compared = [], []
    for name, column in again.items():
        if name not in table:
            continue
        compared.append(name)
        off = [
            f"{key} has {table[name].get(key, math.nan):.8g}, not {value:.8g}"
            for key, value in column.items()
            if not close(table[name].get(key, math.nan), value, tolerance)
        ]
        if off:
            findings.append(f"{name} of {len(off)} images differs from {what}: {_some(off)}")
    return findings, compared


def compare_means(record: Mapping[str, Any], table: PerImage) -> list[str]:
    """Findings about a record whose values are not the means of its own per-image table."""
    findings = []
    for name, metric in record["metrics"].items():
        if not metric.get("per_image"):
            continue
        column = table.get(name)
        if column is None:
            findings.append(f"per_image.csv has no column {name}, which the record averages")
            continue
        finite = [value for value in column.values() if math.isfinite(value)]
        mean = math.fsum(finite) / len(finite) if finite else math.nan
        if len(finite) != metric["n"] or not close(metric["value"], mean, 1e-9):
            findings.append(
                f"the record says {name} = {metric['value']:.8g} over {metric['n']} images, but "
                f"per_image.csv averages to {mean:.8g} over {len(finite)}"
            )
    return findings


def compare_values(
    record: Mapping[str, Any], again: Mapping[str, Mapping[str, Any]], tolerance: float
) -> list[str]:
    """Findings about values of whole sets, measured again on all images."""
    findings = []
    for name, new in again.items():
        old = record["metrics"].get(name)
        if old is not None and not close(old["value"], new["value"], tolerance):
            findings.append(f"{name} is {new['value']:.8g}, the record says {old['value']:.8g}")
    return findings


def close(one: float, other: float, tolerance: float) -> bool:
    """Equal within a tolerance, relative above 1 and absolute below; nan equals nan."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return ", ".join(items[:NAMED]) + more
