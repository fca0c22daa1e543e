"""Same person or not: angles and distances of embeddings, and thresholds from impostors.

Thresholds come from pairs of HR images of different people of the same test set. Among bicubic images
different people score 0.82 on average, so a threshold from SR pairs, or one taken over from a data
sheet, would say nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.seeding import numpy_rng

Vectors = NDArray[np.float64]

FALSE_ACCEPT = 1e-3
FEWEST_IMPOSTORS = 10_000
"""Pairs below which a false-accept rate of 1e-3 would rest on a handful of them."""
_MOST_IMAGES = 3_000  # 4.5 million pairs; more move the threshold by less than 0.001


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Rows (n, d) of length one in float64; rows of nan or of zeros become nan."""
    rows = vectors.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def cosines(a: Vectors, b: Vectors) -> NDArray[np.float64]:
    """Cosine of corresponding unit vectors (n,), never beyond 1."""
    return np.asarray(np.clip(np.sum(a * b, axis=1), -1.0, 1.0))


def distances(a: Vectors, b: Vectors) -> NDArray[np.float64]:
    """Euclidean distance of corresponding unit vectors (n,), 0 to 2."""
    return np.asarray(np.linalg.norm(a - b, axis=1))


def degrees(a: Vectors, b: Vectors) -> NDArray[np.float64]:
    """Angle between corresponding unit vectors (n,), 0 to 180.

    The arc cosine, by a formula that also holds where the cosine rounds to 1 (Kahan).
    """
    angle = 2 * np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return np.asarray(np.degrees(angle))


def other_photos(
    keys: Sequence[str], people: Mapping[str, str], usable: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """For each image the next usable photo of the same person in key order, cyclic.

    Args:
        keys: sorted keys of the images (n).
        people: key to person, where known.
        usable: (n,) whether an image can be compared with.

    Returns:
        (n,) positions; -1 where the person is unknown or has no other usable photo.
    """
    photos: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key in people:
            photos.setdefault(people[key], []).append(index)
    others = np.full(len(keys), -1, dtype=np.int64)
    for album in photos.values():
        for place, index in enumerate(album):
            following = album[place + 1 :] + album[:place]
            others[index] = next((other for other in following if usable[other]), -1)
    return others


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it rests on.

    Attributes:
        threshold: a pair whose cosine lies above is accepted.
        pairs: impostor pairs.
        images: images they were made of.
    """

    threshold: float
    pairs: int
    images: int


def calibrate(
    keys: Sequence[str],
    vectors: Vectors,
    people: Mapping[str, str],
    seed: int,
    rate: float = FALSE_ACCEPT,
) -> Calibration:
    """The smallest threshold that accepts at most a share ``rate`` of all pairs of different people.

    Args:
        keys: sorted keys of the images (n).
        vectors: (n, d) unit vectors; rows of nan are left out, as are images of nobody known.
        people: key to person, where known.
        seed: of the choice of images where there are more than 3,000.
        rate: false-accept rate.
    """
    known = np.array([key in people for key in keys], dtype=bool)
    chosen = np.flatnonzero(known & np.isfinite(vectors).all(axis=1))
    if len(chosen) > _MOST_IMAGES:
        rng = numpy_rng(seed, "verification/impostors", len(chosen))
        chosen = np.sort(rng.choice(chosen, _MOST_IMAGES, replace=False))
    numbers: dict[str, int] = {}
    person = [people[keys[int(index)]] for index in chosen]
    names = np.array([numbers.setdefault(name, len(numbers)) for name in person], dtype=np.int64)
    rows = vectors[chosen]
    strangers = [
        (rows[i + 1 :] @ rows[i])[names[i + 1 :] != names[i]] for i in range(len(chosen) - 1)
    ]
    impostors = np.concatenate(strangers) if strangers else np.empty(0)
    return Calibration(accepting(impostors, rate), len(impostors), len(chosen))


def accepting(impostors: NDArray[np.float64], rate: float) -> float:
    """The smallest threshold that at most a share ``rate`` of these cosines lies above."""
    allowed = int(rate * len(impostors) + 1e-9)
    if allowed >= len(impostors):
        return -1.0
    place = len(impostors) - 1 - allowed
    return float(np.partition(impostors, place)[place])
