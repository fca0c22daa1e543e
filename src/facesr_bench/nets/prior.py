"""What every generative prior is, whatever its family: codes in, faces out.

A face of side 2^k is steered by L = 2k - 2 codes; everything that forms the picture at 2^j lies in the
first 2j - 2 of them.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, overload

from torch import Tensor

Noise = Literal["const", "random", "none"] | Sequence[Tensor]
"""The noise of a synthesis: the stored maps, fresh ones (torch's random state), none, or these: one per
entry of ``noise_shapes``, each (1, 1, h, w) or (N, 1, h, w)."""


class Prior(Protocol):
    """A mapping and a synthesis network.

    Attributes:
        resolution: side of its images in pixels.
        z_dim: length of a mapping's input.
        w_dim: length of a code.
        num_codes: L, codes one image takes.
        noise_shapes: (height, width) of each noise map, in the order they are added.
    """

    resolution: int
    z_dim: int
    w_dim: int
    num_codes: int
    noise_shapes: list[tuple[int, int]]

    def mapping(self, z: Tensor, /) -> Tensor:
        """Codes (N, w_dim) of (N, z_dim) of any scale."""
        ...

    @overload
    def synthesis(
        self, ws: Tensor, /, noise: Noise = ..., features: Literal[False] = ...
    ) -> Tensor: ...

    @overload
    def synthesis(
        self, ws: Tensor, /, noise: Noise, features: Literal[True]
    ) -> tuple[Tensor, dict[int, Tensor]]: ...

    def synthesis(
        self, ws: Tensor, /, noise: Noise = "const", features: bool = False
    ) -> Tensor | tuple[Tensor, dict[int, Tensor]]:
        """Images of codes (N, L, w_dim).

        Args:
            ws: the codes.
            noise: see :data:`Noise`.
            features: also return each block's output by its side, before it becomes colour.

        Returns:
            RGB (N, 3, resolution, resolution): faces lie in [-1, 1], but nothing bounds them.
        """
        ...
