"""NVIDIA's TensorFlow pickles (StyleGAN, StyleGAN2) without TensorFlow and without running them.

A network is its variables and its components; the source it also carries (``build_module_src``) is
ignored. :func:`stylegan2_of_tf` turns the arrays of a StyleGAN2 generator into those of StyleGAN2-ADA.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import WeightsError
from facesr_bench.weights.unpickling import (
    DEEPEST,
    Names,
    PickledArray,
    numpy_names,
    plain,
    plain_names,
    read_pickle,
)

Array = NDArray[Any]
Arrays = dict[str, Array]

NETWORKS = ("G", "D", "Gs")
"""What the three networks of a file are called; Gs is the averaged generator."""

MOST_ARRAYS = 100_000


@dataclass(frozen=True)
class TFNetwork:
    """A network read off a pickle.

    Attributes:
        version: of the pickle's form.
        settings: ``static_kwargs``, plain.
        arrays: every variable, those of components under "component/".
    """

    version: int
    settings: dict[str, Any]
    arrays: Arrays = field(repr=False)


def read_tf(path: Path) -> dict[str, TFNetwork]:
    """The networks of a pickle: "G", "D" and "Gs", or "G" alone.

    Raises:
        WeightsError: damaged, asking for a name that is not on the list (which is told, and nothing
            has run), or without networks.
    """
    content = read_pickle(path, _names)
    found = content if isinstance(content, (tuple, list)) else (content,)
    if not 1 <= len(found) <= len(NETWORKS) or not all(_is_network(item) for item in found):
        raise WeightsError(f"{path} is a pickle, but not of TensorFlow networks of StyleGAN.")
    try:
        return {name: _network(item) for name, item in zip(NETWORKS, found, strict=False)}
    except WeightsError as error:
        raise WeightsError(f"{path} is not used: {error}.") from error


class _Network:
    """Stand-in for ``dnnlib.tflib.network.Network``; files get a subclass of their own."""

    __slots__ = ("components", "static_kwargs", "variables", "version")

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, Mapping) or "variables" not in state:
            raise WeightsError("a network in it has no variables")
        self.variables = state["variables"]
        self.components = state.get("components", {})
        self.static_kwargs = state.get("static_kwargs", {})
        self.version = state.get("version", 0)


def _names(size: int) -> Names:
    del size
    network = type("Network", (_Network,), {"__slots__": ()})
    return plain_names() | numpy_names() | {("dnnlib.tflib.network", "Network"): network}


def _is_network(item: Any) -> bool:
    return isinstance(item, _Network) and hasattr(item, "variables")


def _network(item: _Network) -> TFNetwork:
    arrays: Arrays = {}
    _collect(item, "", arrays, 0)
    version = item.version if type(item.version) is int else 0
    return TFNetwork(version, dict(plain(item.static_kwargs)), arrays)


def _collect(item: Any, prefix: str, into: Arrays, depth: int) -> None:
    if depth > DEEPEST or len(into) > MOST_ARRAYS:
        raise WeightsError("its networks contain each other without end")
    if not _is_network(item) or not isinstance(item.components, Mapping):
        raise WeightsError(f"{prefix!r} in it is not a network")
    try:
        variables = [(str(name), value) for name, value in item.variables]
    except (TypeError, ValueError) as error:
        raise WeightsError("its variables are not pairs of a name and an array") from error
    for name, value in variables:
        array = value.array if isinstance(value, PickledArray) else value
        if not isinstance(array, (np.ndarray, np.generic)):
            raise WeightsError(f"{prefix}{name} in it is a {type(value).__name__}, not an array")
        into[prefix + name] = np.asarray(array)
    for name, child in item.components.items():
        _collect(child, f"{prefix}{name}/", into, depth + 1)


def _kernel(weight: Array) -> Array:
    """(height, width, in, out) to (out, in, height, width)."""
    return weight.transpose(3, 2, 0, 1)


def _flipped(weight: Array) -> Array:
    """The same of a kernel TensorFlow stores turned, because it convolves with a transposed one."""
    return _kernel(weight[::-1, ::-1])


_LAYER: Mapping[str, tuple[str, Callable[[Array], Array]]] = {
    "bias": ("bias", lambda a: a),
    "noise_strength": ("noise_strength", lambda a: a.reshape(())),
    "mod_weight": ("affine.weight", lambda a: a.T),
    "mod_bias": ("affine.bias", lambda a: a + 1),
}
"""What layers have besides their kernel. TensorFlow adds the 1 of the modulation while it runs."""

_PARTS = {
    "Conv": ("conv1", _kernel),
    "Conv0_up": ("conv0", _flipped),
    "Conv1": ("conv1", _kernel),
    "ToRGB": ("torgb", _kernel),
    "Skip": ("skip", _flipped),
}

_PATTERN = re.compile(r"synthesis/(\d+)x\1/(\w+)/(\w+)")


def stylegan2_of_tf(arrays: Mapping[str, Array]) -> tuple[Arrays, dict[str, str]]:
    """The arrays of a StyleGAN2 generator under the names and in the layouts of StyleGAN2-ADA.

    Args:
        arrays: as in :class:`TFNetwork`: kernels (height, width, in, out), dense layers (in, out).

    Returns:
        The arrays: kernels (out, in, height, width), those of ``Conv0_up`` and ``Skip`` turned by 180
        degrees, dense layers (out, in), modulation biases plus 1; and TensorFlow's name of each.

    Raises:
        WeightsError: a variable no StyleGAN2 generator has.
    """
    converted: Arrays = {}
    names: dict[str, str] = {}
    for source, array in arrays.items():
        if source == "lod":  # how far progressive growing had come; StyleGAN2 only carries it along
            continue
        try:
            target, value = _convert(source, array)
        except ValueError as error:
            raise WeightsError(
                f"The array {source!r} has the shape {array.shape}, which it has in no StyleGAN2."
            ) from error
        converted[target], names[target] = np.array(value, order="C"), source
    return converted, names


def _convert(source: str, array: Array) -> tuple[str, Array]:
    if source == "dlatent_avg":
        return "mapping.w_avg", array
    if match := re.fullmatch(r"mapping/(?:Dense(\d+)|(LabelEmbed))/(weight|bias)", source):
        layer = "embed" if match[2] else f"fc{match[1]}"
        return f"mapping.{layer}.{match[3]}", array.T
    if match := re.fullmatch(r"synthesis/noise(\d+)", source):
        if array.ndim != 4:
            raise ValueError
        # Noise 0 belongs to the 4x4 block, 1 and 2 to the two convolutions at 8x8, and so on.
        number = int(match[1])
        size, part = 2 ** ((number + 5) // 2), "conv0" if number % 2 else "conv1"
        if array.shape[-1] != size:
            raise ValueError
        return f"synthesis.b{size}.{part}.noise_const", array[0, 0]
    if source == "synthesis/4x4/Const/const":
        return "synthesis.b4.const", array.reshape(array.shape[-3:])
    match = _PATTERN.fullmatch(source)
    if match and match[2] in _PARTS:
        part, kernel = _PARTS[match[2]]
        target, change = _LAYER.get(match[3], ("", kernel))
        if target or match[3] == "weight":
            name = f"synthesis.b{match[1]}.{part}.{target or 'weight'}"
            return name, change(array)
    raise WeightsError(f"The array {source!r} belongs to no StyleGAN2 generator.")
