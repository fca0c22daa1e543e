"""One Lightning data module for every data set and every method."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.degradations.base import Degradation
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import to_float
from facesr_bench.method import Method
from facesr_bench.protocol import TestSet, freeze_test_set
from facesr_bench.stream import StreamSampler, TrainingStream, degradation_rng

MEMORY_LIMIT = 1 << 30
"""A training split whose pixels need fewer bytes than this is decoded once and kept."""


class InMemory(FaceDataset):
    """A split decoded once; reading it again costs nothing."""

    def __init__(self, dataset: FaceDataset) -> None:
        self.keys = dataset.keys
        with ThreadPoolExecutor() as pool:
            self._samples = list(pool.map(dataset.__getitem__, range(len(dataset))))

    def __getitem__(self, index: int) -> Sample:
        return self._samples[index]


class FirstKeys(FaceDataset):
    """The first samples of a split by sha256 of their keys: nobody's choice."""

    def __init__(self, dataset: FaceDataset, count: int) -> None:
        def order(index: int) -> str:
            return hashlib.sha256(dataset.keys[index].encode()).hexdigest()

        chosen = sorted(range(len(dataset)), key=order)[:count]
        self._dataset, self._index = dataset, sorted(chosen)
        self.keys = [dataset.keys[index] for index in self._index]

    def __getitem__(self, index: int) -> Sample:
        return self._dataset[self._index[index]]


class LRImages(Dataset[dict[str, Any]]):
    """The LR side of a test set, for super-resolving: all that a method may see of it."""

    def __init__(self, test_set: TestSet) -> None:
        self._test_set = test_set

    def __len__(self) -> int:
        return len(self._test_set)

    def __getitem__(self, position: int) -> dict[str, Any]:
        lr = torch.from_numpy(self._test_set.lr[position])
        return {"position": position, "key": self._test_set.keys[position], "lr": lr}


