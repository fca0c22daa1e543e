"""How much faster the Fréchet and kernel distances are than the usual way, and what the rest costs.

    python benchmarks/frechet_kid.py --images 1000 --dimensions 2048

Usual: ``scipy.linalg.sqrtm`` of the d x d product, and a loop that makes three kernel matrices per
subset (as torch-fidelity does). Both run on the same features as ours, in this process, and the values
are compared as well. Goals: 20 times for Fréchet with n < d, 10 times for KID. The bound is what no
implementation of the same mathematics can save: the bare matrix products.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from report import note
from scipy.linalg import sqrtm

from facesr_bench.metrics.frechet import frechet_distance, frechet_jackknife
from facesr_bench.metrics.gaussians import statistics
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.kid import SEED, SUBSETS, kernel_distance

Rows = np.ndarray[Any, np.dtype[np.float32]]


def features(images: int, dimensions: int, seed: int) -> Rows:
    """Like pooled rectified maps: never negative, correlated, a decaying spectrum."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((64, dimensions))
    rows = rng.standard_normal((images, 64)) @ mixing / 16
    rows += 0.3 * rng.standard_normal((images, dimensions)) + 0.1 * seed
    return np.maximum(rows, 0).astype(np.float32)


def usual_frechet(a: Rows, b: Rows) -> float:
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = a.mean(axis=0, dtype=float) - b.mean(axis=0, dtype=float)
    return float(gap @ gap + np.trace(s) + np.trace(t) - 2 * np.trace(sqrtm(s @ t)).real)


def usual_kid(a: Rows, b: Rows, size: int) -> float:
    x, y = a.astype(float), b.astype(float)
    rng = np.random.RandomState(SEED)
    values = []
    for _ in range(SUBSETS):
        one = x[rng.choice(len(x), size, replace=False)]
        other = y[rng.choice(len(y), size, replace=False)]
        xx, yy, xy = (
            (p @ q.T / p.shape[1] + 1.0) ** 3 for p, q in ((one, one), (other, other), (one, other))
        )
        within = xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)
        values.append(within / (size * (size - 1)) - 2 * xy.mean())
    return float(np.mean(values))


def timed(what: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """The quickest of some runs, in seconds, and the result."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = what()
        times.append(time.perf_counter() - began)
    return min(times), result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--dimensions", type=int, default=2048)
    arguments = parser.parse_args()
    n, d = arguments.images, arguments.dimensions
    a, b = features(n, d, 1), features(n, d, 2)
    labels = Intervals().group_labels(n)
    fitted = statistics(b)

    wide = [rows.astype(float) for rows in (a, b)]
    one_product, _ = timed(lambda: wide[0] @ wide[1].T, 3)

    fast, value = timed(lambda: frechet_distance(a, b), 3)
    jackknife, _ = timed(lambda: frechet_jackknife(a, b, labels, labels))
    fixed, _ = timed(lambda: frechet_jackknife(a, fitted, labels, None))
    slow, expected = timed(lambda: usual_frechet(a, b))
    off = abs(value - expected) / expected
    print(
        f"Fréchet, n = {n}, d = {d}, float64: ours {fast:.2f} s, sqrtm {slow:.2f} s: "
        f"{slow / fast:.1f} times; relative difference {off:.1e}; bound {one_product:.2f} s"
    )
    note(f"Fréchet distance, {n} x {d}, against sqrtm", "s", fast, slow, slow / fast)
    print(f"  with 20 leave-group-out values {jackknife:.2f} s; against statistics {fixed:.2f} s")

    fast_kid, kid = timed(lambda: kernel_distance(a, b), 3)
    slow_kid, expected = timed(lambda: usual_kid(a, b, kid.subset_size))
    gap = abs(kid.mean - expected)
    print(
        f"KID, {SUBSETS} subsets of {kid.subset_size}: ours {fast_kid:.2f} s, loop {slow_kid:.2f} s: "
        f"{slow_kid / fast_kid:.1f} times; difference {gap:.1e}; bound {3 * one_product:.2f} s"
    )
    note(f"KID, {SUBSETS} subsets, against a loop", "s", fast_kid, slow_kid, slow_kid / fast_kid)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"Features: {a.nbytes / 1e6:.1f} MB a set; peak memory of this process {peak:.2f} GB")
    wrong = off > 1e-6 or gap > 1e-9
    if wrong:
        print("The values differ; the ratios mean nothing.", file=sys.stderr)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
