"""Seeded random draws: every random number of a face comes from a named, hashed stream."""

from __future__ import annotations

import hashlib

import numpy as np


def generator_for(label: str) -> np.random.Generator:
    """Return the generator of one named stream.

    Args:
        label: Name of the stream, for example ``"2020|identity|17"``.

    Returns:
        A generator seeded with the first 8 bytes (little endian) of the SHA-256 of ``label``, so
        that it depends neither on the process, nor on the order in which faces are drawn.
    """
    digest = hashlib.sha256(label.encode("utf-8")).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


class Draws:
    """Bounded draws as Python floats.

    Python floats do not promote float32 arrays, numpy's own float64 scalars would.
    """

    def __init__(self, label: str) -> None:
        """Open the stream ``label``."""
        self._rng = generator_for(label)

    def between(self, low: float, high: float) -> float:
        """Uniform draw from [low, high)."""
        return float(self._rng.uniform(low, high))

    def around(self, mean: float, spread: float, reach: float = 2.2) -> float:
        """Normal draw, clipped to ``reach`` standard deviations either side of ``mean``."""
        value = float(self._rng.standard_normal())
        return mean + spread * min(max(value, -reach), reach)

    def chance(self, probability: float) -> bool:
        """True with the given probability; takes one draw whatever the probability."""
        return bool(self._rng.random() < probability)

    def pick(self, weights: tuple[float, ...]) -> int:
        """Index drawn in proportion to ``weights`` (they need not sum to one)."""
        point = float(self._rng.random()) * sum(weights)
        for index, weight in enumerate(weights):
            point -= weight
            if point < 0:
                return index
        return len(weights) - 1
