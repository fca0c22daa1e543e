"""Out of memory while restoring: a batch is halved and tried again, instead of losing the run."""

import logging
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from facesr_bench.errors import FaceSRError, first_line

log = logging.getLogger(__name__)

Findings = Mapping[str, Tensor]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch (on a GPU or a CPU) or Python had no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


class Halving:
    """Restores batches in parts that fit; what did not fit once is not tried again.

    Sums in another order may differ in the last bit, so where memory is too small the batch is, too,
    and the record says which it was.

    Args:
        restore: LR (B, 3, h, w) and keys to SR and what the method found of each image, (B,) each.
    """

    def __init__(self, restore: Callable[[Tensor, Sequence[str]], tuple[Tensor, Findings]]) -> None:
        self._restore = restore
        self.most: int | None = None
        """Images that fit at once; None while everything did."""

    def __call__(self, lr: Tensor, keys: Sequence[str]) -> tuple[Tensor, Findings]:
        """Raises what ``restore`` does, and FaceSRError when not even one image fits."""
        size = len(keys) if self.most is None else self.most
        if len(keys) > size:
            return self._parts(lr, keys, size)
        try:
            return self._restore(lr, keys)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(keys) == 1:
                raise FaceSRError(
                    f"Out of memory with one image of {lr.shape[2]}x{lr.shape[3]} pixels alone "
                    f"({first_line(error)}). Free memory on this device, or choose another by trainer=."
                ) from error
        # Only here is the traceback gone that held the failed attempt's tensors.
        self.most = len(keys) // 2
        log.warning("Out of memory with %d images at once; going on with %d.", len(keys), self.most)
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        return self(lr, keys)

    def _parts(self, lr: Tensor, keys: Sequence[str], size: int) -> tuple[Tensor, Findings]:
        done: list[tuple[Tensor, Findings]] = []
        start = 0
        while start < len(keys):
            size = size if self.most is None else min(size, self.most)
            part = slice(start, start + size)
            done.append(self(lr[part], keys[part]))
            start += size
        findings = {
            name: torch.cat([found[name] for _, found in done])
            for name in (done[0][1] if done else {})
        }
        return torch.cat([sr for sr, _ in done]), findings
