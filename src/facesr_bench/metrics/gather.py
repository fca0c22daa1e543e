"""Bringing the ranks' rows together, once, at the end."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed as dist

from facesr_bench.metrics.rows import RowTable

T = TypeVar("T")


class Gathering:
    """One collective conversation between the ranks; without torch.distributed, a monologue.

    Rows travel over gloo, table by table, so that neither GPU memory nor NCCL's timeouts matter and
    only rank 0 ever holds everything. Every rank must make the same calls in the same order.
    """

    def __init__(self) -> None:
        self.ranks = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        self.is_first = self.ranks == 1 or dist.get_rank() == 0
        self._group: Any = None  # every rank is a member; the types allow for those that are not
        if self.ranks > 1:  # the others wait while rank 0 reduces: hours, for large sets on a CPU
            self._group = dist.new_group(backend="gloo", timeout=timedelta(hours=12))

    def everyone(self, item: T) -> list[T]:
        """The items of all ranks, in rank order, on every rank."""
        if self.ranks == 1:
            return [item]
        items: list[Any] = [None] * self.ranks
        dist.all_gather_object(items, item, group=self._group)
        return items

    def table(self, table: RowTable | None) -> RowTable:
        """Rows of all ranks on rank 0 (elsewhere an empty table); a key counts once."""
        if self.ranks == 1:
            return table if table is not None else RowTable()
        keys = [] if table is None else table.keys
        shard = (keys, table.take(keys)) if table is not None and keys else None
        shards: list[Any] | None = [None] * self.ranks if self.is_first else None
        dist.gather_object(shard, shards, dst=0, group=self._group)
        whole = RowTable()
        for part in shards or []:
            if part is not None:
                whole.add(*part)
        return whole

    def from_first(self, make: Callable[[], T]) -> T:
        """What rank 0 makes, on every rank; an exception there is raised on every rank."""
        if self.ranks == 1:
            return make()
        outcome: list[Any] = [None, None]
        if self.is_first:
            try:
                outcome[0] = make()
            except Exception as error:
                outcome[1] = error
        dist.broadcast_object_list(outcome, src=0, group=self._group)
        if outcome[1] is not None:
            raise outcome[1]
        result: T = outcome[0]
        return result

    def close(self) -> None:
        """Leave the conversation."""
        if self._group is not None:
            dist.destroy_process_group(self._group)
