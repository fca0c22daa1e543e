"""Which images weights were trained on, by key: enough to say how many of them are tested on.

Only digests are kept (8 bytes an image), in checkpoints; a run record holds the count. Keys are told
apart by where images come from, so that two data sets may number their files alike.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from facesr_bench.data import FaceData, Role


def digests(origin: str, keys: Sequence[str]) -> Tensor:
    """Sorted digests (n,) int64 of images that come from one place.

    Args:
        origin: the place, see :meth:`facesr_bench.data.FaceData.origin`.
        keys: of the images.
    """
    found = [
        int.from_bytes(
            hashlib.sha256(f"{origin}\0{key}".encode()).digest()[:8], "little", signed=True
        )
        for key in keys
    ]
    return torch.tensor(sorted(found), dtype=torch.int64)


def of_roles(source: FaceData, roles: Iterable[tuple[Role, Sequence[str]]]) -> Tensor:
    """Sorted digests of the images of several splits, each once."""
    parts = [digests(source.origin(role), keys) for role, keys in roles]
    found: Tensor = torch.cat([nothing(), *parts]).unique()
    return found


def nothing() -> Tensor:
    """What untrained weights have seen."""
    return torch.empty(0, dtype=torch.int64)


def together(before: Tensor | None, now: Tensor) -> Tensor | None:
    """The union of what was seen before and what is trained on now; unknown stays unknown."""
    return None if before is None else torch.cat([before, now]).unique()


def overlap(seen: Tensor | None, source: FaceData, test_keys: Sequence[str]) -> dict[str, Any]:
    """For the record: how many test images were trained on, and whether that is known at all.

    Args:
        seen: digests behind the weights; None where nobody kept them.
        source: the data tested on.
        test_keys: of the test set.
    """
    if seen is None:
        return {"known": False, "images": None}
    tested = digests(source.origin("test"), test_keys)
    return {"known": True, "images": int(torch.isin(tested, seen).sum())}
