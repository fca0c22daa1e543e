"""One way to turn (seed, role, key) into random numbers, the same on every machine and rank.

No generator's state is ever stored: what a sample draws depends only on the seed, on what the draw
is for (its role) and on which sample it is (its key, or its position in the training stream). That
makes test inputs equal for every worker count, and a resumed run equal to an uninterrupted one.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, role: str, key: object) -> int:
    """First 8 bytes, little endian, of sha256("seed|role|key").

    >>> derive_seed(2020, "lr", "synthface/000000")
    16645675948548102551
    """
    digest = hashlib.sha256(f"{seed}|{role}|{key}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def numpy_rng(seed: int, role: str, key: object) -> np.random.Generator:
    """A NumPy generator (PCG64) for one draw."""
    return np.random.default_rng(derive_seed(seed, role, key))


def torch_rng(seed: int, role: str, key: object) -> "torch.Generator":
    """A CPU torch generator for one draw; draw on the CPU and move, so devices agree."""
    import torch

    # torch takes seeds below 2**63 on every platform it supports.
    return torch.Generator().manual_seed(derive_seed(seed, role, key) >> 1)


@contextmanager
def initial_weights(network: str) -> Iterator[None]:
    """What is built within draws its weights from (the run's seed, the network's name) alone.

    PyTorch's layers draw from one global generator, so a network's weights would depend on every
    network built before it, and an ablation that leaves one out would change the others. The run's
    seed is what that generator was last seeded with (by the harness, before it builds the method);
    the generator is left as it was.
    """
    import torch

    seed = derive_seed(torch.initial_seed(), "initial-weights", network) >> 1
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
