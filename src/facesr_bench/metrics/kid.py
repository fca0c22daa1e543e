"""Kernel distance of two sets (KID): unbiased MMD with a cubic kernel, over random subsets.

The draws, their order and the estimate are torch-fidelity's, so that the number is the published one
to 1e-12. Only the arithmetic differs: a subset's sums are indicator products of one Gram matrix, made
block by block. From about ten times the subset's size on, that matrix would cost more than all subsets
together; then each subset makes its own.
"""

from dataclasses import dataclass

import numpy as np

from facesr_bench.errors import DataError
from facesr_bench.metrics.gaussians import Features, Floats

SUBSETS = 100
LARGEST_SUBSET = 1000
SEED = 2020
FEWEST = 4
"""Images a side must have: subsets are half of the smaller set, and need two."""

_BLOCK_ROWS = 2048


@dataclass(frozen=True)
class KernelDistance:
    """Mean and population standard deviation over the subsets, and their size."""

    mean: float
    spread: float
    subset_size: int


def kernel_distance(
    x: Features,
    y: Features,
    seed: int = SEED,
    subsets: int = SUBSETS,
    largest_subset: int = LARGEST_SUBSET,
) -> KernelDistance:
    """KID between features (n, d) and (m, d), not multiplied by anything.

    Args:
        x: of the images to judge.
        y: of the reference.
        seed: of ``RandomState``; for every subset s of x are drawn, then s of y.
        subsets: how many are drawn.
        largest_subset: s is this, or half of the smaller set.

    Raises:
        DataError: fewer than four images on a side.
    """
    size = min(largest_subset, min(len(x), len(y)) // 2)
    if size < 2:
        raise DataError(
            f"KID needs at least {FEWEST} images on each side, but there are {len(x)} and {len(y)}."
        )
    rng = np.random.RandomState(seed)
    drawn_x = np.empty((subsets, size), dtype=np.intp)
    drawn_y = np.empty((subsets, size), dtype=np.intp)
    for subset in range(subsets):
        drawn_x[subset] = rng.choice(len(x), size, replace=False)
        drawn_y[subset] = rng.choice(len(y), size, replace=False)
    dense = max(len(x), len(y)) ** 2 <= subsets * size**2
    sums = _sums_by_gram if dense else _sums_by_subset
    within_x = sums(x, x, drawn_x, drawn_x)
    within_y = sums(y, y, drawn_y, drawn_y)
    between = sums(x, y, drawn_x, drawn_y)
    values = (within_x + within_y) / (size * (size - 1.0)) - 2.0 * between / size**2
    return KernelDistance(float(np.mean(values)), float(np.std(values)), size)


def _kernel(a: Features, b: Features) -> Floats:
    """(a.b / d + 1)^3, in float64."""
    gram = np.asarray(a.astype(np.float64, copy=False) @ b.astype(np.float64, copy=False).T)
    gram /= a.shape[1]
    gram += 1.0
    square = gram * gram
    gram *= square  # two products: a power costs ten times as much as the matrix product
    return gram


def _sums_by_gram(a: Features, b: Features, drawn_a: "_Draws", drawn_b: "_Draws") -> Floats:
    """Kernel sums of all subsets; where a is b, without the diagonal."""
    one_set = a is b
    in_a = _indicators(drawn_a, len(a))
    in_b = in_a if one_set else _indicators(drawn_b, len(b))
    sums = np.zeros(len(drawn_a))
    for start in range(0, len(a), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        for other in range(start if one_set else 0, len(b), _BLOCK_ROWS):
            columns = slice(other, other + _BLOCK_ROWS)
            gram = _kernel(a[rows], b[columns])
            if one_set and start == other:
                np.fill_diagonal(gram, 0.0)
            part = np.einsum("ij,ij->i", in_a[:, rows] @ gram, in_b[:, columns])
            sums += 2.0 * part if one_set and start != other else part  # the mirrored block
    return sums


def _sums_by_subset(a: Features, b: Features, drawn_a: "_Draws", drawn_b: "_Draws") -> Floats:
    sums = np.zeros(len(drawn_a))
    for number, (rows, columns) in enumerate(zip(drawn_a, drawn_b, strict=True)):
        gram = _kernel(a[rows], b[columns])
        if a is b:
            np.fill_diagonal(gram, 0.0)
        sums[number] = gram.sum()
    return sums


_Draws = np.ndarray[tuple[int, int], np.dtype[np.intp]]


def _indicators(drawn: _Draws, number: int) -> Floats:
    """(subsets, number) with a one where an image is in a subset."""
    indicators = np.zeros((len(drawn), number))
    np.put_along_axis(indicators, drawn, 1.0, axis=1)
    return indicators
