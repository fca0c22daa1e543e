"""Third-party weights as safetensors, made once, with a side-car that says what they came from.

Next to ``ffhq.pkl`` lie ``ffhq.pkl.safetensors`` and ``ffhq.pkl.safetensors.json``. They are read in
place of the file only while the side-car names its sha256, and their own.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench import __version__
from facesr_bench.errors import WeightsError
from facesr_bench.weights.cache import file_hash
from facesr_bench.weights.loading import WeightFile, check_layout, state_of

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = ("ada_pickle", "tf_pickle")
"""Kinds that are converted as soon as they come in; the others when asked to."""

CONVERTIBLE = ("torch", *PICKLES)


def converted_path(path: Path) -> Path:
    """Where the safetensors of a file lie."""
    return path.with_name(f"{path.name}.safetensors")


def sidecar_path(path: Path) -> Path:
    """Where it is written what they came from."""
    return path.with_name(f"{path.name}.safetensors.json")


def convert(file: WeightFile) -> Path:
    """Write the tensors of a verified file as safetensors, in float32, and the side-car.

    Returns:
        The safetensors file.

    Raises:
        WeightsError: of a kind that holds no tensors, or not of its layout.
    """
    from safetensors.torch import save

    from facesr_bench.images import write_atomically

    kind = file.entry.layout.kind
    if kind not in CONVERTIBLE:
        raise WeightsError(f"{file.path} is a {kind} file, which is used as it is.")
    state = state_of(file.path, file.entry.layout)
    content = save({name: value.clone().contiguous() for name, value in state.items()})
    described = {
        "source_file": file.path.name,
        "source_sha256": file.sha256,
        "sha256": hashlib.sha256(content).hexdigest(),
        "tool_version": f"facesr-bench {__version__}",
        "layout": _layout(file),
        "licence": file.entry.licence,
        "url": file.entry.url,
        **_origin(file),
    }
    target = converted_path(file.path)
    write_atomically(target, content)
    write_atomically(sidecar_path(file.path), json.dumps(described, indent=2).encode())
    return target


def read_converted(file: WeightFile) -> "dict[str, Tensor] | None":
    """The tensors made of a file, or None where there are none or they are of another file.

    Raises:
        WeightsError: the safetensors are damaged or were changed since.
    """
    from facesr_bench.checkpoints import read_checkpoint

    described, path = read_sidecar(file), converted_path(file.path)
    if described is None or not path.is_file():
        return None
    if file_hash(path) != described.get("sha256"):
        raise WeightsError(
            f"{path} is not what its side-car says it is; delete both, or make them again: "
            f"facesr-bench weights convert {file.entry.name}"
        )
    state: dict[str, Tensor] = read_checkpoint(path)["state_dict"]
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    check_layout(shapes, file.entry.layout, path)
    return state


def read_sidecar(file: WeightFile) -> dict[str, Any] | None:
    """What is written of the conversion, when it is of this very file and of the same part of it."""
    try:
        described = json.loads(sidecar_path(file.path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(described, dict) or described.get("source_sha256") != file.sha256:
        return None
    return described if described.get("layout") == _layout(file) else None


def _layout(file: WeightFile) -> dict[str, Any]:
    layout = file.entry.layout
    return {"kind": layout.kind, "inside": list(layout.inside), "beside": list(layout.beside)}


def _origin(file: WeightFile) -> dict[str, Any]:
    """The source's name of every tensor, where it differs, and what the network was built with."""
    kind, inside = file.entry.layout.kind, file.entry.layout.inside
    if kind == "ada_pickle":
        from facesr_bench.weights.foreign import read_ada

        network = read_ada(file.path)[inside[0]]
        return {
            "key_map": "identity",
            "network": network.class_name,
            "arguments": network.arguments,
            "keywords": network.keywords,
            "built_with": network.built_with,
        }
    if kind == "tf_pickle":
        from facesr_bench.weights.tf_pickle import read_tf, stylegan2_of_tf

        tf = read_tf(file.path)[inside[0]]
        return {"key_map": stylegan2_of_tf(tf.arrays)[1], "keywords": tf.settings}
    return {"key_map": "identity"}
