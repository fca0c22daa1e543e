"""Pictures while a run trains: ``images/preview_000012800.png`` every so many images."""

from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from facesr_bench.images import UInt8Image, encode_png, to_uint8, write_atomically
from facesr_bench.method import Method


def tile(images: Tensor, columns: int | None = None) -> UInt8Image:
    """One picture of (N, 3, H, W) in [0, 1], side by side, as square as it gets."""
    count = len(images)
    columns = columns or max(1, round(count**0.5 + 0.499))
    rows = -(-count // columns)
    pixels = to_uint8(images)
    height, width = pixels.shape[1:3]
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, image in enumerate(pixels):
        row, column = divmod(number, columns)
        sheet[row * height :][:height, column * width :][:, :width] = image
    return sheet


class Previews(pl.Callback):
    """Draws what the method offers in :meth:`~facesr_bench.method.Method.preview`.

    Args:
        folder: gets the pictures.
        every: images between two of them; one more at the end.
        images: of the whole run.
    """

    def __init__(self, folder: Path, every: int, images: int) -> None:
        self._folder, self._every, self._images = folder, max(1, every), images
        self._next = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A resumed run goes on where the pictures ended."""
        self._next = (pl_module.images_seen // self._every + 1) * self._every

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        """Draw, if it is time."""
        seen = pl_module.images_seen
        if seen < min(self._next, self._images) or not trainer.is_global_zero:
            return
        self._next += self._every
        if not isinstance(pl_module, Method):
            return
        with torch.no_grad():
            images = pl_module.preview()
        if images is None:
            return
        sheet = tile(images)
        write_atomically(self._folder / f"preview_{seen:09d}.png", encode_png(sheet))
        for logger in trainer.loggers:
            if hasattr(logger, "log_image"):
                logger.log_image("preview", [sheet], step=seen)
