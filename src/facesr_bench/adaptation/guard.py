"""What adaptation may read of the target domain: the exemplars, and nothing else.

The rule of one-shot adaptation is that no other HR image of the target is seen before testing. It is
kept by the data, not by the good will of methods: while a method adapts, every other sample of a
guarded split refuses to be read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.datamodule import InMemory
from facesr_bench.errors import DataError

TARGET_ROLES: tuple[Role, ...] = ("val", "test", "exemplar")


class Guard:
    """Closed during adaptation, but for the exemplars."""

    def __init__(self) -> None:
        self._open_keys: frozenset[str] | None = None

    @contextmanager
    def only(self, keys: Sequence[str]) -> Iterator[None]:
        """Inside, these samples of the target can be read and no others."""
        self._open_keys = frozenset(keys)
        try:
            yield
        finally:
            self._open_keys = None

    def check(self, role: Role, key: str) -> None:
        """Raise DataError if adaptation is under way and this is no exemplar."""
        if self._open_keys is not None and key not in self._open_keys:
            raise DataError(
                f"Adaptation tried to read {key!r} of the target's {role} split. It may see the "
                f"exemplars ({', '.join(sorted(self._open_keys))}) and nothing else of that domain."
            )


class GuardedSplit(FaceDataset):
    """Samples of one split of the target domain, some of them or all.

    Args:
        guard: asked before every sample.
        role: of the split.
        dataset: what is guarded.
        index: which samples, in this order.
    """

    cheap = True  # small ones are kept behind the guard; a copy before it would be a way around

    def __init__(
        self, guard: Guard, role: Role, dataset: FaceDataset, index: Sequence[int] | None = None
    ) -> None:
        self._guard, self._role, self._dataset = guard, role, dataset
        self._index = list(range(len(dataset)) if index is None else index)
        self.keys = [dataset.keys[i] for i in self._index]

    def __getitem__(self, index: int) -> Sample:
        self._guard.check(self._role, self.keys[index])
        return self._dataset[self._index[index]]

    def subset(self, index: Sequence[int]) -> "GuardedSplit":
        """Some of these samples, behind the same guard."""
        return GuardedSplit(self._guard, self._role, self._dataset, [self._index[i] for i in index])


class GuardedData(FaceData):
    """A data set whose target splits are guarded, with a test split of one's choice.

    Args:
        data: the data set.
        guard: of its target splits.
        most_pixels: a target split with fewer is decoded once and kept.
    """

    def __init__(self, data: FaceData, guard: Guard, most_pixels: int) -> None:
        self.name, self._data, self._guard = data.name, data, guard
        self._most = most_pixels
        self._splits: dict[Role, FaceDataset | None] = {}
        self._chosen: GuardedSplit | None = None

    def split(self, role: Role) -> FaceDataset | None:
        """As the data set has it; see :meth:`testing` for "test"."""
        if role == "test" and self._chosen is not None:
            return self._chosen
        if role not in TARGET_ROLES:
            return self._data.split(role)
        if role not in self._splits:
            self._splits[role] = self._guarded(role)
        return self._splits[role]

    def _guarded(self, role: Role) -> GuardedSplit | None:
        dataset = self._data.split(role)
        if dataset is None:
            return None
        kept = dataset
        if len(dataset) and not dataset.cheap:
            first = dataset[0].hr
            if first is not None and first.size * len(dataset) <= self._most:
                kept = InMemory(dataset)
        return GuardedSplit(self._guard, role, kept)

    def testing(self, chosen: GuardedSplit) -> "GuardedData":
        """The same data, tested on these samples only."""
        other = GuardedData(self._data, self._guard, self._most)
        other._splits, other._chosen = self._splits, chosen
        return other

    def origin(self, role: Role) -> str:
        """Of the data set behind."""
        return self._data.origin(role)

    def provenance(self) -> list[dict[str, Any]]:
        """Of the data set behind."""
        return self._data.provenance()
