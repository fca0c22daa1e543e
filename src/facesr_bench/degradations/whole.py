"""LR of the image that HR was itself reduced from, where a paper goes down in one step."""

from typing import TYPE_CHECKING, Any

import numpy as np

from facesr_bench.degradations.resizing import Downscale
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import UInt8Image
from facesr_bench.resize import Kernel

if TYPE_CHECKING:
    from torch import Tensor

    from facesr_bench.data import Sample


class DownscaleOfWhole(Downscale):
    """LR by one reduction of the whole image, whose means HR is (``pool`` of a prepared split).

    PAN's Table 1: HR is the 1024 image in 2x2 means, LR the 1024 image brought to 128 at once, as its
    network was trained. Bicubic of the 512 means would be another LR.

    Args:
        factor: HR side over LR side.
        operator: see :class:`Downscale`.
        antialias: likewise.
        pool: side of the whole image over HR side.

    Raises:
        ConfigError: a pool that is not a whole number of at least 2.
    """

    def __init__(
        self, factor: int, operator: Kernel = "bicubic", antialias: bool = True, pool: int = 2
    ) -> None:
        super().__init__(factor, operator, antialias)
        if isinstance(pool, bool) or not isinstance(pool, int) or pool < 2:
            raise ConfigError(f"pool={pool!r} must be a whole number of at least 2.")
        self.pool = pool
        self._whole = Downscale(factor * pool, operator, antialias)

    def degrade(self, sample: "Sample", rng: np.random.Generator) -> UInt8Image:
        """LR of the whole image, which the sample carries as its border image.

        Raises:
            DataError: it does not.
        """
        side = None if sample.hr is None else tuple(n * self.pool for n in sample.hr.shape[:2])
        if sample.border is None or sample.border.shape[:2] != side or any(sample.border_size):
            raise DataError(
                f"The sample {sample.key!r} does not bring the image its HR was pooled from: set pool: "
                f"{self.pool} for this split of data.source."
            )
        return self._whole(sample.border, rng)

    def at_factor(self, factor: int) -> None:  # type: ignore[override]
        """No such operator: the whole image is needed."""
        return

    def downsample(self, images: "Tensor") -> None:  # type: ignore[override]
        """None: of HR alone LR does not follow."""
        return

    def settings(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**super().settings(), "of_whole": self.pool}
