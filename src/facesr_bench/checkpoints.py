"""Reading and writing checkpoints: atomically, and never running what is inside them."""

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from facesr_bench.errors import WeightsError, first_line
from facesr_bench.images import write_atomically


def file_sha256(path: Path) -> str:
    """sha256 of a file, in hex.

    Raises:
        WeightsError: the file is not there.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise WeightsError(f"The weight file {path} does not exist.") from None
    except IsADirectoryError:
        raise WeightsError(f"{path} is a folder, not a weight file or checkpoint.") from None


def read_checkpoint(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Load plain containers and tensors from a ``.ckpt``/``.pt``/``.pth`` or ``.safetensors`` file.

    Args:
        path: the file.
        sha256: what its content must hash to; checked before it is opened.

    Raises:
        WeightsError: missing, of another hash, damaged, or holding anything but plain data.
    """
    found = file_sha256(path)
    if sha256 is not None and found != sha256:
        raise WeightsError(
            f"{path} has sha256 {found[:16]}..., not {sha256[:16]}... as recorded. It is damaged or "
            "another file; fetch it again."
        )
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return {"state_dict": load_file(path)}
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path} is not a readable safetensors file ({error}).") from error
    with path.open("rb") as file:
        magic = file.read(4)
    if not magic.startswith((b"PK\x03\x04", b"\x80")):  # a zip archive, or an old-style pickle
        raise WeightsError(f"{path} is not a PyTorch checkpoint, or a damaged one.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = first_line(error)
        raise WeightsError(
            f"{path} holds more than plain tensors and containers and is not opened, since loading "
            f"it would run code from the file ({reason})."
        ) from error
    except Exception as error:  # from PyTorch 2.15 on, whatever its unpickler stumbles over
        raise WeightsError(
            f"{path} is damaged or not a PyTorch checkpoint ({first_line(error)})."
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a {type(content).__name__}, not a dictionary of weights.")
    return content


def load_weights(module: nn.Module, content: Mapping[str, Any], source: str) -> None:
    """Copy weights only into a module; half-precision files are widened.

    Args:
        module: takes the weights. A method may understand foreign layouts by offering
            ``adapt_state_dict(content) -> state_dict``.
        content: what :func:`read_checkpoint` gave; a Lightning checkpoint's "state_dict" is used.
        source: the file's name, for the message.

    Raises:
        WeightsError: keys or shapes do not fit.
    """
    adapt = getattr(module, "adapt_state_dict", None)
    state = adapt(content) if adapt is not None else content.get("state_dict", content)
    own = module.state_dict()
    missing = sorted(set(own) - set(state))
    unexpected = sorted(set(state) - set(own))
    shapes = [k for k in own if k in state and tuple(own[k].shape) != tuple(state[k].shape)]
    problems = [
        f"{len(names)} {what} (first {names[0]!r})"
        for what, names in (
            ("missing", missing),
            ("unknown", unexpected),
            ("of another shape", shapes),
        )
        if names
    ]
    if problems:
        raise WeightsError(
            f"The weights in {source} do not fit {type(module).__name__}: {', '.join(problems)}. Give "
            "the method the arguments and scale the file was trained with."
        )
    module.load_state_dict(
        {key: value.to(own[key].dtype) for key, value in state.items()}, strict=True
    )


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written so that a kill leaves the old one or the new one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getvalue())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        content = read_checkpoint(Path(path))
        if "images_seen" not in content or "optimizer_states" not in content:
            raise WeightsError(
                f"{path} holds weights but no training state, so training cannot resume from it. Use "
                "init= to start from its weights, or stage=test to measure them."
            )
        # Lightning's own loop state says "this epoch is over" in a run's last checkpoint, and a resume
        # with a larger budget would then train nothing. Where a run stands is images_seen alone.
        content.pop("loops", None)
        return content
