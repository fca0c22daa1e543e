"""What two sets of embeddings say about identity, image by image, and why something is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.metrics.verification import (
    FALSE_ACCEPT,
    FEWEST_IMPOSTORS,
    Calibration,
    Vectors,
    calibrate,
    cosines,
    degrees,
    distances,
    other_photos,
)

Scores = NDArray[np.float64]

OWN = {"counterpart": "its own HR"}
OTHER = {"counterpart": "the person's next HR photo in key order, cyclic"}
LR = {"counterpart": "its LR, enlarged by bicubic, 8 bits"}


@dataclass(frozen=True)
class Column:
    """Scores of all images under one name.

    Attributes:
        scores: (n,); nan where an image could not be scored.
        settings: of these scores.
        higher_is_better: their direction.
        perfect: (n,) what HR itself would score in SR's place, where that is not obvious.
    """

    scores: Scores
    settings: dict[str, Any] = field(default_factory=dict)
    higher_is_better: bool = True
    perfect: Scores | None = None


Columns = dict[str, Column | str]
"""By metric name, "{}" standing for the network; a sentence says why there are no scores."""


def against_lr(sr: Vectors, lr: Vectors) -> Columns:
    """Where there is no ground truth: SR against the image it was made of."""
    return {
        "identity_cos@{}-lr": Column(cosines(sr, lr), LR),
        "deg@{}-lr": Column(degrees(sr, lr), LR, higher_is_better=False),
    }


def against_hr(
    keys: Sequence[str], sr: Vectors, hr: Vectors, people: Mapping[str, str], seed: int
) -> Columns:
    """SR against its own HR and against another HR photo of the same person.

    Args:
        keys: sorted keys of the images (n).
        sr: (n, d) unit vectors, nan for images that could not be embedded.
        hr: likewise.
        people: key to person, where known.
        seed: of the choice of impostors in large sets.
    """
    others = other_photos(keys, people, np.asarray(np.isfinite(hr).all(axis=1)))
    own = cosines(sr, hr)
    other, perfect = (
        np.where(others >= 0, cosines(images, hr[others]), np.nan) for images in (sr, hr)
    )
    columns: Columns = {
        "identity_cos@{}-own": Column(own, OWN),
        "identity_cos@{}-other": Column(other, OTHER, perfect=perfect),
        "deg@{}-own": Column(degrees(sr, hr), OWN, higher_is_better=False),
    }
    found = calibrate(keys, hr, people, seed)
    if found.pairs < FEWEST_IMPOSTORS:
        reason = (
            f"its threshold needs {FEWEST_IMPOSTORS} pairs of HR images of different known people, "
            f"but there are {found.pairs}"
        )
        columns |= {"tar_far1e-3@{}-own": reason, "tar_far1e-3@{}-other": reason}
    else:
        rule = _rule(found)
        columns |= {
            "tar_far1e-3@{}-own": Column(_above(own, found), OWN | rule),
            "tar_far1e-3@{}-other": Column(
                _above(other, found), OTHER | rule, perfect=_above(perfect, found)
            ),
        }
    if not np.isfinite(other).any():
        reason = "no person of these images is known to have another photo"
        columns |= {"identity_cos@{}-other": reason, "tar_far1e-3@{}-other": reason}
    return columns


def verified(sr: Vectors, hr: Vectors, limit: float, seen: NDArray[np.bool_] | None) -> Column:
    """1 where SR lies nearer than ``limit`` to its own HR and, if asked, a face was seen in both."""
    apart = distances(sr, hr)
    near = apart < limit
    if seen is not None:
        near &= seen
    scores = np.where(np.isfinite(apart), near.astype(np.float64), np.nan)
    return Column(scores, OWN | {"euclidean_distance_below": limit})


def _above(scores: Scores, found: Calibration) -> Scores:
    above = (scores > found.threshold).astype(np.float64)
    return np.where(np.isfinite(scores), above, np.nan)


def _rule(found: Calibration) -> dict[str, Any]:
    """The threshold is told by three digits, so that two machines' rounding keeps one column."""
    return {
        "false_accept_rate": FALSE_ACCEPT,
        "threshold": round(found.threshold, 3),
        "impostor_pairs": found.pairs,
        "impostor_images": found.images,
    }
