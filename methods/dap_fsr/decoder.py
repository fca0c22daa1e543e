"""What adaptation may change of the decoder G, by family of StyleGAN."""

from typing import Literal

from torch import Tensor, nn

from facesr_bench.errors import ConfigError
from facesr_bench.priors.loaded import Family

Phi = Literal["affine", "affine_no_torgb", "all"]
"""The maps from a code to a layer's style (the paper's AdaIN parameters), with or without those of the
layers that make colour, or the whole synthesis network (configurations D and E)."""

_AFFINE: dict[Family, str] = {"stylegan1": ".style_mod.lin.", "stylegan2": ".affine."}
_COLOUR = ".torgb."


def phi_parameters(synthesis: nn.Module, family: Family, phi: Phi) -> dict[str, nn.Parameter]:
    """The tensors of the adaptation set by name.

    Raises:
        ConfigError: StyleGAN1 has no styles in its layer of colour to leave out.
    """
    every = dict(synthesis.named_parameters())
    if phi == "all":
        return every
    if phi == "affine_no_torgb" and family == "stylegan1":
        raise ConfigError(
            "DAP-FSR: StyleGAN1's colours have no affine map of their own, so phi=affine_no_torgb "
            "means nothing to this prior; use phi=affine."
        )
    affine = {name: value for name, value in every.items() if _AFFINE[family] in name}
    if phi == "affine":
        return affine
    return {name: value for name, value in affine.items() if _COLOUR not in name}


def images_of(synthesis: nn.Module, family: Family, ws: Tensor) -> Tensor:
    """(N, l, w_dim) to (N, 3, S, S) around [-1, 1], with the stored noise where there is some."""
    image: Tensor = synthesis(ws, "const" if family == "stylegan2" else "none")
    return image
