"""One picture through a method: as a whole, or face by face."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.faces.yunet import MEASURING, Face
from facesr_bench.images import UInt8Image, to_float, to_uint8
from facesr_bench.method import Method
from facesr_bench.predict.pasting import Template, cut_out, enlarge, paste_back

FindFaces = Callable[[UInt8Image], list[Face]]
"""All faces of a uint8 (H, W, 3) picture."""


class Restorer:
    """A method with the sizes it works at.

    Args:
        method: with its weights, in eval mode on its device.
        data: ``factor`` and ``hr_size`` of the data it is built for.
    """

    def __init__(self, method: Method, data: Mapping[str, Any]) -> None:
        self.method = method
        self.factor = int(method.factor or data["factor"])
        self.hr_side = int(data["hr_size"])
        self.lr_side = self.hr_side // self.factor

    @torch.no_grad()
    def whole(self, image: UInt8Image, key: str) -> UInt8Image:
        """Super-resolve a picture as it is.

        Raises:
            DataError: the method does not take this size.
        """
        height, width = image.shape[:2]
        try:
            self.method.check_sizes((height, width), (height * self.factor, width * self.factor))
        except ConfigError as error:
            raise DataError(
                f"is {height}x{width}, which the method does not take: {error} predict.faces=paste "
                "finds faces in pictures of any size and gives the method those"
            ) from error
        lr = to_float(torch.from_numpy(image)[None].to(self.method.device))
        result: UInt8Image = to_uint8(self.method.test_step({"lr": lr, "key": [key]}, 0))[0]
        return result

    def faces(
        self, image: UInt8Image, key: str, found: list[Face], template: Template
    ) -> list[UInt8Image]:
        """Cut out each face as the method knows faces, and super-resolve it."""
        return [
            self.whole(cut_out(image, face.landmarks, template, self.lr_side), f"{key}#{number}")
            for number, face in enumerate(found, 1)
        ]

    def photo(
        self, image: UInt8Image, key: str, found: list[Face], template: Template
    ) -> UInt8Image:
        """The picture enlarged (bicubic), with every face super-resolved and put back in its place."""
        canvas = enlarge(image, self.factor)
        for face, sr in zip(found, self.faces(image, key, found, template), strict=True):
            canvas = paste_back(canvas, sr, face.landmarks, template, self.lr_side, self.factor)
        return canvas


def faces_in(image: UInt8Image, find: FindFaces) -> list[Face]:
    """The faces of a picture, from left to right.

    Raises:
        DataError: there is none.
    """
    found = sorted(find(image), key=lambda face: face.box[0])
    if not found:
        raise DataError(f"shows no face that YuNet gives a score above {MEASURING}")
    return found
