"""The premise of Fig. 1: distances between random points concentrate as their dimension grows.

    python -m facesr_bench.methods.pan.concentration

For each of 500 uniform points, among its log(500), so 6, nearest neighbours:
(farthest - nearest) / nearest (Eq. 1). The paper reads it as a reason to do without pixel losses.
"""

import math
from collections.abc import Sequence

import numpy as np

DIMENSIONS = (2, 10, 100, 1_000, 10_000, 100_000)


def distance_ratio(dimension: int, points: int = 500, seed: int = 2020) -> tuple[float, float]:
    """Mean and deviation, over the points, of Eq. 1's ratio among the log(points) nearest of each."""
    drawn = np.random.default_rng(seed).uniform(size=(points, dimension)).astype(np.float32)
    centred = drawn - 0.5  # smaller numbers round less
    squares = np.square(centred, dtype=np.float64).sum(1)
    gaps = squares[:, None] + squares[None] - 2 * (centred @ centred.T).astype(np.float64)
    np.fill_diagonal(gaps, np.inf)
    nearest = np.sqrt(np.sort(gaps, axis=1)[:, : round(math.log(points))])
    ratio = (nearest[:, -1] - nearest[:, 0]) / nearest[:, 0]
    return float(ratio.mean()), float(ratio.std())


def main(dimensions: Sequence[int] = DIMENSIONS) -> None:
    """Print the figure's curve."""
    print("dimension   ratio   deviation")
    for dimension in dimensions:
        print("{:9,}   {:.4f}   {:.4f}".format(dimension, *distance_ratio(dimension)))


if __name__ == "__main__":
    main()
