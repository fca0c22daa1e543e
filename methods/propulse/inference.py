"""The trained networks at work: LR faces to codes, codes to faces of every side."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from facesr_bench.errors import ConfigError
from facesr_bench.method import Method
from facesr_bench.priors.loaded import LoadedPrior

from .encoders import LR_SIDE
from .objectives import to_border
from .progress import Progress
from .upsampler import ProgressiveUpsampler


class ProPULSEInference(Method):
    """What :class:`~.module.ProPULSE` does without training.

    Attributes:
        prior: frozen.
        hr_size: side of what :meth:`super_resolve` makes.
        nets: encoders and generator.
        progress: what of them was trained.
    """

    prior: LoadedPrior
    hr_size: int
    nets: ProgressiveUpsampler
    progress: Progress
    _format: torch.memory_format
    _shown: tuple[Tensor, Tensor] | None

    def codes(self, lr: Tensor) -> Tensor:
        """LR (N, 3, 16, 16) in [0, 1] to codes (N, L, w_dim): E_W+'s as far as it was trained."""
        return self.nets.codes(self._to_network(lr))

    def images_of(self, ws: Tensor, sides: Sequence[int] | None = None) -> dict[int, Tensor]:
        """Images (N, 3, side, side) in [0, 1] of codes (N, L, w_dim), by side; all sides by default.

        Raises:
            ConfigError: a side whose branch nobody has trained.
        """
        wanted = self.nets.G_ds.sides_out if sides is None else sides
        if smaller := [side for side in wanted if side != self.nets.G_ds.resolution]:
            self.progress.require_branches(min(smaller))
        images = self.nets.G_ds(ws, wanted)
        return {side: to_border(x).clamp(0, 1).contiguous() for side, x in images.items()}

    def side_sizes(self) -> Sequence[int]:
        """Sides of the branches below ``hr_size``."""
        return [side for side in self.nets.G_ds.sides_out if side < self.hr_size]

    def side_outputs(self, lr: Tensor, sides: Sequence[int] | None = None) -> dict[int, Tensor]:
        """LR as in :meth:`super_resolve` to the images of the branches, by side."""
        wanted = self.side_sizes() if sides is None else sides
        return self.images_of(self.codes(lr), wanted) if wanted else {}

    def super_resolve(self, lr: Tensor) -> Tensor:
        """LR (N, 3, 16, 16) in [0, 1] to the images of side ``hr_size``, the same."""
        return self.images_of(self.codes(lr), [self.hr_size])[self.hr_size]

    @torch.no_grad()
    def preview(self) -> Tensor | None:
        """Up to three faces of the last batch: LR, what it becomes now, truth."""
        if self._shown is None:
            return None
        lr, hr = self._shown
        size = hr.shape[2:]
        last = self.nets.G_ds.resolution
        sr = self.images_of(self.codes(lr), [last])[last]
        faces = [interpolate(x, size=size, mode="nearest") for x in (lr, sr)]
        return torch.stack([*faces, hr], dim=1).flatten(0, 1)

    def inference_modules(self) -> Sequence[nn.Module]:
        """E_W+ and as much of the generator as is run; E_W only while it fills codes."""
        return self.nets.used_for(self.hr_size)

    def check_sizes(self, lr: tuple[int, int], hr: tuple[int, int]) -> None:
        """LR of 16x16 only, and an HR side that there is an output of."""
        super().check_sizes(lr, hr)
        if lr != (LR_SIDE, LR_SIDE):
            raise ConfigError(
                f"Pro-PULSE's encoders take LR faces of {LR_SIDE}x{LR_SIDE}, but the data have "
                f"{lr[0]}x{lr[1]}; set data.factor={hr[0] // LR_SIDE}."
            )
        known = self.nets.G_ds.sides_out
        if hr[0] not in known or self.hr_size not in known:
            raise ConfigError(
                f"Pro-PULSE with the prior {self.prior.name} makes images of "
                f"{', '.join(map(str, known))} pixels, not {hr[0]}: choose another prior by "
                "prior@method.prior=NAME, or other data."
            )

    def _to_network(self, images: Tensor) -> Tensor:
        return images.mul(2).sub(1).contiguous(memory_format=self._format)
