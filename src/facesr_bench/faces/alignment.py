"""One fixed crop of a face, from five landmarks: what every identity network looks at.

SR and HR are warped with the *same* landmarks, found once on HR: landmarks found on each image would
let the warp hide what the network should see. Coordinates count from pixel centres, so an image of
width W spans -0.5 to W - 0.5.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Points = NDArray[np.floating]
"""(5, 2), x and y: eye on the viewer's left, other eye, nose, mouth corner on that left, the other."""

TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""Where the five points lie in a 112x112 crop (insightface's ``arcface_src``)."""


def template(height: int, width: int) -> NDArray[np.float64]:
    """The five points of a crop: 112x112, 112x96 (8 pixels off each side), or another square.

    Other squares show the same part of the face, enlarged.

    Raises:
        ValueError: a crop of another form.
    """
    if (height, width) == (112, 96):
        return np.asarray(TEMPLATE - np.array([8.0, 0.0]))
    if height != width:
        raise ValueError(f"there is no template for crops of {height}x{width}")
    return np.asarray((TEMPLATE + 0.5) * (height / 112) - 0.5)


def similarity(source: Points, target: Points) -> NDArray[np.float64] | None:
    """The rotation, scale and shift that take ``source`` to ``target`` best (least squares).

    Umeyama 1991 in two dimensions, where points are complex numbers and the answer is a division.
    Mirrored faces are not turned over.

    Returns:
        (2, 3) matrix, or None for points that are not finite or coincide.
    """
    if not np.isfinite(source).all():
        return None
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (source.astype(np.float64), target))
    z0, w0 = z.mean(), w.mean()
    spread = float(np.sum(np.abs(z - z0) ** 2))
    if spread < 1e-6:
        return None
    a = np.sum(np.conj(z - z0) * (w - w0)) / spread
    if abs(a) < 1e-6:
        return None
    b = w0 - a * z0
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def crop(image: Tensor, matrix: NDArray[np.float64], size: tuple[int, int]) -> Tensor:
    """Warp one image: bilinear, black outside, not rounded; differentiable in the image.

    Args:
        image: float32 (3, H, W) on any scale.
        matrix: (2, 3), from the image's pixels to the crop's.
        size: height and width of the crop.

    Returns:
        float32 (3, *size).
    """
    height, width = image.shape[1:]
    # The sampling grid in float64; only its end is rounded.
    inverse = np.linalg.inv(matrix[:, :2])
    ys, xs = np.mgrid[: size[0], : size[1]].astype(np.float64)
    x = inverse[0, 0] * (xs - matrix[0, 2]) + inverse[0, 1] * (ys - matrix[1, 2])
    y = inverse[1, 0] * (xs - matrix[0, 2]) + inverse[1, 1] * (ys - matrix[1, 2])
    # grid_sample runs from -1 to 1 over the image's outer edges.
    grid = np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], axis=-1)
    where = torch.from_numpy(grid[None]).to(image)
    return functional.grid_sample(image[None], where, padding_mode="zeros", align_corners=False)[0]


def aligned(
    images: Tensor, landmarks: Sequence[Points | None], size: tuple[int, int]
) -> tuple[Tensor, list[int]]:
    """Crop those faces of a batch whose landmarks are known.

    Args:
        images: (B, 3, H, W), uint8 or float, on the scale 0..255.
        landmarks: B times five points in pixels of these images, or None.
        size: height and width of the crops.

    Returns:
        float32 (b, 3, *size) on the images' device, and the positions in the batch of those b faces.
    """
    goal = template(*size)
    crops, positions = [], []
    for index, points in enumerate(landmarks):
        matrix = None if points is None else similarity(points, goal)
        if matrix is not None:
            crops.append(crop(images[index].float(), matrix, size))
            positions.append(index)
    stacked = torch.stack(crops) if crops else images.new_empty((0, 3, *size)).float()
    return stacked, positions
