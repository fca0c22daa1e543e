"""Opening weights: hash first, plain tensors only, then the layout.

No library does this: hub loaders check hashes only while they download, several unpickle freely, and
a fabricated file under an official name loads everywhere without a word.
"""

import argparse
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.errors import WeightsError, first_line
from facesr_bench.weights.cache import file_hash, find
from facesr_bench.weights.registry import Entry, Layout, entry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class WeightFile:
    """A verified file on this machine.

    Attributes:
        entry: what it is.
        path: where it lies.
        sha256: of its bytes; metrics put it among their settings.
    """

    entry: Entry
    path: Path
    sha256: str

    @property
    def settings(self) -> dict[str, str]:
        """Name of the weights and the beginning of the hash, for a metric's settings."""
        return {"weights": self.entry.name, "weights_sha256": self.sha256[:16]}


def locate(name: str) -> WeightFile:
    """The verified file behind a registered name.

    Raises:
        ConfigError: no such name.
        MissingRequirement: no such file here.
        WeightsError: the file is another one than registered.
    """
    known = entry(name)
    _, path = find(known)
    return WeightFile(known, path, file_hash(path))


def load_state(file: WeightFile) -> "dict[str, Tensor]":
    """The tensors of a file, in float32 and of the registered layout.

    Read from the safetensors made of it (``facesr-bench weights convert``) where there is one.

    Raises:
        WeightsError: not a plain state dict, or other keys or shapes than registered.
    """
    from facesr_bench.weights.converting import read_converted

    converted = read_converted(file)
    return converted if converted is not None else state_of(file.path, file.entry.layout)


def state_of(path: Path, layout: Layout) -> "dict[str, Tensor]":
    """As :func:`load_state`, of a file that is not registered yet."""
    import torch

    content = whole = _content(path, layout)
    for key in layout.inside:
        if not isinstance(content, Mapping) or key not in content:
            raise WeightsError(f"{path} has no {key!r}, in which the weights should lie.")
        content = content[key]
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds no state dict.")
    state: dict[str, Tensor] = {}
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            state[str(name)] = value.float() if value.is_floating_point() else value
    for name in layout.beside:
        value = whole.get(name)
        if not isinstance(value, torch.Tensor) or name in state:
            raise WeightsError(f"{path} has no tensor {name!r} beside its weights.")
        state[name] = value.float()
    check_layout({name: tuple(value.shape) for name, value in state.items()}, layout, path)
    return state


def _content(path: Path, layout: Layout) -> Any:
    if layout.kind == "ada_pickle":
        from facesr_bench.weights.foreign import read_ada

        return {name: network.state for name, network in read_ada(path).items()}
    if layout.kind == "tf_pickle":
        import torch

        from facesr_bench.weights.tf_pickle import read_tf, stylegan2_of_tf

        networks = read_tf(path)
        name = layout.inside[0] if layout.inside else ""
        if name not in networks:
            raise WeightsError(f"{path} has no network {name!r}, only {', '.join(networks)}.")
        arrays, _ = stylegan2_of_tf(networks[name].arrays)
        return {name: {key: torch.from_numpy(array) for key, array in arrays.items()}}
    from torch.serialization import safe_globals

    from facesr_bench.checkpoints import read_checkpoint

    # rosinality's training checkpoints hold one: a bag of attributes, which runs nothing.
    with safe_globals([argparse.Namespace]):
        return read_checkpoint(path)


def load_arrays(file: WeightFile) -> "dict[str, NDArray[np.float64]]":
    """The arrays of an .npz or .mat file, in float64."""
    return arrays_of(file.path, file.entry.layout)


def arrays_of(path: Path, layout: Layout) -> "dict[str, NDArray[np.float64]]":
    """As :func:`load_arrays`, of a file that is not registered yet."""
    import numpy as np

    arrays: dict[str, Any] = {}
    try:
        if layout.kind == "mat":
            from scipy.io import loadmat

            content = loadmat(str(path))
            arrays = {name: value for name, value in content.items() if name[:2] != "__"}
        else:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        numbers = {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path} cannot be read as .{layout.kind} ({first_line(error)})."
        ) from error
    check_layout({name: value.shape for name, value in numbers.items()}, layout, path)
    return numbers


def check_layout(shapes: Mapping[str, tuple[int, ...]], layout: Layout, path: Path) -> None:
    """Compare names and shapes with the registered layout.

    Raises:
        WeightsError: naming the first difference.
    """
    wrong = [name for name, shape in layout.shapes.items() if shapes.get(name) != tuple(shape)]
    if wrong:
        name = wrong[0]
        found = f"it is {shapes[name]}" if name in shapes else "it is not there"
        raise WeightsError(
            f"{path} is not of the registered layout: {name!r} should be {layout.shapes[name]}, but "
            f"{found}."
        )
    counted = [name for name in shapes if not name.endswith("num_batches_tracked")]
    if layout.count is not None and len(counted) != layout.count:
        raise WeightsError(
            f"{path} is not of the registered layout: it holds {len(counted)} arrays, not "
            f"{layout.count}."
        )


def check_file(path: Path, layout: Layout) -> None:
    """Open a file the way its kind is opened, and compare the layout.

    An ``h5`` file is a Keras 2 model; of ``onnx`` and ``binary`` files nothing but the hash is checked.

    Raises:
        MissingRequirement: the package that opens such files is not installed.
        WeightsError: it cannot be opened safely, or holds something else.
    """
    if layout.kind in ("torch", "safetensors", "ada_pickle", "tf_pickle"):
        state_of(path, layout)
    elif layout.kind in ("npz", "mat"):
        arrays_of(path, layout)
    elif layout.kind == "h5":
        from facesr_bench.nets.keras_graph import KerasGraph
        from facesr_bench.weights.keras import keras_of

        KerasGraph(keras_of(path))