class FaceSRDataModule(pl.LightningDataModule):
    """Serves a data set's splits to a method, by the rules of one protocol.

    Args:
        name: the protocol's name; with ``version`` the human half of its identity.
        version: raised by hand whenever the test inputs change on purpose.
        source: the data set.
        degradation: HR to LR where the owner gives no LR.
        hr_size: side of the HR images in pixels.
        factor: HR side over LR side.
        protocol_seed: seed of everything that is fixed with the protocol (not the run's seed).
        test_batch_size: images super-resolved at once in the test stage.
        num_workers: processes that load training data; None chooses (0 when all fits in memory).
        test_limit: test on so many images only, the first by sha256 of their keys; a protocol of
            its own, and its name says so.
        degrade_on: where training LR is made: "workers", or "device" for degradations that have such a
            version (kornia; other pixels, the same distribution). Test LR never depends on it.
    """

    def __init__(
        self,
        name: str,
        version: int,
        source: FaceData,
        degradation: Degradation,
        hr_size: int,
        factor: int = 4,
        protocol_seed: int = 2020,
        test_batch_size: int = 32,
        num_workers: int | None = None,
        test_limit: int | None = None,
        degrade_on: Literal["workers", "device"] = "workers",
    ) -> None:
        super().__init__()
        if hr_size % factor:
            raise ConfigError(f"hr_size={hr_size} is not a multiple of factor={factor}.")
        if degradation.factor != factor:
            raise ConfigError(
                f"The degradation reduces by {degradation.factor}, but the data by {factor}."
            )
        if degrade_on not in ("workers", "device"):
            raise ConfigError(f"data.degrade_on={degrade_on} is not one of workers, device.")
        if degrade_on == "device" and type(degradation).on_device is Degradation.on_device:
            raise ConfigError(
                f"{type(degradation).__name__} has no version on the device; leave "
                "data.degrade_on=workers."
            )
        self.degrade_on = degrade_on
        self.name: str = name
        self.version = version
        self.source, self.degradation = source, degradation
        self.hr_size, self.factor, self.lr_size = hr_size, factor, hr_size // factor
        self.protocol_seed, self.test_batch_size = protocol_seed, test_batch_size
        self._num_workers = num_workers
        if test_limit is not None and test_limit < 1:
            raise ConfigError(
                f"data.test_limit={test_limit} leaves no test image; give at least 1."
            )
        self._test_limit = test_limit
        self._splits: dict[Role, FaceDataset | None] = {}
        self._test_set: TestSet | None = None

    # -- splits -----------------------------------------------------------------------------------

    def split(self, role: Role) -> FaceDataset | None:
        """One split of the source, decoded into memory when it is small; opened once."""
        if role not in self._splits:
            dataset = self.source.split(role)
            if dataset is not None and not len(dataset):
                raise DataError(f"The {role} split of {self.name} holds no image.")
            small = dataset is not None and len(dataset) * self.hr_size**2 * 3 <= MEMORY_LIMIT
            keep = small and not getattr(dataset, "cheap", False)
            self._splits[role] = InMemory(dataset) if dataset is not None and keep else dataset
        return self._splits[role]

    def required(self, role: Role) -> FaceDataset:
        """The split, or a DataError that says what is missing."""
        dataset = self.split(role)
        if dataset is None:
            raise DataError(
                f"The data set of {self.name} has no {role!r} split, which this stage needs."
            )
        return dataset

    @property
    def test_set(self) -> TestSet:
        """The frozen test inputs; made on first use."""
        if self._test_set is None:
            test = self.required("test")
            self._test_set = freeze_test_set(
                test if self._test_limit is None else FirstKeys(test, self._test_limit),
                self.degradation,
                self.test_name,
                self.version,
                self.protocol_seed,
                self.hr_size,
                self.factor,
            )
        return self._test_set

    @property
    def test_name(self) -> str:
        """The protocol's name: that of the data, and how many test images it was cut down to."""
        return self.name if self._test_limit is None else f"{self.name}-{self._test_limit}"

    def downsample(self, images: torch.Tensor) -> torch.Tensor | None:
        """The operator that made the test LR; None where the owner gave LR, so none is known."""
        return self.degradation.downsample(images) if self.test_set.made_lr else None

    # -- loaders ----------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader[Any]:
        """The stream from where the method stands, for this rank."""
        method = self._method()
        if self.degrade_on == "device" and method.pairing == "unpaired":
            raise ConfigError(
                f"data.degrade_on=device makes LR of the very HR, but {type(method).__name__} takes "
                "unpaired LR; leave data.degrade_on=workers."
            )
        stream = self.training_stream(method.pairing, method.context.seed)
        context = method.context
        sampler = StreamSampler(
            context.budget, method.images_seen, context.rank, context.world_size
        )
        return DataLoader(
            stream,
            batch_sampler=sampler,
            num_workers=self._workers(),
            pin_memory=torch.cuda.is_available(),
            persistent_workers=False,
        )

    def training_stream(self, pairing: str, seed: int) -> TrainingStream:
        """HR and LR by position, see :mod:`facesr_bench.stream`."""
        return TrainingStream(
            self.required("train"),
            self.split("train_lr"),
            self.degradation,
            pairing,
            seed,
            self.protocol_seed,
            self.hr_size,
            self.lr_size,
            lr_on_device=self.degrade_on == "device",
        )

    def test_batches(
        self, rank: int = 0, world_size: int = 1, batch_size: int | None = None
    ) -> list[list[int]]:
        """Positions of this rank's test batches: every key once over all ranks, never padded."""
        positions = range(rank, len(self.test_set), world_size)
        size = batch_size or self.test_batch_size
        return [list(positions[start : start + size]) for start in range(0, len(positions), size)]

    def test_loader(self, batches: Sequence[Sequence[int]] | None = None) -> DataLoader[Any]:
        """The LR of these batches of positions; of all of them in turn by default."""
        batches = self.test_batches() if batches is None else batches
        return DataLoader(LRImages(self.test_set), batch_sampler=[list(batch) for batch in batches])

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """uint8 crosses the bus, float32 in [0, 1] reaches the method."""
        floats = {
            key: to_float(value) if key in ("hr", "lr") else value for key, value in batch.items()
        }
        if "lr" not in floats and "position" in floats:
            seed = self._method().context.seed
            rngs = [degradation_rng(seed, int(position)) for position in floats.pop("position")]
            floats["lr"] = self.degradation.on_device(floats["hr"], rngs)
        return floats

    def _workers(self) -> int:
        if self._num_workers is not None:
            return self._num_workers
        train = self._splits.get("train")
        in_memory = isinstance(train, InMemory) or getattr(train, "cheap", False)
        return 0 if in_memory and not torch.cuda.is_available() else 4

    def _method(self) -> Method:
        module = self.trainer.lightning_module if self.trainer is not None else None
        if not isinstance(module, Method):
            raise ConfigError("FaceSRDataModule serves subclasses of facesr_bench.method.Method.")
        return module
