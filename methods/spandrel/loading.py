"""From a checkpoint to spandrel's description of the network, without running anything of the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from facesr_bench.checkpoints import read_checkpoint
from facesr_bench.errors import MissingRequirement, WeightsError, first_line


def load_network(path: Path) -> Any:
    """Build the network whose weights a file holds.

    Returns:
        spandrel's ``ImageModelDescriptor``, in eval mode.

    Raises:
        MissingRequirement: spandrel is not installed.
        WeightsError: the file cannot be opened safely, or is of no architecture that spandrel knows.
    """
    try:
        import spandrel
    except ImportError:
        raise MissingRequirement(
            "+method=spandrel needs the package spandrel: pip install facesr-bench[spandrel]"
        ) from None
    extra = _add_extra_architectures()
    content = read_checkpoint(path)
    state = spandrel.canonicalize_state_dict(content.get("state_dict", content))
    if not isinstance(state, Mapping) or not any(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise WeightsError(f"{path} holds no weights that spandrel could look at.")
    try:
        found = spandrel.ModelLoader(device="cpu").load_from_state_dict(dict(state))
    except spandrel.UnsupportedModelError as error:
        hint = "" if extra else " CodeFormer and others need pip install spandrel_extra_arches."
        raise WeightsError(f"{path} is of no architecture that spandrel knows.{hint}") from error
    except (RuntimeError, KeyError, ValueError, AssertionError, IndexError, TypeError) as error:
        raise WeightsError(
            f"{path} looks like an architecture spandrel knows, but its weights do not fit it "
            f"({first_line(error)})."
        ) from error
    if not isinstance(found, spandrel.ImageModelDescriptor):
        raise WeightsError(
            f"{path} holds {found.architecture.name}, which fills masked holes; it cannot enlarge."
        )
    return found.eval()


def _add_extra_architectures() -> bool:
    """Let spandrel know CodeFormer and its like, where that package is installed."""
    try:
        import spandrel_extra_arches
    except ImportError:
        return False
    spandrel_extra_arches.install(ignore_duplicates=True)
    return True
