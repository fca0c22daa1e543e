"""``stage=export``: a method as one ONNX or TorchScript file, kept if it gives the method's images.

The graph takes ``lr``, float32 (B, 3, h, w) in [0, 1], and gives ``sr``, float32 (B, 3, H, W), for the
one LR size it was made for. Only what computes is in it: critics and optimizers are not. In TorchScript
weights are constants of the CPU.
"""

import hashlib
import io
import json
import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import torch
from torch import Tensor, nn

from facesr_bench.errors import ConfigError, FaceSRError, MissingRequirement, first_line
from facesr_bench.images import write_atomically
from facesr_bench.inference import ready_method
from facesr_bench.method import Method
from facesr_bench.results import package_versions
from facesr_bench.seeding import torch_rng

log = logging.getLogger(__name__)

FORMATS = {"onnx": ".onnx", "torchscript": ".pt"}
TOLERANCE = 0.25 / 255
"""Largest difference between graph and method: a quarter of one 8-bit level."""
_OPSET = 17

Graph = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Parity:
    """How the written graph compares with the method, on images it was not made with.

    Attributes:
        largest: largest difference of a value in [0, 1].
        batches: batch sizes that were tried.
    """

    largest: float
    batches: tuple[int, ...]


class SuperResolver(nn.Module):
    """``super_resolve`` as a module's forward.

    The method itself is no part of it: the tracer reads every attribute of a module, and some of a
    LightningModule exist in a run only. Its networks are, so that their weights are known.
    """

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        known: set[int] = set()
        for network in method.inference_modules():
            for part in network.children() if network is method else [network]:
                if id(part) not in known:
                    known |= {id(inner) for inner in part.modules()}
                    self.parts.append(part)
        self._call = (method.super_resolve,)  # in a tuple, which registers nothing

    def forward(self, lr: Tensor) -> Tensor:
        """LR (B, 3, h, w) to SR."""
        return self._call[0](lr)


def export_graph(method: Method, side: int, kind: str) -> tuple[bytes, Parity]:
    """Make the file's content and compare it with the method.

    Args:
        method: in eval mode, on the CPU.
        side: of the square LR images the graph is for.
        kind: a key of :data:`FORMATS`.

    Returns:
        The bytes of the file, and how it compares.

    Raises:
        ConfigError: the method cannot be a fixed graph, or its graph gives other images.
        MissingRequirement: onnx or onnxruntime is not installed.
    """
    name = type(method).__name__
    if kind not in FORMATS:
        raise ConfigError(f"format={kind} is not one of {', '.join(FORMATS)}.")
    if not method.exportable:
        why = method.no_export or "its super_resolve is no fixed graph (exportable = False)."
        raise ConfigError(f"{name} cannot be exported: {why}")
    if kind == "onnx":
        _require_onnx()
    example = _images(side, 2, "example")
    trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
    try:
        for (
            parameter
        ) in trained:  # what is no part of a network becomes a constant, without gradient
            parameter.requires_grad_(False)
        with torch.no_grad(), warnings.catch_warnings():
            method.super_resolve(
                example
            )  # what is computed once and kept is a constant of the graph
            # The tracer warns of every size that becomes a constant; sizes are constants here.
            warnings.simplefilter("ignore")
            content = (_torchscript if kind == "torchscript" else _onnx)(method, example)
    except FaceSRError:
        raise
    except Exception as error:  # whatever an operator without a counterpart raises
        raise ConfigError(
            f"{name} cannot be written as {kind}: {type(error).__name__}: {first_line(error)}."
        ) from error
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
    parity = compare(method, opened(content, kind), side)
    if parity.largest > TOLERANCE:
        raise ConfigError(
            f"{name} cannot be exported: the {kind} graph gives other images than the method, up to "
            f"{parity.largest * 255:.2f} levels of 255 (allowed: {TOLERANCE * 255:.2f}). Something in "
            "super_resolve depends on its input in a way a fixed graph cannot hold."
        )
    return content, parity


