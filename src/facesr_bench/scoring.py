"""Super-resolving and scoring: two stages with the SR store between them."""

import logging
import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import numpy as np
import pytorch_lightning as pl
import torch

from facesr_bench.attempt import Attempt, fingerprint
from facesr_bench.console import progress_bar
from facesr_bench.data import Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.images import UInt8Image, to_float, to_uint8
from facesr_bench.method import Method
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.protocol import TestSet
from facesr_bench.side_outputs import SideStores
from facesr_bench.store import SRStore
from facesr_bench.training import build_trainer

log = logging.getLogger(__name__)


class _StoreWriter(pl.Callback):
    """Writes every super-resolved batch into the store as soon as it is there."""

    def __init__(
        self, store: SRStore, sides: SideStores, test_set: TestSet, attempt: Attempt, made: int
    ) -> None:
        self._store, self._sides, self._test_set = store, sides, test_set
        self._attempt, self._made = attempt, made
        self._bar: Any = None
        self._began = 0.0
        self.seconds, self.timed = 0.0, 0

    def on_test_batch_start(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        self._began = _now(pl_module.device)

    def on_test_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            self._bar = progress_bar("super-resolve", len(self._test_set))
            self._bar.update(self._made * trainer.world_size)

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, *args: Any
    ) -> None:
        self.seconds += _now(pl_module.device) - self._began
        keys = [self._test_set.keys[int(position)] for position in batch["position"]]
        self.timed += len(keys)
        self._attempt.keep(keys, pl_module.findings)
        sides = pl_module.side_images
        self._sides.write(keys, {side: to_uint8(images) for side, images in sides.items()})
        self._store.write(keys, to_uint8(outputs))  # last: whoever has it, has all of the image
        if self._bar is not None:
            self._bar.update(len(keys) * trainer.world_size)

    def on_test_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self._bar is not None:
            self._bar.close()


@dataclass(frozen=True)
class SuperResolved:
    """How the store was filled.

    Attributes:
        trainer: knows ranks and devices.
        batch_size: images restored at once on this rank.
        seconds_mean: of an image on this rank; None where all were there from an earlier attempt.
        timed_images: how many were restored now.
    """

    trainer: pl.Trainer
    batch_size: int
    seconds_mean: float | None = None
    timed_images: int = 0

    def timing(self) -> dict[str, Any]:
        """For the record's cost."""
        return {
            "seconds_mean": self.seconds_mean,
            "timed_images": self.timed_images,
            "timed_batch": self.batch_size,
        }


def super_resolve_test_set(
    method: Method,
    data: FaceSRDataModule,
    store: SRStore,
    settings: Mapping[str, Any],
    sides: SideStores | None = None,
) -> SuperResolved:
    """Fill the stores: every test key exactly once, each rank its share.

    What an earlier attempt of the very same run has stored stays (:mod:`facesr_bench.attempt`). Batches
    are the same in both, and one that lacks an image is made again as a whole: sums in another order
    differ in the last bit, which a method that searches for a hundred steps turns into another face.
    """
    method.eval()
    sides = SideStores(store.root.parent, ()) if sides is None else sides
    trainer = build_trainer(settings["trainer"], method, [], [], "test")
    rank, world_size = trainer.global_rank, trainer.world_size
    device = trainer.strategy.root_device
    share = len(range(rank, len(data.test_set), world_size))
    attempt = Attempt(store, data.test_set.keys, rank, world_size)
    made_by = fingerprint(settings, method, data.test_set, device.type)
    # As trainer.test will: who chooses a batch may ask how many processes share the memory.
    method.trainer = trainer
    with attempt.writing():
        batch_size = attempt.take_over(made_by)
        if batch_size is None:
            batch_size = _batch_size(method.to(device), data, share)
            attempt.begin(made_by, batch_size)
        if rank == 0:
            sides.sweep(data.test_set.keys)
        batches = data.test_batches(rank, world_size, batch_size)
        keys = data.test_set.keys
        there = {key for key in keys if attempt.is_made(key) and sides.is_made(key)}
        waiting = [b for b in batches if not all(keys[p] in there for p in b)]
        made = share - sum(map(len, waiting))
        if made:
            log.info("%d of %d SR images are there from an earlier attempt.", made, share)
        log.info("Images restored at once: %d.", batch_size)
        writer = _StoreWriter(store, sides, data.test_set, attempt, made)
        trainer.callbacks.append(writer)  # type: ignore[attr-defined]
        # The loader, not the data module, is given to Lightning: a fit's hooks must not run again.
        method.on_after_batch_transfer = data.on_after_batch_transfer  # type: ignore[method-assign]
        # A rank may be done already.
        method.allow_zero_length_dataloader_with_multiple_devices = True
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*Total length of `DataLoader`.*is zero.*")
            trainer.test(method, dataloaders=data.test_loader(waiting), verbose=False)
    trainer.strategy.barrier()
    mean = writer.seconds / writer.timed if writer.timed else None
    return SuperResolved(
        trainer, min(batch_size, method.halving.most or batch_size), mean, writer.timed
    )


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@torch.no_grad()
def _batch_size(method: Method, data: FaceSRDataModule, images: int) -> int:
    """What the method chooses, shown one image, but no more than this rank has."""
    lr = torch.from_numpy(data.test_set.lr[0])[None].to(method.device)
    return max(1, min(method.test_batch_size(to_float(lr), data.test_batch_size), images))


def score_batches(
    test_set: TestSet,
    store: SRStore,
    positions: Sequence[int],
    batch_size: int,
    whole: TestSet | None = None,
) -> Iterator[ScoreBatch]:
    """What metrics see: SR as it lies in the store, HR and LR as the protocol fixed them.

    The next batch is read and decoded while the metrics work on this one. The rank that has the first
    position shows a progress bar. ``whole`` has the ground truth at its own size, where ``test_set``
    has it reduced and a metric asks for both.
    """

    def read(position: int) -> tuple[UInt8Image, Sample]:
        return store.read(test_set.keys[position]), test_set.sample(position)

    def batch(chosen: Sequence[int], items: list[tuple[UInt8Image, Sample]]) -> ScoreBatch:
        samples = [sample for _, sample in items]
        hr = [sample.hr for sample in samples if sample.hr is not None]
        return ScoreBatch(
            keys=[test_set.keys[p] for p in chosen],
            sr=stack([image for image, _ in items]),
            hr=stack(hr) if test_set.has_hr else None,
            lr=stack([test_set.lr[p] for p in chosen]),
            identities=[test_set.identities[p] for p in chosen],
            landmarks=[sample.landmarks for sample in samples],
            attributes=[sample.attributes for sample in samples],
            whole_hr=None if whole is None else stack([whole.hr(p) for p in chosen]),
        )

    starts = range(0, len(positions), batch_size)
    shares = [positions[start : start + batch_size] for start in starts]
    shown = progress_bar("score", len(positions)) if positions and positions[0] == 0 else None
    with ThreadPoolExecutor() as pool, shown or nullcontext():
        waiting = deque(pool.map(read, share) for share in shares[:1])
        for number, share in enumerate(shares):
            waiting.extend(pool.map(read, later) for later in shares[number + 1 : number + 2])
            yield batch(share, list(waiting.popleft()))
            if shown is not None:
                shown.update(len(share))


def stack(images: Sequence[UInt8Image]) -> torch.Tensor:
    """Images of one size as uint8 (B, 3, H, W)."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
