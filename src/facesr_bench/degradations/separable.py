"""A linear operator that acts on rows and columns apart: two small matrices."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def separable(image: NDArray[Any], down: Matrix, across: Matrix) -> NDArray[np.float64]:
    """Apply one matrix to each axis.

    Args:
        image: float64 (H, W, C).
        down: (h, H).
        across: (w, W).

    Returns:
        float64 (h, w, C).
    """
    rows = np.tensordot(down, image, axes=(1, 0))
    # Not einsum, which does this product without BLAS: 40 times as slow at 1024 pixels.
    return np.ascontiguousarray(np.tensordot(rows, across, axes=(1, 1)).transpose(0, 2, 1))
