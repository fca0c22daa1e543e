"""What the owner says about every photo, whichever of the two official forms it came in."""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facesr_bench.errors import DataError

COLUMNS = (
    "x", "y", "w", "h",
    "blur", "expression", "illumination", "invalid", "occlusion", "pose",
)  # fmt: skip
"""One face's numbers, in the order of the text file: a box in pixels, then six labels.

Blur and occlusion run from 0 (none) to 2 (heavy), the others are 0 or 1. torchvision's ``WIDERFace``
names the last three otherwise, which is wrong: the real file has twos in the last but one.
"""
_TOP = {"blur": 2, "occlusion": 2, "expression": 1, "illumination": 1, "invalid": 1, "pose": 1}

Faces = NDArray[np.int64]
"""(n, 10): the faces of one photo, columns as in :data:`COLUMNS`; the row is the face's number."""
Annotations = Mapping[str, Faces]
"""Photo ("0--Parade/0_Parade_marchingband_1_849.jpg") to its faces."""

_PHOTO = re.compile(r"(?!\.)[^/\\:]+/(?!\.)[^/\\:]+\.jpe?g", re.IGNORECASE)


def check_photo(name: str, where: str) -> str:
    """Refuse what is not "event/photo.jpg": names become keys, and keys become file names.

    Raises:
        DataError: naming the place in the annotation file.
    """
    if not _PHOTO.fullmatch(name):
        raise DataError(f"{where}: {name!r} is not a photo's name, such as '0--Parade/a.jpg'.")
    return name


def check_faces(rows: ArrayLike, where: str) -> Faces:
    """Faces of one photo as whole numbers; a lone box of zeros stands for "no face".

    Raises:
        DataError: other than ten columns, fractions, or labels that do not exist.
    """
    numbers = np.asarray(rows)
    if numbers.size == 0:
        return np.zeros((0, len(COLUMNS)), np.int64)
    if numbers.ndim != 2 or numbers.shape[1] != len(COLUMNS):
        raise DataError(f"{where}: a face has {len(COLUMNS)} numbers, {' '.join(COLUMNS)}.")
    faces: Faces = numbers.astype(np.int64)
    if not np.array_equal(faces, numbers):
        raise DataError(f"{where}: a face's numbers must be whole.")
    for name, top in _TOP.items():
        column = faces[:, COLUMNS.index(name)]
        if column.min() < 0 or column.max() > top:
            raise DataError(
                f"{where}: {name} runs from 0 to {top}, but one face has "
                f"{column.max() if column.max() > top else column.min()}. The columns are "
                f"{' '.join(COLUMNS)}."
            )
    if len(faces) == 1 and not faces[0, :4].any():
        return faces[:0]
    return faces


def compare(text: Annotations, matlab: Annotations) -> list[str]:
    """Photos about which the two forms say different things, sorted."""
    return sorted(
        photo
        for photo in text.keys() | matlab.keys()
        if photo not in text
        or photo not in matlab
        or not np.array_equal(text[photo], matlab[photo])
    )
