"""YuNet, a small face detector with five landmarks, run by one fixed rule.

Small faces are enlarged twice before detection, large images reduced to 512 pixels. The rule was
measured: with the threshold 0.9 it agrees with dlib's HOG detector on 64 px faces, lower thresholds
find a face in everything, and doubling a 512 px image finds almost none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facesr_bench.images import UInt8Image
from facesr_bench.weights.loading import WeightFile, locate

WEIGHTS = "yunet"
MEASURING, PREPARING = 0.9, 0.6
"""A face scores above this: in metrics, and when landmarks of a data set's own HR are found."""
_LONGEST = 512
_LOWEST = 0.3  # candidates below this are not even listed


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face, in pixels of the image given; pixel centres count from 0.

    Attributes:
        score: the detector's confidence, 0 to 1.
        box: left, top, right, bottom.
        landmarks: float32 (5, 2), in the order of :class:`facesr_bench.data.Sample`.
    """

    score: float
    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]


class Detector(Protocol):
    """What finds the most confident face of an image."""

    def best(self, image: UInt8Image) -> Face | None:
        """The face of the highest score in a uint8 (H, W, 3) RGB image, whatever its score."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything the detection depends on."""


def detection_size(height: int, width: int, most: int = _LONGEST) -> tuple[int, int]:
    """Height and width at which an image goes through the detector: long side min(2 side, 512)."""
    longest = max(height, width)
    scale = min(2 * longest, most) / longest
    return max(1, round(height * scale)), max(1, round(width * scale))


def mapped_back(
    points: NDArray[np.floating], shown: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.float64]:
    """Points (..., 2) in an image resized to ``shown`` (height, width), in pixels of ``size``."""
    scale = np.array([size[1] / shown[1], size[0] / shown[0]])
    return np.asarray((points.astype(np.float64) + 0.5) * scale - 0.5)


class YuNet:
    """The detector behind ``cv2.FaceDetectorYN``.

    Args:
        file: the verified ONNX file; the registered one when not given.

    Raises:
        MissingRequirement: the weights are not here.
    """

    def __init__(self, file: WeightFile | None = None) -> None:
        self.file = locate(WEIGHTS) if file is None else file
        self._network: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """OpenCV's object can be neither copied nor pickled; each copy opens its own."""
        return {**self.__dict__, "_network": None}

    @property
    def settings(self) -> dict[str, Any]:
        """Detector, weights and the resize."""
        resize = f"RGB, Pillow bicubic to long side min(2 x side, {_LONGEST})"
        return {"detector": "yunet", "detector_input": resize, **self.file.settings}

    def best(self, image: UInt8Image) -> Face | None:
        """The face of the highest score in a uint8 (H, W, 3) RGB image, whatever its score."""
        found = self._detect(image, _LONGEST)
        return max(found, key=lambda face: face.score) if found else None

    def every(self, image: UInt8Image, threshold: float, longest: int = _LONGEST) -> list[Face]:
        """All faces of a photo that score above the threshold.

        Args:
            image: uint8 (H, W, 3), RGB.
            threshold: see :data:`MEASURING`.
            longest: pixels to which a large photo is reduced before detection; faces in groups are lost
                at the 512 that portraits are measured with.
        """
        return [face for face in self._detect(image, longest) if face.score > threshold]

    def _detect(self, image: UInt8Image, longest: int) -> list[Face]:
        from PIL import Image

        size = (image.shape[0], image.shape[1])
        shown = detection_size(*size, longest)
        enlarged = Image.fromarray(image).resize(shown[::-1], Image.Resampling.BICUBIC)
        bgr = np.ascontiguousarray(np.asarray(enlarged)[:, :, ::-1])
        found = self._faces(bgr)
        return [] if found is None else [_face(row, shown, size) for row in found]

    def _faces(self, bgr: UInt8Image) -> NDArray[np.float32] | None:
        """OpenCV's rows: box (x, y, width, height), five points, score."""
        size = (bgr.shape[1], bgr.shape[0])
        if self._network is None:
            self._network = self._open(size)
        self._network.setInputSize(size)
        faces: NDArray[np.float32] | None = self._network.detect(bgr)[1]
        return faces

    def _open(self, size: tuple[int, int]) -> Any:
        import cv2

        log = cv2.utils.logging
        level = log.setLogLevel(log.LOG_LEVEL_ERROR)  # OpenCV 5 warns that CPU is its only target
        try:
            return cv2.FaceDetectorYN.create(
                str(self.file.path), "", size, score_threshold=_LOWEST, nms_threshold=0.3
            )
        finally:
            log.setLogLevel(level)


def _face(row: NDArray[np.float32], shown: tuple[int, int], size: tuple[int, int]) -> Face:
    """One of OpenCV's rows, in pixels of the image it was found in."""
    corners = np.array([[row[0], row[1]], [row[0] + row[2], row[1] + row[3]]])
    (left, top), (right, bottom) = mapped_back(corners, shown, size).tolist()
    landmarks = mapped_back(row[4:14].reshape(5, 2), shown, size).astype(np.float32)
    return Face(float(row[14]), (left, top, right, bottom), landmarks)


def face_above(face: Face | None, threshold: float) -> Face | None:
    """The face, if it scores above the threshold."""
    return face if face is not None and face.score > threshold else None


def find_landmarks(
    images: Sequence[UInt8Image], detector: Detector | None = None
) -> list[NDArray[np.float32] | None]:
    """Landmarks of HR images, for data sets that come without.

    Args:
        images: uint8 (H, W, 3), RGB, of any sizes.
        detector: YuNet with the registered weights when not given.

    Returns:
        float32 (5, 2) of the most confident face of each image, None where none scores above 0.6.

    Raises:
        MissingRequirement: YuNet's weights are not here.
    """
    finder = YuNet() if detector is None else detector
    faces = [face_above(finder.best(image), PREPARING) for image in images]
    return [None if face is None else face.landmarks for face in faces]
