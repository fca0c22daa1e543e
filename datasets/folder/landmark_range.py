"""Landmarks written in pixels of another size than the images have."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_bench.images import Size

from .sizes import show

log = logging.getLogger(__name__)

_SLACK = 0.1  # of a side: a tightly cropped face may have a mouth corner just outside


def warn_of_other_pixels(
    name: str,
    landmarks: Mapping[str, NDArray[np.float32]],
    sizes: Mapping[str, Size],
    source: Path | None,
) -> None:
    """Say it when landmarks cannot be, or hardly can be, pixels of the stored images.

    Args:
        name: of the split, for the message.
        landmarks: key to (5, 2) x and y, in pixels of the file.
        sizes: key to height and width of the file.
        source: the facts file.
    """
    if not landmarks:
        return
    shares = {key: (points + 0.5) / sizes[key][::-1] for key, points in landmarks.items()}
    wanted = "Landmarks are in pixels of the image as it is stored, before any data.resize"
    outside = [
        key for key, share in shares.items() if share.min() < -_SLACK or share.max() > 1 + _SLACK
    ]
    if outside:
        log.warning(
            "%s: the landmarks of %d of %d images in %s lie outside of their image (the first is %s, "
            "of %s). %s; identity and landmark metrics will be wrong.",
            source, len(outside), len(landmarks), name, outside[0], show(sizes[outside[0]]), wanted,
        )  # fmt: skip
    elif max(share.max() for share in shares.values()) < 0.5:
        first = next(iter(landmarks))
        log.warning(
            "%s: all landmarks of the %d images in %s lie in the upper left quarter of their image "
            "(%s is %s), as if they were in pixels of a smaller one. %s; identity and landmark "
            "metrics will be wrong.",
            source, len(landmarks), name, first, show(sizes[first]), wanted,
        )  # fmt: skip
