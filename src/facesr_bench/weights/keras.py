"""Reading a Keras 2 model file (HDF5) as data: what layers there are, how they connect, their arrays.

``keras.models.load_model`` would need TensorFlow and can run code (a Lambda layer is a pickled
function). Here h5py reads two things only: the JSON of the architecture and plain float datasets. What
a layer computes is decided elsewhere, from a fixed list (:mod:`facesr_bench.nets.keras_graph`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import MissingRequirement, WeightsError, first_line
from facesr_bench.weights.loading import WeightFile

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class KerasLayer:
    """One layer of the graph.

    Attributes:
        name: unique; may contain slashes ("conv1/7x7_s2").
        kind: Keras' class name.
        config: its arguments as Keras wrote them.
        inputs: names of the layers it takes, in order.
        arrays: "kernel", "bias", "gamma" ... in Keras' layouts (kernels height, width, in, out).
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    arrays: Arrays


@dataclass(frozen=True)
class KerasModel:
    """A graph with one input and one output.

    Attributes:
        layers: in an order in which each follows those it takes.
        output: name of the last one.
        source: the file, for messages.
    """

    layers: tuple[KerasLayer, ...]
    output: str
    source: Path


def load_keras(file: WeightFile) -> KerasModel:
    """The model in a verified file.

    Raises:
        MissingRequirement: h5py is not installed.
        WeightsError: damaged, weights without an architecture, or an architecture that is not one
            plain graph of layers.
    """
    return keras_of(file.path)


def keras_of(path: Path) -> KerasModel:
    """As :func:`load_keras`, of any file."""
    try:
        import h5py
    except ImportError as error:
        raise MissingRequirement(
            f"the package h5py is missing ({error}): pip install h5py"
        ) from error
    try:
        with h5py.File(path, "r") as content:
            text = content.attrs.get("model_config")
            if text is None:
                raise WeightsError(
                    f"{path} holds weights without the architecture (no model_config); the whole "
                    "model as its authors published it is needed."
                )
            described = json.loads(text)
            weights = content["model_weights"]
            layers = tuple(_layer(item, weights, path) for item in _layers(described, path))
            return KerasModel(_in_order(layers, path), _output(described, path), path)
    except (OSError, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise WeightsError(
            f"{path} cannot be read as a Keras 2 model ({type(error).__name__}: {first_line(error)})."
        ) from error


def _layers(described: Mapping[str, Any], path: Path) -> list[Mapping[str, Any]]:
    kind = described["class_name"]
    if kind not in ("Model", "Functional"):
        raise WeightsError(f"{path} holds a Keras {kind!r}, not a graph of layers (Model).")
    inputs = described["config"]["input_layers"]
    if len(inputs) != 1:
        raise WeightsError(f"{path} holds a model with {len(inputs)} inputs, not one.")
    return list(described["config"]["layers"])


def _output(described: Mapping[str, Any], path: Path) -> str:
    outputs = described["config"]["output_layers"]
    if len(outputs) != 1:
        raise WeightsError(f"{path} holds a model with {len(outputs)} outputs, not one.")
    return str(outputs[0][0])


def _layer(item: Mapping[str, Any], weights: Any, path: Path) -> KerasLayer:
    name, calls = str(item["name"]), item["inbound_nodes"]
    if len(calls) > 1:
        raise WeightsError(f"{path}: the layer {name!r} is used {len(calls)} times, not once.")
    sources = calls[0] if calls else []
    if any(not isinstance(s, list) or s[1] != 0 or s[2] != 0 for s in sources):
        raise WeightsError(
            f"{path}: the inputs of the layer {name!r} are not written as in Keras 2."
        )
    inputs = tuple(str(source[0]) for source in sources)
    arrays = _arrays(weights[name], name, path) if name in weights else {}
    return KerasLayer(name, str(item["class_name"]), item["config"], inputs, arrays)


def _arrays(group: Any, name: str, path: Path) -> Arrays:
    """The datasets a layer's group lists as its own.

    Walking the group would not do: "conv1/7x7_s2/bn" lies inside the group "conv1/7x7_s2".
    """
    arrays: dict[str, NDArray[np.float32]] = {}
    for entry in _names(group):
        part = entry.rpartition("/")[2].partition(":")[0]  # "conv1/7x7_s2/kernel:0" is a kernel
        data = group[entry]
        if part in arrays or data.dtype.kind != "f":
            raise WeightsError(
                f"{path}: the layer {name!r} has two arrays called {part!r} (a model within the "
                "model?) or one that does not hold floats."
            )
        arrays[part] = np.asarray(data[()], dtype=np.float32)
    return arrays


def _names(group: Any) -> list[str]:
    """``weight_names``, which Keras cuts into numbered pieces where it is long."""
    if "weight_names" in group.attrs:
        found = list(group.attrs["weight_names"])
    else:
        found = []
        while f"weight_names{len(found)}" in group.attrs:
            found.append(group.attrs[f"weight_names{len(found)}"])
        found = [name for piece in found for name in piece]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in found]


def _in_order(layers: tuple[KerasLayer, ...], path: Path) -> tuple[KerasLayer, ...]:
    """The layers, each after those it takes.

    Raises:
        WeightsError: a layer takes something that does not exist, or itself.
    """
    waiting = {layer.name: layer for layer in layers}
    ordered: list[KerasLayer] = []
    ready: set[str] = set()
    while waiting:
        chosen = [layer for layer in waiting.values() if ready.issuperset(layer.inputs)]
        if not chosen:
            name = next(iter(waiting))
            raise WeightsError(f"{path}: what the layer {name!r} takes does not exist.")
        for layer in chosen:
            ordered.append(layer)
            del waiting[layer.name]
        ready.update(layer.name for layer in chosen)
    return tuple(ordered)
