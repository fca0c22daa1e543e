"""Where the normal maps of Eq. 5 come from: fresh ones in training, fixed ones for measuring."""

import torch
from torch import Tensor

from facesr_bench.seeding import torch_rng


class TrainingNoise:
    """Maps of one forward pass in training: one per image and layer.

    They depend on (seed, role, layer, images seen) alone. Each process draws the maps of the whole
    batch and takes its own, so that ranks together see what one process would. Maps are drawn on the
    device (at 1024 px there are 44 M numbers a pass), so CPU and GPU runs differ.
    """

    def __init__(
        self, seed: int, role: str, images_seen: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self._seed, self._role, self._images_seen = seed, role, images_seen
        self._rank, self._world_size = rank, world_size

    def __call__(self, layer: str, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1, H, W)."""
        batch, _, height, width = features.shape
        seed = torch_rng(self._seed, f"{self._role}/{layer}", self._images_seen).initial_seed()
        generator = torch.Generator(features.device).manual_seed(seed)
        shape = (batch * self._world_size, 1, height, width)
        maps = torch.randn(shape, generator=generator, device=features.device)
        return maps[self._rank :: self._world_size]


class FixedNoise:
    """Maps for measuring: one per layer, the same for every image, whatever its batch or process."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._maps: dict[tuple[str, tuple[int, int], torch.device], Tensor] = {}

    def __call__(self, layer: str, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (1, 1, H, W); drawn on the CPU, so devices agree."""
        height, width = (int(side) for side in features.shape[2:])
        key = (layer, (height, width), features.device)
        if key not in self._maps:
            generator = torch_rng(self._seed, "pan-noise-eval", layer)
            drawn = torch.randn(1, 1, height, width, generator=generator)
            self._maps[key] = drawn.to(features.device)
        return self._maps[key]
