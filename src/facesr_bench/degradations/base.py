"""The contract of a degradation: HR to LR, one image at a time, from a generator it is handed."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from facesr_bench.data import Sample


class Degradation(ABC):
    """Turns an HR face into an LR face.

    Test LR is made once per protocol with a generator seeded by (protocol seed, sample key); training
    LR with one seeded by (run seed, position in the stream). The degradation keeps no state.

    Attributes:
        factor: HR side over LR side.
    """

    factor: int

    @abstractmethod
    def __call__(self, hr: UInt8Image, rng: np.random.Generator) -> UInt8Image:
        """uint8 (H, W, 3) to uint8 (H / factor, W / factor, 3)."""

    def degrade(self, sample: "Sample", rng: np.random.Generator) -> UInt8Image:
        """LR of a sample; degradations that need more of it than HR override this.

        Raises:
            DataError: a sample without HR.
        """
        if sample.hr is None:
            raise DataError(f"The sample {sample.key!r} has no HR image to degrade.")
        return self(sample.hr, rng)

    def on_device(self, hr: "Tensor", rngs: "Sequence[np.random.Generator]") -> "Tensor | None":
        """LR of a training batch on its own device, float32 (B, 3, h, w) in [0, 1].

        Args:
            hr: float32 (B, 3, H, W) in [0, 1].
            rngs: one generator for each image.

        Returns:
            None where there is no such version; the workers' is used then.
        """
        return None

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything the LR pixels depend on, as plain JSON values; part of the protocol's hash."""

    def at_factor(self, factor: int) -> "Degradation | None":
        """The same operator from another HR side to the same LR; None where that means nothing."""
        return None

    def downsample(self, images: "Tensor") -> "Tensor | None":
        """The known operator on float (B, 3, H, W), for LR consistency; unrounded.

        None when the degradation has no single operator (random blur, noise, JPEG): the metric then
        falls back to antialiased bicubic and says so in its key.
        """
        return None
