"""Which part of the aligned photo (178 wide, 218 high) is the face."""

from dataclasses import dataclass

import numpy as np

from facesr_bench.images import Size, UInt8Image
from facesr_bench.prepare.recipe import Landmarks

ALIGNED: Size = (218, 178)
"""Height and width of every photo of img_align_celeba."""


@dataclass(frozen=True)
class Crop:
    """Rows ``top`` to ``bottom``, columns ``left`` to ``right``, ends left out.

    Attributes:
        border: pixels of the photo on every side that a rotation may bring in; 0 where the crop
            reaches the photo's edge.
        about: what the summary says of it.
    """

    top: int
    bottom: int
    left: int
    right: int
    about: str
    border: int = 0

    def cut(self, photo: UInt8Image) -> UInt8Image:
        """The face."""
        return np.ascontiguousarray(photo[self.top : self.bottom, self.left : self.right])

    def cut_with_border(self, photo: UInt8Image) -> UInt8Image:
        """The face with what lies around it."""
        b = self.border
        rows, columns = slice(self.top - b, self.bottom + b), slice(self.left - b, self.right + b)
        return np.ascontiguousarray(photo[rows, columns])

    def move(self, points: Landmarks) -> Landmarks:
        """Points of the photo as points of the face."""
        return points - np.array([self.left, self.top], dtype=np.float32)


CROPS = {
    "aligned": Crop(0, 218, 0, 178, "the whole photo, 178x218, stretched to a square"),
    "square": Crop(20, 198, 0, 178, "the middle 178x178 of the photo"),
    # TDN's MATLAB takes columns 35..141 and rows 55..187, counted from 1, and resizes them to 128x128
    # although they are no square. It turns the face within 193x167 pixels: 30 more on every side.
    "tdn": Crop(54, 187, 34, 141, "TDN's face, 107x133, stretched to a square", 30),
}
"""What ``crop`` may be."""
