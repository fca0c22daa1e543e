"""Official SCGAN checkpoints <-> our state dicts. Mappings only: the harness opens the files.

The released file is ``{"G_l2h": state}``, the training script saves ``{"G_RLS": state}``; both hold
R_LS alone. Its names (and those of D_HL and D_SL) are ours already. The critics' official spectral
norm is a wrapper module, so theirs differ by a rule.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from facesr_bench.errors import WeightsError

State = dict[str, Tensor]

# Official name of a network in a checkpoint -> its place in our SemiCycle.
NETWORKS = {
    "G_l2h": "R_LS",
    "G_RLS": "R_LS",
    "G_DHL": "D_HL",
    "G_DSL": "D_SL",
    "D_L1": "critics.L1",
    "D_H1": "critics.H1",
    "D_L2": "critics.L2",
    "D_H2": "critics.H2",
}

_SPECTRAL = (
    (".module.weight_bar", ".weight_orig"),
    (".module.weight_u", ".weight_u"),
    (".module.weight_v", ".weight_v"),
    (".module.bias", ".bias"),
)


def from_official_name(name: str) -> str:
    """Our name of an official parameter (identity, but for the spectral-norm wrapper's four)."""
    for theirs, ours in _SPECTRAL:
        if name.endswith(theirs):
            return name.removesuffix(theirs) + ours
    return name


def official_critic_name(name: str) -> str:
    """The official name of one of our critic's parameters or buffers."""
    for theirs, ours in _SPECTRAL:
        if name.endswith(ours):
            return name.removesuffix(ours) + theirs
    return name


def _network_state(state: Mapping[str, Any]) -> State:
    """One network's tensors under our names, without the prefix that DataParallel leaves."""
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    not_tensors = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if not_tensors or not state:
        raise WeightsError(
            f"This is not an SCGAN checkpoint: expected tensors by parameter name or a dictionary "
            f"of networks ({', '.join(NETWORKS)}), found {not_tensors[:3] or 'nothing'}."
        )
    return {from_official_name(name): value for name, value in state.items()}


def from_official(checkpoint: Mapping[str, Any]) -> dict[str, State]:
    """Split an official checkpoint into networks.

    Args:
        checkpoint: ``{"G_l2h": state}``, ``{"G_RLS": state}``, any of the seven networks under the
            training script's names, or a bare state dict of R_LS.

    Returns:
        Our networks' names ("R_LS", "D_HL", "critics.L1", ...) and their state dicts.

    Raises:
        WeightsError: it is none of these, or it holds the same network twice.
    """
    known = [name for name in checkpoint if name in NETWORKS]
    if not known:
        return {"R_LS": _network_state(checkpoint)}
    states: dict[str, State] = {}
    for name in known:
        if NETWORKS[name] in states:
            raise WeightsError(f"This checkpoint holds {NETWORKS[name]} twice; keep one of them.")
        states[NETWORKS[name]] = _network_state(checkpoint[name])
    return states


def to_official(networks: Mapping[str, State]) -> dict[str, State]:
    """The inverse of :func:`from_official`, under the training script's names."""
    theirs = {ours: name for name, ours in NETWORKS.items()}  # the later name wins: G_RLS
    return {
        theirs[place]: {
            official_critic_name(name) if place.startswith("critics.") else name: value
            for name, value in state.items()
        }
        for place, state in networks.items()
    }


def network_of(name: str) -> str:
    """The network that a key of the whole method belongs to: "R_LS", "critics.L1", ..."""
    parts = name.removeprefix("nets.").split(".")
    return ".".join(parts[:2] if parts[0] == "critics" else parts[:1])
