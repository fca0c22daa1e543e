"""The cells of an adaptation protocol: every condition of the target domain by every exemplar seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch

from facesr_bench.adaptation.contract import Exemplars
from facesr_bench.adaptation.guard import Guard, GuardedData, GuardedSplit
from facesr_bench.config import build_data
from facesr_bench.data import FaceDataset
from facesr_bench.datamodule import MEMORY_LIMIT, FaceSRDataModule
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image, to_float
from facesr_bench.seeding import numpy_rng
from facesr_bench.stream import fixed_lr

ANY_CONDITION = "all"
"""Where samples have no domain, all are of one condition."""


@dataclass(frozen=True)
class Cell:
    """One evaluation: adapt to these exemplars, test on those samples.

    Attributes:
        condition: light, pose ..., as ``Sample.domain`` has it.
        seed: of the draw of exemplars.
        exemplars: positions in ``pool``.
        pool: what exemplars are drawn from.
        test: what is tested on.
    """

    condition: str
    seed: int
    exemplars: tuple[int, ...]
    pool: GuardedSplit
    test: GuardedSplit

    @property
    def keys(self) -> tuple[str, ...]:
        """Of the exemplars."""
        return tuple(self.pool.keys[i] for i in self.exemplars)

    def folder(self, root: Path) -> Path:
        """Where it writes in a run's folder."""
        return root / "cells" / quote(self.condition, safe="+-.,=@ ") / f"{self.seed:02d}"


class Target:
    """The target domain of a protocol: its conditions, and a guard before its images.

    Exemplars come from the split "exemplar", whose people are not tested on; where the data have none,
    they come from the test split, and the rest of it is tested on. Which ones follows from (protocol
    seed, condition, exemplar seed): every method is shown the same faces.

    Args:
        data: the data module of the run. Its splits must not have been opened; from now on it reads
            the target through the guard, as everything does that is made of it.
    """

    def __init__(self, data: FaceSRDataModule) -> None:
        self.guard = Guard()
        self.data = data
        self.source = data.source = GuardedData(data.source, self.guard, MEMORY_LIMIT)
        test, pool = self.source.split("test"), self.source.split("exemplar")
        if not isinstance(test, GuardedSplit) or not len(test):
            raise DataError(f"{data.name} has no test split to adapt to.")
        self._test = test
        self._pool = pool if isinstance(pool, GuardedSplit) else test
        self._of_test = _by_condition(self._test)
        apart = self._pool is not self._test
        self._of_pool = _by_condition(self._pool) if apart else self._of_test

    @property
    def conditions(self) -> list[str]:
        """That are tested, in order."""
        return sorted(self._of_test)

    def cells(self, k: int, seeds: Sequence[int], conditions: Sequence[str] | None) -> list[Cell]:
        """Condition by condition, all seeds of it.

        Raises:
            ConfigError: a condition that is not there, or too few images in one.
        """
        chosen = self.conditions if conditions is None else list(conditions)
        unknown = [name for name in chosen if name not in self._of_test]
        if unknown:
            raise ConfigError(
                f"{self.data.name} is not tested under the condition {unknown[0]!r}; it has "
                f"{', '.join(self.conditions)}."
            )
        return [self._cell(name, seed, k) for name in chosen for seed in seeds]

    def _cell(self, condition: str, seed: int, k: int) -> Cell:
        candidates = self._of_pool.get(condition, [])
        tested = self._of_test[condition]
        apart = self._pool is not self._test
        if len(candidates) < k + (not apart):
            raise ConfigError(
                f"{self.data.name} has {len(candidates)} images under the condition {condition!r} to "
                f"draw {k} exemplars from{'' if apart else ' and test on the rest'}."
            )
        rng = numpy_rng(self.data.protocol_seed, "exemplar", f"{condition}|{seed}")
        # The first k of one permutation: more exemplars include the fewer.
        drawn = tuple(candidates[i] for i in rng.permutation(len(candidates))[:k])
        rest = tested if apart else [i for i in tested if i not in drawn]
        return Cell(condition, seed, drawn, self._pool, self._test.subset(rest))

    def testing(self, cell: Cell, settings: Mapping[str, Any]) -> FaceSRDataModule:
        """A data module that tests on the cell's samples, behind the same guard.

        Args:
            cell: of this target.
            settings: the run's ``data`` group, from which ``self.data`` was built.
        """
        data: FaceSRDataModule = build_data(settings)
        data.source = self.source.testing(cell.test)
        return data

    def exemplars(self, cell: Cell) -> Exemplars:
        """The pairs of a cell; LR as the protocol fixes it.

        Raises:
            DataError: an exemplar without HR.
        """
        data, lr, hr = self.data, [], []
        for position in cell.exemplars:
            sample = cell.pool[position]
            if sample.hr is None or sample.hr.shape != (data.hr_size, data.hr_size, 3):
                raise DataError(
                    f"The exemplar {sample.key!r} has no HR image of {data.hr_size}x{data.hr_size}."
                )
            hr.append(sample.hr)
            lr.append(fixed_lr(sample, data.degradation, data.protocol_seed, "lr"))
        return Exemplars(cell.keys, _floats(lr), _floats(hr))


def _by_condition(split: FaceDataset) -> dict[str, list[int]]:
    """Positions by the sample's domain, in key order."""
    found: dict[str, list[int]] = {}
    for position in sorted(range(len(split)), key=lambda i: split.keys[i]):
        found.setdefault(split[position].domain or ANY_CONDITION, []).append(position)
    return found


def _floats(images: Sequence[UInt8Image]) -> torch.Tensor:
    return to_float(torch.from_numpy(np.stack(images)))