def compare(method: Method, graph: Graph, side: int) -> Parity:
    """Run both on new images, at batches of one and three."""
    largest = 0.0
    batches = (1, 3)
    for count in batches:
        lr = _images(side, count, "parity")
        with torch.no_grad():
            expected = method.super_resolve(lr)
        found = graph(lr)
        if found.shape != expected.shape:
            raise ConfigError(
                f"The graph gives {tuple(found.shape)} where {type(method).__name__} gives "
                f"{tuple(expected.shape)}."
            )
        difference = float((found - expected).abs().max())
        largest = max(largest, math.inf if math.isnan(difference) else difference)
    return Parity(largest, batches)


def opened(content: bytes, kind: str) -> Graph:
    """A written graph, run by what its users will run it with."""
    if kind == "torchscript":
        module: Graph = torch.jit.load(io.BytesIO(content))
        return module
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda lr: torch.from_numpy(session.run(["sr"], {"lr": lr.numpy()})[0])


def _torchscript(method: Method, example: Tensor) -> bytes:
    traced = torch.jit.trace(SuperResolver(method).eval(), example, check_trace=False)
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.freeze(traced), buffer)
    return buffer.getvalue()


def _onnx(method: Method, example: Tensor) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            SuperResolver(method).eval(), (example,), path, dynamo=False, opset_version=_OPSET,
            input_names=["lr"], output_names=["sr"], dynamic_axes={"lr": {0: "b"}, "sr": {0: "b"}},
        )  # fmt: skip
        return path.read_bytes()


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingRequirement(
            f"format=onnx needs the package {error.name}: pip install facesr-bench[onnx]"
        ) from None


def _images(side: int, count: int, role: str) -> Tensor:
    """8-bit pictures of waves and noise: (count, 3, side, side), the same every time."""
    rng = torch_rng(2020, role, count)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    turns = torch.rand(count, 3, 2, 1, 1, generator=rng) * 12 / side
    waves = torch.sin(turns[:, :, 0] * x + turns[:, :, 1] * y) * 0.4 + 0.5
    noise = torch.rand(count, 3, side, side, generator=rng) * 0.2 - 0.1
    return (waves + noise).clamp(0, 1).mul(255).round().div(255)


def run_export(settings: Mapping[str, Any], output_dir: Path) -> Path:
    """Write ``<method>.onnx`` or ``.pt``, and beside it what it is, in JSON.

    Returns:
        The file.

    Raises:
        FaceSRError: with a sentence; nothing was written then.
    """
    kind = settings["format"]
    if kind not in FORMATS:
        raise ConfigError(f"format={kind} is not one of {', '.join(FORMATS)}.")
    name, sizes = settings["method"]["name"], settings["data"]
    path = output_dir / f"{name}{FORMATS[kind]}"
    if path.exists():
        raise ConfigError(f"{path} is there already. Choose another output_dir, or delete it.")
    method, weights = ready_method(settings, torch.device("cpu"))
    hr = int(sizes["hr_size"])
    side = hr // int(sizes["factor"])
    method.check_sizes((side, side), (hr, hr))
    content, parity = export_graph(method, side, kind)
    note = {
        "method": name, "format": kind, "sha256": hashlib.sha256(content).hexdigest(),
        "input": {"lr": ["batch", 3, side, side]}, "output": {"sr": ["batch", 3, hr, hr]},
        "values": "float32 in [0, 1], RGB", "parity": asdict(parity), "origin": weights.origin,
        "weights": [*weights.files, *method.weight_files], "trained_on": method.provenance(),
        "config": dict(settings), "versions": package_versions(),
    }  # fmt: skip
    write_atomically(path, content)
    text = json.dumps(note, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path.with_suffix(".json"), text.encode())
    log.info(
        "%s (%.2f MB): %dx%d to %dx%d, any batch; largest difference from the method %.1e.",
        path, len(content) / 1e6, side, side, hr, hr, parity.largest,
    )  # fmt: skip
    return path
