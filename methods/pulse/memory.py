"""How many images fit: the memory one of them needs, measured, against the memory there is."""

from collections.abc import Callable
from pathlib import Path

import torch

from facesr_bench.cost import peak_memory

_SHARE = 0.5
"""Of the free memory that searches may take; the metrics' networks come after them."""

_CGROUP = Path("/sys/fs/cgroup")


def fitting_batch(
    one: Callable[[], object], device: torch.device, most: int, sharing: int = 1
) -> int:
    """Images to search for at once.

    Args:
        one: searches for one image; two steps are enough, memory does not grow after that.
        device: where.
        most: no more than this, however much memory there is.
        sharing: processes of this run on this machine. They share a CPU's memory; a GPU each has to
            itself.
    """
    one()  # not measured: what a process sets up once would count as what an image needs
    before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    needed = peak_memory(one, device)[0] - before
    free = free_memory(device)
    if needed <= 0 or free is None:  # a system that does not tell
        return min(most, 4)
    if device.type == "cpu":
        free //= sharing
    return max(1, min(most, int(_SHARE * free / needed)))


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be had on a device; None where nobody says."""
    if device.type == "cuda":
        # What torch has reserved and does not use is free for us, too.
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + idle
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(
            int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")
        )
    except (OSError, StopIteration, ValueError):
        return None
    return min(free, _left_in_container(free))


def _left_in_container(otherwise: int) -> int:
    """What a container's limit leaves, if there is one."""
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        return max(0, limit - int((_CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):  # no container, or "max"
        return otherwise
