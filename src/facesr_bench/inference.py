"""A method with its weights, ready to be used outside of a run's test stage (predict, export)."""

from collections.abc import Mapping
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import torch

from facesr_bench.config import build_method
from facesr_bench.errors import ConfigError, MissingRequirement
from facesr_bench.method import Method
from facesr_bench.starting_weights import StartingWeights, load_starting_weights
from facesr_bench.training import float32_means_float32
from facesr_bench.weights.loading import locate


def ready_method(
    settings: Mapping[str, Any], device: torch.device
) -> tuple[Method, StartingWeights]:
    """Build a method, give it the weights ``stage=test`` would, and put it on a device, in eval mode.

    Args:
        settings: the resolved configuration.
        device: where it is to compute.

    Raises:
        MissingRequirement: weights that are not on this machine, all of them in one message.
        ConfigError: there is nothing to super-resolve with.
        WeightsError: a file is damaged or of another layout.
    """
    name, stage = settings["method"]["name"], settings["stage"]
    method: Method = build_method(settings["method"])
    missing: list[str] = []
    for needed in method.needs_weights:
        try:
            locate(needed)
        except MissingRequirement as error:
            missing.append(f"method {name}: {error}")
    if missing:
        raise MissingRequirement("\n".join(missing))
    if not method.restores or not method.computes:
        raise ConfigError(
            f"{name} does not super-resolve images, so stage={stage} has nothing to do. Choose "
            "another method."
        )
    weights = load_starting_weights(method, {**settings, "stage": "test"})
    float32_means_float32()
    return method.to(device).eval(), weights


def chosen_device(trainer: Mapping[str, Any]) -> torch.device:
    """The device the ``trainer`` group asks for: one GPU, or the CPU.

    Raises:
        ConfigError: a GPU is asked for, and there is none.
    """
    wanted = str(trainer.get("accelerator", "auto"))
    there = torch.cuda.is_available()
    if wanted in {"gpu", "cuda"} and not there:
        raise ConfigError("trainer=gpu asks for a GPU, but there is none that PyTorch can use.")
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")
