"""Faces of the source domain for strategies that restyle them, and LR of what they become."""

import torch
from torch import Tensor

from facesr_bench.data import Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.images import to_float, to_uint8
from facesr_bench.seeding import numpy_rng


class SourceFaces:
    """The training split as a stream of HR batches; nothing of the target domain is reached through it.

    Args:
        data: the run's.
        seed: of the order and of degradations.
        device: where batches go.
    """

    def __init__(self, data: FaceSRDataModule, seed: int, device: torch.device) -> None:
        self._stream = data.training_stream("hr", seed)
        self._degradation, self._seed, self._device = data.degradation, seed, device

    def hr(self, first: int, number: int) -> Tensor:
        """Images ``first`` to ``first + number`` of the stream: (number, 3, H, W) in [0, 1]."""
        images = [self._stream[position]["hr"] for position in range(first, first + number)]
        return to_float(torch.stack(images)).to(self._device)

    def lr_of(self, hr: Tensor, step: int) -> Tensor:
        """HR (N, 3, H, W) in [0, 1] through the protocol's degradation: (N, 3, h, w), the same."""
        images = []
        for row, image in enumerate(to_uint8(hr)):
            rng = numpy_rng(self._seed, "restyled-lr", f"{step}|{row}")
            images.append(self._degradation.degrade(Sample(f"{step}/{row}", hr=image), rng))
        return to_float(torch.stack([torch.from_numpy(x) for x in images])).to(self._device)
