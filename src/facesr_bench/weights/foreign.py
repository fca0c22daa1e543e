"""NVIDIA's PyTorch pickles (StyleGAN2-ADA and later) without NVIDIA's code.

Such a file carries the source of its networks and has ``torch_utils.persistence`` run it with ``exec``.
Here the source is never looked at: each network becomes a stand-in with its class name and its
``__dict__``, from which parameters and buffers are read off under the names ``state_dict`` gives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from facesr_bench.errors import WeightsError
from facesr_bench.weights.unpickling import (
    DEEPEST,
    Callee,
    Names,
    numpy_names,
    plain,
    plain_names,
    read_pickle,
    torch_names,
)

SETTINGS = ("activation", "architecture", "bias_gain", "c_dim", "conv_clamp", "use_noise")
"""Attributes that decide what a module computes and are no tensors; ``bias_gain`` of a linear layer is
its learning rate multiplier."""

MOST_TENSORS = 100_000
"""StyleGAN2 at 1024 has two hundred; shared parts could multiply without end."""


@dataclass(frozen=True)
class PersistentNetwork:
    """A network read off a pickle.

    Attributes:
        class_name: as NVIDIA calls it ("Generator").
        arguments: positional ones of its constructor, plain: sizes of z, c, w, image, colours.
        keywords: the others (channel settings), plain.
        state: every parameter and buffer by its ``state_dict`` name, float type as stored.
        built_with: what its modules say they compute, by their path ("" is itself), of
            :data:`SETTINGS`.
    """

    class_name: str
    arguments: list[Any]
    keywords: dict[str, Any]
    state: dict[str, Tensor]
    built_with: dict[str, dict[str, Any]]


class _Persistent:
    """Stand-in for an object of ``torch_utils.persistence``."""

    __slots__ = ("class_name", "state")

    def __init__(self, meta: Any) -> None:
        if not isinstance(meta, Mapping) or not isinstance(meta.get("state"), Mapping):
            raise WeightsError("a network in it is not written as torch_utils.persistence does")
        self.class_name = str(meta.get("class_name"))
        self.state: Mapping[str, Any] = meta["state"]


def read_ada(path: Path) -> dict[str, PersistentNetwork]:
    """The networks of a pickle by name ("G", "D", "G_ema"); what else it holds is left out.

    Raises:
        WeightsError: damaged, asking for a name that is not on the list (which is told, and nothing
            has run), or without networks.
    """
    content = read_pickle(path, _names)
    found = content.items() if isinstance(content, Mapping) else ()
    networks = {str(name): item for name, item in found if isinstance(item, _Persistent)}
    if not networks:
        raise WeightsError(f"{path} is a pickle, but not of the networks of StyleGAN2-ADA.")
    try:
        return {name: _network(item) for name, item in networks.items()}
    except WeightsError as error:
        raise WeightsError(f"{path} is not used: {error}.") from error


def _names(size: int) -> Names:
    persistent = {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): Callee(_Persistent),
    }
    return plain_names() | numpy_names() | torch_names(size) | persistent


def _network(item: _Persistent) -> PersistentNetwork:
    state: dict[str, Tensor] = {}
    built: dict[str, dict[str, Any]] = {}
    _collect(item, "", state, built, 0)
    return PersistentNetwork(
        item.class_name,
        list(plain(item.state.get("_init_args", ()))),
        dict(plain(item.state.get("_init_kwargs", {}))),
        state,
        built,
    )


def _collect(
    item: Any,
    prefix: str,
    into: dict[str, Tensor],
    built: dict[str, dict[str, Any]],
    depth: int,
) -> None:
    if not isinstance(item, _Persistent):
        raise WeightsError(f"{prefix!r} in it is a {type(item).__name__}, not a network")
    if depth > DEEPEST or len(into) > MOST_TENSORS:
        raise WeightsError("its networks contain each other without end")
    settings = {name: plain(item.state[name]) for name in SETTINGS if name in item.state}
    if settings:
        built[prefix.removesuffix(".")] = settings
    for group in ("_parameters", "_buffers"):
        for name, value in _group(item, group).items():
            if isinstance(value, Tensor):
                into[f"{prefix}{name}"] = value
            elif value is not None:
                raise WeightsError(f"{prefix}{name} in it is a {type(value).__name__}, no tensor")
    for name, child in _group(item, "_modules").items():
        if child is not None:
            _collect(child, f"{prefix}{name}.", into, built, depth + 1)


def _group(item: _Persistent, name: str) -> Mapping[str, Any]:
    group = item.state.get(name, {})
    if not isinstance(group, Mapping):
        raise WeightsError(f"its {name} is a {type(group).__name__}, not a dictionary")
    return group
