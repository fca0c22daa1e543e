"""``BicubicDownSample`` on the device: PULSE's operator as two matrices that stay there."""

import torch
from torch import Tensor, nn

from facesr_bench.degradations.mirrored import pulse_matrix


class BicubicDownSample(nn.Module):
    """Square images (N, C, size, size) to (N, C, size / factor, size / factor), not clamped.

    The operator of :class:`facesr_bench.degradations.mirrored.PulseBicubic`, which would convert its
    matrices again in each of the hundred steps.

    Args:
        size: side of the images.
        factor: a whole number; 1 leaves images as they are, where the official operator would filter.

    Raises:
        ConfigError: a factor that reflects more pixels than there are.
    """

    matrix: Tensor

    def __init__(self, size: int, factor: int) -> None:
        super().__init__()
        rows = torch.eye(size) if factor == 1 else torch.from_numpy(pulse_matrix(size, factor))
        self.register_buffer("matrix", rows.float(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Rows first, as the official operator."""
        reduced: Tensor = self.matrix @ images @ self.matrix.t()
        return reduced
