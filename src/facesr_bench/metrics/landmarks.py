"""Five landmarks of each image: where metrics take them from, and how far detected ones are off."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facesr_bench.errors import ConfigError, MissingRequirement
from facesr_bench.faces.yunet import PREPARING, Detector, YuNet, face_above
from facesr_bench.metrics.base import Landmarks, ScoreBatch, pixels
from facesr_bench.resize import resize

Origin = Literal["stored", "detect", "auto"]

NONE, STORED, FOUND = 0, 1, 2
"""Where an image's landmarks came from, as a row of a metric."""


class LandmarkSource:
    """Landmarks of the truth: never those of the SR image, which may lack a face.

    Args:
        origin: "stored" takes the data set's, "detect" finds all of them with YuNet (score > 0.6),
            "auto" finds those the data set lacks.
        detector: YuNet with the registered weights when not given.

    Raises:
        ConfigError: another word.
        MissingRequirement: "detect" or "auto" without YuNet's weights.
    """

    def __init__(self, origin: Origin = "auto", detector: Detector | None = None) -> None:
        if origin not in get_args(Origin):
            raise ConfigError(
                f"landmarks={origin!r} does not exist; choose {', '.join(get_args(Origin))}."
            )
        self.origin = origin
        self.detector = detector
        if detector is None and origin != "stored":
            self.detector = _yunet(origin)

    def find(
        self, batch: ScoreBatch, truth: Tensor | None
    ) -> tuple[list[Landmarks | None], NDArray[np.int8]]:
        """Landmarks of a batch in SR pixels.

        Args:
            batch: with the stored landmarks.
            truth: uint8 (B, 3, H, W), HR or what stands in for it, to find faces in; None to do
                without.

        Returns:
            Five points or None for each image, and where they came from (B,).
        """
        points: list[Landmarks | None] = [None] * len(batch.keys)
        if self.origin != "detect":
            points = [_usable(stored) for stored in batch.landmarks]
        origins = np.array([NONE if p is None else STORED for p in points], dtype=np.int8)
        if self.detector is not None and self.origin != "stored" and truth is not None:
            for index in np.flatnonzero(origins == NONE):
                (image,) = pixels(truth[index][None])
                face = face_above(self.detector.best(image), PREPARING)
                if face is not None:
                    points[index], origins[index] = face.landmarks, FOUND
        return points, origins

    def describe(self, origins: NDArray[np.int8], truth: str = "HR") -> dict[str, object]:
        """For a metric's settings: where the landmarks of these images came from."""
        stored, found = int(np.sum(origins == STORED)), int(np.sum(origins == FOUND))
        if not found or self.detector is None:
            return {"landmarks": "stored"}
        words = f"found on {truth}, score > {PREPARING}"
        if stored:
            words = f"{stored} stored, {found} {words}"
        return {"landmarks": words, "landmarks_from": self.detector.settings}

    def lacking(self, truth: str | None = "HR") -> str:
        """Why an image may be without landmarks, for a sentence.

        Args:
            truth: what faces were looked for on; None where there was nothing.
        """
        stored = "the data set stores no landmarks for them"
        if self.origin == "stored":
            return stored
        found = "there is no HR to find faces on"
        if truth is not None:
            found = f"no face was found on {truth}"
        return found if self.origin == "detect" else f"{stored} and {found}"


def _yunet(origin: Origin) -> Detector:
    try:
        return YuNet()
    except MissingRequirement as error:
        if origin == "detect":
            raise
        raise MissingRequirement(
            f"{error}; or do without detection, with the landmarks the data set stores: "
            "landmarks=stored (metrics.measures.MEASURE.landmarks=stored)"
        ) from None


def _usable(points: Landmarks | None) -> Landmarks | None:
    return points if points is not None and bool(np.isfinite(points).all()) else None


def stand_in(batch: ScoreBatch) -> Tensor | None:
    """The LR images enlarged to SR's size, 8 bits, where there is no HR to compare with."""
    if batch.lr is None:
        return None
    size = (batch.sr.shape[2], batch.sr.shape[3])
    # One image at a time: matrix products change their last bits with the batch size. In float64:
    # neither autocast nor TF32, which training may have left on, touches it.
    large = [resize(lr[None].double(), size, "bicubic") for lr in batch.lr]
    return torch.cat(large).clamp(0, 255).round().to(torch.uint8)


def mean_distance(found: Sequence[Landmarks] | Landmarks, truth: Landmarks) -> float:
    """Mean Euclidean distance of corresponding points, in pixels."""
    gap = np.asarray(found, dtype=np.float64) - np.asarray(truth, dtype=np.float64)
    return float(np.mean(np.hypot(gap[:, 0], gap[:, 1])))


def between_eyes(points: Landmarks) -> float:
    """Distance of the two eye points, in pixels."""
    return float(np.hypot(*(points[1].astype(np.float64) - points[0].astype(np.float64))))
