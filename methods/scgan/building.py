"""How networks come to be: their initial weights, and the layers that D_SL borrows from D_HL."""

from collections.abc import Callable
from typing import Literal, TypeVar

from torch import nn

from facesr_bench.seeding import initial_weights

from .networks import Degrader
from .variants import Share

Init = Literal["default", "kaiming"]
Network = TypeVar("Network", bound=nn.Module)


def drawn(name: str, build: Callable[[], Network], *, kaiming: bool = False) -> Network:
    """A network with initial weights of its own name."""
    with initial_weights(name):
        network = build()
        if kaiming:
            network.apply(_kaiming)
    return network


def share_layers(d_hl: Degrader, d_sl: Degrader, share: Share) -> Degrader:
    """Give D_SL the layers of D_HL that a variant of the paper shares (Table 2)."""
    if share == "all+heads":
        return d_hl
    if share in {"body", "encoder"}:
        d_sl.down_layers = d_hl.down_layers
    if share in {"body", "decoder"}:
        d_sl.up_layers = d_hl.up_layers
    if share == "middle":
        # The last two encoder groups, of two blocks each, and the first two decoder groups (of
        # the paper's three; the code's decoder has only two).
        for i in range(len(d_hl.down_layers) - 4, len(d_hl.down_layers)):
            d_sl.down_layers[i] = d_hl.down_layers[i]
        for i in range(d_hl.middle_of_decoder):
            d_sl.up_layers[i] = d_hl.up_layers[i]
    return d_sl


def _kaiming(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        # Spectral norm keeps the trained tensor as weight_orig.
        nn.init.kaiming_normal_(getattr(module, "weight_orig", module.weight))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
