"""The 36 natural-scene statistics of NIQE for each 96x96 block of a grey image, without a block loop.

The rule is that of the 2013 release (Mittal, Soundararajan, Bovik: Making a "completely blind" image
quality analyzer). What makes it fast: every sum the fit needs is a sum of |x|, x^2, x|x|, sign(x) or
|sign(x)|, and each of these functions f has f(ab) = f(a) f(b). So the sums over products of neighbours
are dot products of planes that were computed once, for all blocks together.
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facesr_bench.images import UInt8Image
from facesr_bench.resize import resize_matrix

Plane = NDArray[np.float64]

BLOCK = 96
FEATURES = 36
DUST = 1e-6
"""Smaller normalised values count as zero: in flat areas they are rounding errors, whose sign would
be counted like that of a real value."""

_CHUNK = 8 * (BLOCK + 1) ** 2  # values summed at once; more of them leave the caches
_WINDOW = 7
_SIGMA = 7 / 6
# 8 taps of MATLAB's antialiased bicubic at half size; an inner row of the matrix, away from borders.
_HALF_TAPS = resize_matrix(16, 8, "bicubic")[4, 5:13]


def grey(image: UInt8Image) -> Plane:
    """Full-range luma round(.299 R + .587 G + .114 B) of a uint8 (H, W, 3) image, halves up.

    In whole thousandths, which float32 holds exactly: no rounding error decides a tie.
    """
    thousandths = image.astype(np.float32) @ np.array([299, 587, 114], dtype=np.float32)
    return np.floor((thousandths + 500) / 1000).astype(np.float64)


def studio_luma(image: UInt8Image) -> Plane:
    """BT.601's Y of a uint8 (H, W, 3) image, 16 to 235, rounded: what BasicSR and VQFR score."""
    weighted = image.astype(np.float64) @ np.array([65.481, 128.553, 24.966])
    return np.asarray(np.rint(16.0 + weighted / 255.0))


