"""Checkpoints of chosen epochs (``keep_epochs=[191, 200]``), beside the last one."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import pytorch_lightning as pl

from facesr_bench.errors import ConfigError
from facesr_bench.finite import FiniteGuard

log = logging.getLogger(__name__)


class KeptEpochs(pl.Callback):
    """Saves ``epoch-N.ckpt`` after the step with which the N-th epoch, counted from 1, is over.

    Such a file is a checkpoint like any other: ``stage=test ckpt=`` measures it, training resumes it.

    Args:
        folder: where the files go.
        epochs: which.
        train_images: images in the training split, an epoch of the papers.
        images: of the whole run; what it never reaches is told at the start.
        guard: looks at the weights before they are saved.
    """

    def __init__(
        self,
        folder: Path,
        epochs: Sequence[int],
        train_images: int,
        images: int,
        guard: FiniteGuard,
    ) -> None:
        wrong = [n for n in epochs if isinstance(n, bool) or not isinstance(n, int) or n < 1]
        if wrong:
            raise ConfigError(f"keep_epochs is a list of epochs, counted from 1, not {wrong[0]!r}.")
        self._folder, self._guard = folder, guard
        self._ends = {epoch * train_images: epoch for epoch in sorted(set(epochs))}
        self._seen = 0
        beyond = [str(epoch) for end, epoch in self._ends.items() if end > images]
        if beyond:
            log.warning(
                "keep_epochs: this run ends before epoch %s does (%d images of %d are %.1f epochs).",
                ", ".join(beyond), images, train_images, images / train_images,
            )  # fmt: skip

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A resumed run has some epochs behind it."""
        self._seen = pl_module.images_seen

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        """Save if an epoch to keep ended with this step."""
        before, self._seen = self._seen, pl_module.images_seen
        for end, epoch in self._ends.items():
            if before < end <= self._seen:
                self._guard.check_weights(pl_module, self._seen)
                trainer.save_checkpoint(self._folder / f"epoch-{epoch}.ckpt")
