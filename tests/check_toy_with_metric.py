"""A method that measures itself; in a file of its own, since a tick reads files."""

from torch import Tensor

from check_toys import Toy
from facesr_bench.method import Batch


class Measuring(Toy):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        from torchmetrics.functional.image import peak_signal_noise_ratio  # noqa: F401

        return super().training_step(batch, batch_idx)