def block_features(image: Plane, exact: bool = False) -> Plane:
    """Statistics of all whole blocks, from the top left corner on.

    Args:
        image: grey (H, W) on the scale 0..255, at least one block large.
        exact: keep rounding dust and filter with a window rounded to float32, as other
            implementations do; for comparing with them.

    Returns:
        (blocks, 36): 18 at full size, then 18 at half size; nan where a block is flat.
    """
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    plane = np.ascontiguousarray(image[: rows * BLOCK, : columns * BLOCK])
    scales = []
    for side in (BLOCK, BLOCK // 2):
        normal = _exactly_normalised(plane) if exact else _normalised(plane)
        blocks = normal.reshape(rows, side, columns, side).transpose(0, 2, 1, 3)
        scales.append(_statistics(_wrapped(blocks.reshape(-1, side, side))))
        if side == BLOCK:
            plane = half_size(plane)
    return np.concatenate(scales, axis=1)


def half_size(plane: Plane) -> Plane:
    """MATLAB's ``imresize(plane, 0.5)`` of sides that are even: bicubic, antialiased, mirrored."""
    mirrored = cv2.BORDER_REFLECT
    down = cv2.sepFilter2D(
        plane, cv2.CV_64F, np.ones(1), _HALF_TAPS, anchor=(0, 3), borderType=mirrored
    )[::2]
    across = cv2.sepFilter2D(
        down, cv2.CV_64F, _HALF_TAPS, np.ones(1), anchor=(3, 0), borderType=mirrored
    )
    return np.ascontiguousarray(across[:, ::2])


def _gaussian() -> Plane:
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    taps = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    return np.asarray(taps / taps.sum())


def _normalised(plane: Plane) -> Plane:
    """Mean-subtracted, contrast-normalised values (MSCN); dust is zero."""
    taps = _gaussian()

    def local(values: Plane) -> Plane:
        filtered = cv2.sepFilter2D(values, cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(filtered, dtype=np.float64)

    values = _divide_by_contrast(plane, local(plane), local(plane * plane))
    values[np.abs(values) < DUST] = 0.0
    return values


def _exactly_normalised(plane: Plane) -> Plane:
    taps = _gaussian()
    window = np.outer(taps, taps).astype(np.float32).astype(np.float64)

    def local(values: Plane) -> Plane:
        filtered = cv2.filter2D(values, cv2.CV_64F, window, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(filtered, dtype=np.float64)

    return _divide_by_contrast(plane, local(plane), local(plane * plane))


def _divide_by_contrast(plane: Plane, mean: Plane, power: Plane) -> Plane:
    """(plane - mean) / (standard deviation + 1); ``mean`` and ``power`` are used up."""
    values = plane - mean
    mean *= mean
    power -= mean
    np.abs(power, out=power)
    np.sqrt(power, out=power)
    power += 1.0
    values /= power
    return values


def _wrapped(blocks: Plane) -> Plane:
    """(n, side, side) to (n, side + 1, side + 1): the first row and column again at the end."""
    number, side, _ = blocks.shape
    wrapped = np.empty((number, side + 1, side + 1))
    wrapped[:, :side, :side] = blocks
    wrapped[:, :side, side] = blocks[:, :, 0]
    wrapped[:, side] = wrapped[:, 0]
    return wrapped


def _statistics(wrapped: Plane) -> Plane:
    """18 numbers of each block of normalised values, given with its wrapped row and column."""
    step = max(1, _CHUNK // wrapped[0].size)
    sums = [_five_sums(wrapped[i : i + step]) for i in range(0, len(wrapped), step)]
    values = (wrapped.shape[1] - 1) ** 2
    alpha, mean, left, right = _fit(np.concatenate(sums, axis=1), values)
    own = np.stack([alpha[:, 0], (left[:, 0] + right[:, 0]) / 2], axis=1)
    pairs = np.stack([alpha, mean, left, right], axis=2)[:, 1:]
    return np.concatenate([own, pairs.reshape(len(wrapped), -1)], axis=1)


def _five_sums(wrapped: Plane) -> Plane:
    """Sums (5, n, 5) of |x|, x^2, x|x|, sign(x) and |sign(x)|; see :func:`_sums` for the last axis."""
    sizes = np.abs(wrapped)
    return np.stack(
        [
            _sums(sizes),
            _sums(wrapped * wrapped),
            _sums(wrapped * sizes),
            _sums(np.sign(wrapped, dtype=np.float32)),  # whole numbers to 9216: exact in float32
            _sums((wrapped != 0).astype(np.float32)),
        ]
    )


def _sums(wrapped: NDArray[np.floating]) -> Plane:
    """Sums of each block's values and of their products with four neighbours: (n, 5).

    The neighbours are the right, the lower and the two lower diagonal ones, around the block's edges
    as the release rolls it. Rows are read as one long vector, in which a neighbour is an offset; the
    wrapped column's own products, which do not belong, are taken out by zeros on one side.
    """
    number, width, _ = wrapped.shape
    length = (width - 1) * width  # without the wrapped row
    cut = wrapped.copy()
    cut[:, :, -1] = 0
    x, y = cut.reshape(number, -1), wrapped.reshape(number, -1)
    here = x[:, :length]
    pairs = [
        (here, y[:, 1 : length + 1]),
        (here, y[:, width : length + width]),
        (here[:, :-1], y[:, width + 1 :][:, : length - 1]),  # the last value of all is a cut one
        (x[:, width : length + width], y[:, 1 : length + 1]),
    ]
    products = [np.einsum("ij,ij->i", one, other) for one, other in pairs]
    return np.stack([here.sum(axis=1), *products], axis=1).astype(np.float64)


class _Table(NamedTuple):
    """Shapes alpha of the generalised Gaussian on the release's grid, and what follows from them."""

    alpha: Plane
    between: Plane  # midpoints of the moment ratio, which rises with alpha
    scale: Plane  # sqrt(gamma(1/alpha) / gamma(3/alpha))
    shift: Plane  # gamma(2/alpha) / gamma(1/alpha)


@lru_cache(maxsize=1)
def _table() -> _Table:
    from scipy.special import gammaln

    alpha = np.arange(200, 10_001) / 1000
    one, two, three = (gammaln(k / alpha) for k in (1, 2, 3))
    ratio = np.exp(2 * two - one - three)
    return _Table(alpha, (ratio[1:] + ratio[:-1]) / 2, np.exp((one - three) / 2), np.exp(two - one))


def _fit(sums: Plane, size: int) -> tuple[Plane, Plane, Plane, Plane]:
    """Asymmetric generalised Gaussians by moments (Lasmar et al. 2009).

    Args:
        sums: (5, n, 5): of |x|, x^2, x|x|, sign(x) and |sign(x)|, over ``size`` values each.
        size: how many.

    Returns:
        alpha, mean, left and right scale, each (n, 5). Without values on both sides the scales are
        nan and alpha is the grid's first, as in the release (MATLAB's and NumPy's minimum of nan).
    """
    absolute, square, signed, sign, nonzero = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt(np.maximum(square - signed, 0.0) / (nonzero - sign))
        right = np.sqrt(np.maximum(square + signed, 0.0) / (nonzero + sign))
        # The release has (g^3 + 1)(g + 1) / (g^2 + 1)^2 with g = left/right.
        skew = (left**3 + right**3) * (left + right) / (left**2 + right**2) ** 2
        ratio = absolute**2 / (size * square) * skew
    table = _table()
    # searchsorted on midpoints: the nearest entry, the lower one of two equally near.
    nearest = np.where(np.isnan(ratio), 0, np.searchsorted(table.between, ratio))
    left, right = left * table.scale[nearest], right * table.scale[nearest]
    return table.alpha[nearest], (right - left) * table.shift[nearest], left, right
