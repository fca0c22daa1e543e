"""The learning rate, per epoch of ``len(HR)`` images."""

import math
from typing import Literal

Sched = Literal["cosine", "cosine_restart"]


def learning_rate(
    epoch: int,
    *,
    base: float = 1e-4,
    floor: float = 1e-5,
    half_period: int = 10,
    sched: Sched = "cosine",
) -> float:
    """Learning rate of an epoch, counted from 1.

    Args:
        epoch: 1, 2, ...
        base: at epoch 1.
        floor: at the bottom of the cosine.
        half_period: epochs from top to bottom.
        sched: ``"cosine"`` is the official code: ``CosineAnnealingLR(T_max=half_period)`` never
            restarts, so the rate falls for 10 epochs and **rises** for the next 10 (bottoms at
            epochs 11, 31, ..., 191). ``"cosine_restart"`` is what the paper's words suggest: back
            to the top every 10 epochs.
    """
    done = epoch - 1
    if sched == "cosine_restart":
        done %= half_period
    return floor + (base - floor) * (1 + math.cos(math.pi * done / half_period)) / 2


def epoch_at(images_seen: int, epoch_images: int) -> int:
    """The epoch, counted from 1, that a run is in after ``images_seen`` images."""
    return images_seen // epoch_images + 1
