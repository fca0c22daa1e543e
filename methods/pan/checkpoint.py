"""What a weight file must hold to fill PAN: the averaged generator is enough."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def complete_state(content: Mapping[str, Any], D: nn.Module | None) -> dict[str, Tensor]:
    """A state dict for the whole method.

    G starts from its average where the file has only that (an exported file); a missing discriminator
    keeps what it has, and one in the file is left out where the objective has none.

    Args:
        content: a checkpoint with "state_dict", or a state dict.
        D: the method's discriminator, or None.
    """
    state: dict[str, Tensor] = dict(content.get("state_dict", content))
    if not any(name.startswith("G.") for name in state):
        averaged = {n: value for n, value in state.items() if n.startswith("G_ema.")}
        state |= {f"G.{n.removeprefix('G_ema.')}": value for n, value in averaged.items()}
    if D is None:
        return {name: value for name, value in state.items() if not name.startswith("D.")}
    if not any(name.startswith("D.") for name in state):
        state |= {f"D.{name}": value for name, value in D.state_dict().items()}
    return state
