"""LR of faces that were not aligned: rotated, shifted and shrunk before the reduction (DAP-FSR).

HR stays aligned; only LR moves. What comes into view is the photo around the HR crop where the data set
keeps it (``Sample.border``), else the HR image reflected. The ranges are those of the co-authors' code
for TDN and TDAE; see ``conf/degradation/dap_unaligned.yaml``.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facesr_bench.degradations.arguments import check_factor, check_range, lr_size
from facesr_bench.degradations.base import Degradation
from facesr_bench.degradations.separable import separable
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import Size, UInt8Image
from facesr_bench.resize import resize_matrix

if TYPE_CHECKING:
    from facesr_bench.data import Sample

Border = tuple[int, int, int, int]
_REFLECTED = 30 / 133
"""Border of sets that keep none: as much of the height as TDN's 30 pixels are of its crop's 133."""


class Unaligned(Degradation):
    """Rotate, shift, scale, crop, reduce.

    The rotation is about the crop's centre, by Pillow's bicubic (in floats) at the crop's own
    resolution; where even the border is not enough it is reflected. The window the size of the crop
    is then reduced to LR by antialiased bicubic in float64 and rounded once.

    Args:
        factor: HR side over LR side.
        rotation: range in degrees, counter-clockwise.
        translation: largest shift as a share of the bordered image, whole pixels both ways.
        scale: range of the face's size.

    Raises:
        ConfigError: naming the argument that cannot be.
    """

    def __init__(
        self,
        factor: int = 8,
        *,
        rotation: Sequence[float] = (-45.0, 45.0),
        translation: float = 0.05,
        scale: Sequence[float] = (0.8, 1.0),
    ) -> None:
        self.factor = check_factor(factor)
        self.rotation = check_range("rotation", rotation, -180.0, 180.0)
        self.scale = check_range("scale", scale, 0.0, 10.0, open_low=True)
        if not 0.0 <= translation < 0.5:
            raise ConfigError(f"translation={translation} is a share and must lie in [0, 0.5).")
        self.translation = float(translation)

    def __call__(self, hr: UInt8Image, rng: np.random.Generator) -> UInt8Image:
        """uint8 (H, W, 3) to uint8 (H / factor, W / factor, 3), with a reflected border."""
        import cv2

        side = round(hr.shape[0] * _REFLECTED)
        bordered = cv2.copyMakeBorder(hr, side, side, side, side, cv2.BORDER_REFLECT_101)
        return self._move(np.asarray(bordered), (side,) * 4, lr_size(hr, self.factor), rng)

    def degrade(self, sample: "Sample", rng: np.random.Generator) -> UInt8Image:
        """LR of a sample, from its bordered image where it has one.

        Raises:
            DataError: a sample without HR.
        """
        if sample.hr is None:
            raise DataError(f"The sample {sample.key!r} has no HR image to degrade.")
        if sample.border is None:
            return self(sample.hr, rng)
        size = lr_size(sample.hr, self.factor)
        return self._move(sample.border, sample.border_size, size, rng)

    def _move(
        self, bordered: UInt8Image, border: Border, lr: Size, rng: np.random.Generator
    ) -> UInt8Image:
        """LR from the bordered image, whose crop has a resolution of its own."""
        import cv2
        from PIL import Image

        top, right, bottom, left = border
        height = bordered.shape[0] - top - bottom
        width = bordered.shape[1] - left - right
        # Always four draws, so that one range does not move the others' values.
        turn, down, across, size = (float(u) for u in rng.random(4))
        angle = math.radians(self.rotation[0] + turn * (self.rotation[1] - self.rotation[0]))
        scale = self.scale[0] + size * (self.scale[1] - self.scale[0])
        shift_y, shift_x = (
            math.trunc((2 * draw - 1) * self.translation * limit)
            for draw, limit in zip((down, across), bordered.shape[:2], strict=True)
        )
        reach = math.ceil(math.hypot(height, width) / scale)  # what is further away never shows
        wide = cv2.copyMakeBorder(bordered, reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
        # From a place in the window to a place in ``wide``, both counted from pixel edges: undo the
        # shift, the scale and the rotation about the centre (y points down).
        centre_y, centre_x = reach + top + height / 2, reach + left + width / 2
        offset_y, offset_x = height / 2 + shift_y, width / 2 + shift_x
        cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
        matrix = (
            cos, -sin, centre_x - cos * offset_x + sin * offset_y,
            sin, cos, centre_y - sin * offset_x - cos * offset_y,
        )  # fmt: skip
        # In floats: Pillow's 8-bit transform truncates, which darkens by half a level.
        planes = [Image.fromarray(np.asarray(wide[..., c], dtype=np.float32)) for c in range(3)]
        moved = [
            plane.transform(
                (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
            )
            for plane in planes
        ]
        values = separable(
            np.stack([np.asarray(plane, dtype=np.float64) for plane in moved], axis=-1),
            resize_matrix(height, lr[0], "bicubic"),
            resize_matrix(width, lr[1], "bicubic"),
        )
        return np.asarray(np.rint(values.clip(0.0, 255.0)), dtype=np.uint8)

    def settings(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": "unaligned",
            "factor": self.factor,
            "rotation": list(self.rotation),
            "translation": self.translation,
            "scale": list(self.scale),
            "operator": "bicubic",
        }
