"""The training stream: which images a run sees, in which order, without any stored state.

Position p is the p-th image of the run. Which sample it shows, which LR belongs to it and what its
degradation draws follow from (seed, p) alone. So a resumed run continues the very same stream, any
number of ranks share it without overlap, and the number of workers changes nothing.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from facesr_bench.budget import Budget
from facesr_bench.data import FaceDataset, Sample
from facesr_bench.degradations.base import Degradation
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image
from facesr_bench.seeding import numpy_rng


class Order:
    """An endless shuffle: every epoch is a fresh permutation, drawn from (seed, role, epoch)."""

    def __init__(self, length: int, seed: int, role: str) -> None:
        self._length, self._seed, self._role = length, seed, role
        self._drawn: dict[int, np.ndarray] = {}

    def __getitem__(self, position: int) -> int:
        epoch, offset = divmod(position, self._length)
        if epoch not in self._drawn:
            self._drawn = {e: p for e, p in self._drawn.items() if e == epoch - 1}
            rng = numpy_rng(self._seed, self._role, epoch)
            self._drawn[epoch] = rng.permutation(self._length)
        return int(self._drawn[epoch][offset])

    def __getstate__(self) -> dict[str, Any]:
        """Workers draw their own; it is the same."""
        return {**self.__dict__, "_drawn": {}}


class TrainingStream(Dataset[dict[str, Tensor]]):
    """HR and LR by position: uint8 (H, W, 3) and (h, w, 3) tensors.

    Args:
        train: HR images, or pairs when the owner provides LR.
        train_lr: unpaired LR, or None. Samples that carry HR only are degraded once and for all with
            a generator seeded by their key, as real LR would be.
        degradation: makes LR where the data have none.
        pairing: "paired" for LR of the very HR; "unpaired" for LR of independent draws; "hr" for none.
        seed: the run's seed.
        protocol_seed: the seed of LR that is fixed with the protocol.
        hr_size, lr_size: sides in pixels, checked on every image.
        lr_on_device: leave LR that has to be degraded to the device; batches then carry "position".
    """

    def __init__(
        self,
        train: FaceDataset,
        train_lr: FaceDataset | None,
        degradation: Degradation,
        pairing: str,
        seed: int,
        protocol_seed: int,
        hr_size: int,
        lr_size: int,
        lr_on_device: bool = False,
    ) -> None:
        self._lr_on_device = lr_on_device
        self._train, self._degradation = train, degradation
        self._wild = train_lr if pairing == "unpaired" else None
        self._paired, self._hr_only = pairing == "paired", pairing == "hr"
        self._seed, self._protocol_seed = seed, protocol_seed
        self._hr_size, self._lr_size = hr_size, lr_size
        self._order = Order(len(train), seed, "train-order")
        other = self._wild if self._wild is not None else train
        self._other_order = Order(len(other), seed, "train-lr-order")
        self._wild_lr: dict[int, UInt8Image] = {}  # LR fixed by the protocol, made on first use

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        sample = self._train[self._order[position]]
        hr = self._sized(sample.hr, self._hr_size, sample.key, "HR")
        if self._hr_only:
            return {"hr": torch.from_numpy(hr)}
        if self._lr_on_device and self._paired and sample.lr is None:
            return {"hr": torch.from_numpy(hr), "position": torch.tensor(position)}
        if self._paired:
            lr = sample.lr if sample.lr is not None else self._degrade(sample, position)
        else:
            lr = self._independent_lr(position)
        lr = self._sized(lr, self._lr_size, sample.key, "LR")
        return {"hr": torch.from_numpy(hr), "lr": torch.from_numpy(lr)}

    def _independent_lr(self, position: int) -> UInt8Image:
        if self._wild is None:
            sample = self._train[self._other_order[position]]
            if sample.lr is not None:
                return sample.lr
            self._sized(sample.hr, self._hr_size, sample.key, "HR")
            return self._degrade(sample, position)
        index = self._other_order[position]
        if index not in self._wild_lr:
            sample = self._wild[index]
            if (
                sample.lr is not None
            ):  # the owner's, at rest already: a copy would be one for each worker
                return sample.lr
            lr = fixed_lr(sample, self._degradation, self._protocol_seed, "train-lr")
            self._wild_lr[index] = lr
        return self._wild_lr[index]

    def _degrade(self, sample: Sample, position: int) -> UInt8Image:
        return self._degradation.degrade(sample, degradation_rng(self._seed, position))

    @staticmethod
    def _sized(image: UInt8Image | None, side: int, key: str, what: str) -> UInt8Image:
        if image is None:
            raise DataError(f"The training sample {key!r} has no {what} image.")
        if image.shape != (side, side, 3):
            got = "x".join(str(n) for n in image.shape)
            raise DataError(f"The {what} image {key!r} is {got}, but must be {side}x{side}x3.")
        return np.ascontiguousarray(image)


def degradation_rng(seed: int, position: int) -> np.random.Generator:
    """What the LR of one position of the stream is drawn from, on a worker or on the device."""
    return numpy_rng(seed, "train-degradation", position)


def fixed_lr(sample: Sample, degradation: Degradation, protocol_seed: int, role: str) -> UInt8Image:
    """The LR of a sample as its protocol fixes it: the owner's, or made from (seed, role, key)."""
    if sample.lr is not None:
        return sample.lr
    return degradation.degrade(sample, numpy_rng(protocol_seed, role, sample.key))


class StreamSampler(Sampler[list[int]]):
    """Batches of positions for one rank, from ``images_seen`` to the end of the budget.

    A phase's batch size counts all ranks together; of R ranks, rank r takes every R-th position of a
    batch, from r on. Discriminators that compare strided groups of samples (minibatch deviation) then
    find the same groups on any number of ranks, as long as a share holds whole groups.
    It has no length on purpose: Lightning would compare it with the batches of an earlier attempt.
    """

    def __init__(self, budget: Budget, images_seen: int, rank: int, world_size: int) -> None:
        for phase, batch in budget.batch_sizes():
            if batch % world_size:
                raise ConfigError(
                    f"Phase {phase.name!r} has a batch of {batch} images over all "
                    f"processes, which {world_size} processes cannot share evenly. Choose "
                    "method.budget.batch_size as a multiple of the number of processes."
                )
        self._budget, self._start = budget, images_seen
        self._rank, self._world_size = rank, world_size

    def __iter__(self) -> Iterator[list[int]]:
        position = self._start
        while not self._budget.finished(position):
            batch = self._budget.batch_at(position)
            yield list(range(position + self._rank, position + batch, self._world_size))
            position += batch
