"""Two halves of a reference set: how far real faces are from other real faces."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facesr_bench.metrics.intervals import Intervals

Places = NDArray[np.int64]


def halves(
    keys: Sequence[str], seed: int, people: Intervals | None
) -> tuple[Places, Places] | None:
    """Places in ``keys`` of two seeded halves that share no person.

    Args:
        keys: of the reference's images, sorted.
        seed: of the order in which persons are dealt out.
        people: knows who is on which image; None where nobody does.

    Returns:
        Both halves in key order, or None where one would hold fewer than two images.
    """
    units = np.arange(len(keys)) if people is None else people.units(keys)
    sizes = np.bincount(units)
    side = np.zeros(len(sizes), dtype=np.int64)
    filled = [0, 0]
    for unit in np.random.default_rng(seed).permutation(len(sizes)):
        side[unit] = int(filled[1] < filled[0])  # to the smaller half
        filled[side[unit]] += int(sizes[unit])
    if min(filled) < 2:
        return None
    of_image = side[units]
    return np.flatnonzero(of_image == 0), np.flatnonzero(of_image == 1)


def bias_ratio(n: int, m: int, half: int, other: int) -> float:
    """How much smaller the bias of n against m images is than that of the halves: it goes as 1/n.

    One half for equal halves of n = m images.
    """
    return (1.0 / n + 1.0 / m) / (1.0 / half + 1.0 / other)
