"""Does a detector still see a face in the SR image, and are eyes, nose and mouth where they belong?"""

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import MissingRequirement
from facesr_bench.faces.yunet import MEASURING, Detector, YuNet, face_above
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.base import FaceMetric, Landmarks, PerImageMetric, ScoreBatch, pixels
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.landmarks import (
    NONE,
    LandmarkSource,
    Origin,
    between_eyes,
    mean_distance,
)
from facesr_bench.metrics.means import mean_value
from facesr_bench.metrics.value import MetricValue

DETECTED, NME, LMD = "face_detected_yunet", "landmark_nme", "lmd"
_LMD_SIDE = 512


class FacesYuNet(FaceMetric):
    """Three numbers from one pass of YuNet over the SR images.

    ``face_detected_yunet`` is the share of images with a face (0 or 1 each). Where a face was found
    and the true landmarks are known, ``landmark_nme`` is the mean distance of the five points divided
    by the distance of the true eyes, and ``lmd`` that mean distance in pixels of an image whose long
    side is 512. A method that loses difficult faces is spared their distances: read both beside the
    share, and beside what HR itself scores (the values' ``floor``): the detector is not exact.

    Args:
        landmarks: where the true points come from; see
            :class:`facesr_bench.metrics.landmarks.LandmarkSource`.
        detector: YuNet with the registered weights when not given.

    Raises:
        MissingRequirement: YuNet's weights are not here.
    """

    higher_is_better = True
    value_range: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def __init__(self, landmarks: Origin = "auto", detector: Detector | None = None) -> None:
        super().__init__()
        self.detector: Detector = YuNet() if detector is None else detector
        self.source = LandmarkSource(landmarks, self.detector)

    @property
    def keys(self) -> tuple[str, ...]:
        """The share, and the two distances."""
        return (DETECTED, NME, LMD)

    def settings(self) -> dict[str, Any]:
        """The detector and its rule."""
        return {
            **self.detector.settings,
            "score_above": MEASURING,
            "images": "uint8, rgb",
            "reduction": "mean of images",
        }

    def update(self, batch: ScoreBatch) -> None:
        """Detect, and measure what was detected."""
        truth, origins = self.source.find(batch, batch.hr)
        self.add("origin", batch.keys, origins)
        for role, images in (("sr", batch.sr), ("hr", batch.hr)):
            if images is not None:
                scores = [self._score(*pair) for pair in zip(pixels(images), truth, strict=True)]
                for name, column in zip(self.keys, np.array(scores).T, strict=True):
                    self.add(f"{role}/{name}", batch.keys, column)

    def _score(self, image: UInt8Image, truth: Landmarks | None) -> tuple[float, float, float]:
        """0 or 1, normalised error, distance; nan where no face was found or the truth is unknown."""
        face = face_above(self.detector.best(image), MEASURING)
        if face is None or truth is None or between_eyes(truth) == 0.0:
            return float(face is not None), math.nan, math.nan
        distance = mean_distance(face.landmarks, truth)
        return 1.0, distance / between_eyes(truth), distance * _LMD_SIDE / max(image.shape[:2])

    def results(self, intervals: Intervals) -> dict[str, MetricValue]:
        """Means; without the distances where no face has known landmarks."""
        keys = self._tables["origin"].keys
        settings = self.settings()
        points = self.source.describe(self._tables["origin"].take(keys))
        points["points"] = "5, detected on SR"
        further: dict[str, dict[str, Any]] = {
            DETECTED: {},
            NME: points | {"unit": "distance of the true eyes"},
            LMD: points | {"unit": f"pixels, image scaled to long side {_LMD_SIDE}"},
        }
        left_out = self.omitted()
        with_hr = f"hr/{DETECTED}" in self._tables
        return {
            name: mean_value(
                keys,
                self._column("sr", name),
                intervals,
                settings | more,
                higher_is_better=name == DETECTED,
                perfect=self._column("hr", name) if with_hr else None,
            )
            for name, more in further.items()
            if name not in left_out
        }

    def _column(self, role: str, name: str) -> NDArray[np.float64]:
        """Scores of all images in key order."""
        table = self._tables[f"{role}/{name}"]
        return np.asarray(table.take(table.keys), dtype=np.float64)

    def omitted(self) -> dict[str, str]:
        """Names that :meth:`results` leaves out for these images, with the reason."""
        if np.isfinite(self._column("sr", NME)).any():
            return {}
        origins = self._tables["origin"]
        if (origins.take(origins.keys) == NONE).all():
            truth = "HR" if f"hr/{DETECTED}" in self._tables else None
            reason = f"no image has landmarks: {self.source.lacking(truth)}"
        else:
            reason = "no face was found in any SR image with known landmarks"
        return dict.fromkeys((NME, LMD), reason)

    def per_image(self) -> dict[str, dict[str, float]]:
        """0 or 1, and the two distances; nan where no face was found or the truth is unknown."""
        if not self._tables:
            return {}
        keys, left_out = self._tables["origin"].keys, self.omitted()
        return {
            name: dict(zip(keys, self._column("sr", name).tolist(), strict=True))
            for name in self.keys
            if name not in left_out
        }


class FaceDetectedHOG(PerImageMetric):
    """``face_detected_hog``: share of images where dlib's HOG detector finds a face (SCGAN's Table 6).

    The image is enlarged once by dlib (upsample 1); at least one box counts.

    Raises:
        MissingRequirement: dlib is not installed.
    """

    higher_is_better = True
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        try:
            import dlib
        except ImportError:
            raise MissingRequirement(
                "face_detected_hog needs the package dlib (built from source in about ten minutes): "
                "pip install 'facesr-bench[hog]'"
            ) from None
        self.version = str(dlib.__version__)
        self._detector: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Dlib's object stays out of copies and pickles; each copy makes its own."""
        return {**super().__getstate__(), "_detector": None}

    @property
    def keys(self) -> tuple[str, ...]:
        """The one name."""
        return ("face_detected_hog",)

    def settings(self) -> dict[str, Any]:
        """Detector and its enlargement."""
        return {
            "detector": f"dlib {self.version} get_frontal_face_detector",
            "upsample": 1,
            "images": "uint8, rgb",
            "reduction": "mean of images",
        }

    def score(self, batch: ScoreBatch) -> dict[str, NDArray[np.float64]]:
        """1 where there is at least one box."""
        found = [float(self._boxes(image) > 0) for image in pixels(batch.sr)]
        return {self.keys[0]: np.array(found)}

    def _boxes(self, image: UInt8Image) -> int:
        if self._detector is None:
            import dlib

            self._detector = dlib.get_frontal_face_detector()
        return len(self._detector(image, 1))
