"""Super-resolving and scoring: two stages with the SR store between them."""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import numpy as np
import pytorch_lightning as pl
import torch

from facesr_bench.console import progress_bar
from facesr_bench.data import Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.images import UInt8Image, to_uint8
from facesr_bench.method import Method
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.protocol import TestSet
from facesr_bench.store import SRStore
from facesr_bench.training import build_trainer

log = logging.getLogger(__name__)


class _StoreWriter(pl.Callback):
    """Writes every super-resolved batch into the store as soon as it is there."""

    def __init__(self, store: SRStore, test_set: TestSet) -> None:
        self._store, self._test_set = store, test_set
        self._bar: Any = None

    def on_test_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            self._bar = progress_bar("super-resolve", len(self._test_set))

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, *args: Any
    ) -> None:
        keys = [self._test_set.keys[int(position)] for position in batch["position"]]
        self._store.write(keys, to_uint8(outputs))
        if self._bar is not None:
            self._bar.update(len(keys) * trainer.world_size)

    def on_test_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self._bar is not None:
            self._bar.close()


def super_resolve_test_set(
    method: Method, data: FaceSRDataModule, store: SRStore, trainer_config: Mapping[str, Any]
) -> pl.Trainer:
    """Fill the store: every test key exactly once, each rank its share."""
    method.eval()
    trainer = build_trainer(
        trainer_config, method, [], [_StoreWriter(store, data.test_set)], "test"
    )
    loader = data.test_loader(trainer.global_rank, trainer.world_size)
    # The loader, not the data module, is given to Lightning: a fit's hooks must not run again.
    method.on_after_batch_transfer = data.on_after_batch_transfer  # type: ignore[method-assign]
    trainer.test(method, dataloaders=loader, verbose=False)
    trainer.strategy.barrier()
    return trainer


def score_batches(
    test_set: TestSet, store: SRStore, positions: Sequence[int], batch_size: int
) -> Iterator[ScoreBatch]:
    """What metrics see: SR as it lies in the store, HR and LR as the protocol fixed them.

    The next batch is read and decoded while the metrics work on this one. The rank that has the first
    position shows a progress bar.
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
