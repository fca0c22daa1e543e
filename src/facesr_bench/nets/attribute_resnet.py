"""The attribute classifiers that ``attribute_diff`` takes: a network and its own error in one file.

The file is a .safetensors with torchvision's own names (``conv1.weight`` ... ``fc.bias``, one output
per attribute, a sigmoid on each) and this JSON under ``facesr_attributes`` in its metadata::

    {"architecture": "resnet18",            resnet18, resnet34, resnet50, or "cnn4"
                                            (:class:`~facesr_bench.nets.attribute_cnn.AttributeCNN`)
     "attributes": ["Smiling", "Eyeglasses"],
     "crop": [0.0, 0.0, 1.0, 1.0],          top, left, bottom, right as shares of the image
     "size": [128, 128],                    height, width the crop is resized to
     "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],   of RGB on [0, 1]
     "error": {"Smiling": 0.08, "Eyeglasses": 0.01},                wrong answers, held-out images
     "group_error": {"male": 0.05, "not_male": 0.04},               optional
     "trained_on": "CelebA train"}

The error is not optional: without it nobody can tell a method's failure from the classifier's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.checkpoints import file_sha256, read_checkpoint
from facesr_bench.errors import WeightsError, first_line
from facesr_bench.metrics.attributes import AttributeClassifier
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.nets.attribute_cnn import AttributeCNN
from facesr_bench.weights.loading import load_state, locate

METADATA = "facesr_attributes"
_OWN = "cnn4"
_ARCHITECTURES = ("resnet18", "resnet34", "resnet50", _OWN)


@dataclass(frozen=True)
class Description:
    """What the file says of itself; see the module."""

    architecture: str
    attributes: tuple[str, ...]
    crop: tuple[float, float, float, float]
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    error: Mapping[str, float]
    group_error: Mapping[str, float]
    trained_on: str


class ResNetAttributes(AttributeClassifier):
    """A network whose outputs are logits of attributes.

    Args:
        network: takes (B, 3, h, w), returns (B, A) logits.
        described: what belongs to it.
        name: of the classifier, in the metric's key.
        file: name and hash of its weights, for the settings.
    """

    def __init__(
        self, network: nn.Module, described: Description, name: str, file: Mapping[str, str]
    ) -> None:
        super().__init__()
        self.name = name
        self.attributes = described.attributes
        self.error = described.error
        self.group_error = described.group_error
        self.described = described
        self.file = file
        self.logits = FrozenNetwork(network, self.prepare)

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (B, A) of uint8 (B, 3, H, W)."""
        return torch.sigmoid(self.logits(images))

    def prepare(self, images: Tensor) -> Tensor:
        """Crop, resize (bilinear, antialiased) and normalise (B, 3, H, W) on the scale 0..255."""
        height, width = images.shape[2:]
        top, left, bottom, right = self.described.crop
        rows = slice(round(top * height), round(bottom * height))
        cut = images[:, :, rows, round(left * width) : round(right * width)]
        if cut.shape[2:] != self.described.size:
            cut = functional.interpolate(
                cut, self.described.size, mode="bilinear", antialias=True, align_corners=False
            )
        mean, std = (
            torch.tensor(numbers, device=images.device).view(1, 3, 1, 1)
            for numbers in (self.described.mean, self.described.std)
        )
        return (cut / 255.0 - mean) / std

    def settings(self) -> dict[str, Any]:
        """Network, weights and input."""
        return {
            "network": f"{_maker(self.described)}{self.described.architecture}, sigmoid",
            **self.file,
            "trained_on": self.described.trained_on,
            "crop": list(self.described.crop),
            "resize": f"bilinear with antialias to {self.described.size}",
            "mean": list(self.described.mean),
            "std": list(self.described.std),
        }


def resnet_attributes(weights: str) -> ResNetAttributes:
    """The classifier of a registered file, or of any other.

    Args:
        weights: its registered name, or the path of a ``.safetensors`` file, whose name without the
            extension serves as one; it becomes part of the metric's key.

    Raises:
        MissingRequirement: no such file here.
        WeightsError: no metadata, an unknown architecture, or weights that do not fit it.
    """
    if weights.endswith(".safetensors"):
        path = Path(weights).expanduser()
        digest = file_sha256(path)  # first: it says whether there is such a file
        described = _described(path)
        state = {k: v.float() for k, v in read_checkpoint(path, digest)["state_dict"].items()}
        settings = {"weights": path.name, "weights_sha256": digest[:16]}
        return ResNetAttributes(_network(described, state, path), described, path.stem, settings)
    file = locate(weights)
    described = _described(file.path)
    network = _network(described, load_state(file), file.path)
    return ResNetAttributes(network, described, file.entry.name, file.settings)


def _network(described: Description, state: Mapping[str, Tensor], source: Path) -> nn.Module:
    from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before torchvision)
    from torchvision import models  # type: ignore[import-untyped]

    own = described.architecture == _OWN
    builder = (
        AttributeCNN if own else partial(getattr(models, described.architecture), weights=None)
    )
    with torch.device("meta"):  # nothing drawn: the global random generator stays where it is
        network: nn.Module = builder(num_classes=len(described.attributes))
    try:
        network.load_state_dict(dict(state), strict=True, assign=True)
    except RuntimeError as error:
        raise WeightsError(
            f"{source} does not fit {described.architecture} with {len(described.attributes)} outputs "
            f"({first_line(error)})."
        ) from error
    return network


def _maker(described: Description) -> str:
    return "" if described.architecture == _OWN else "torchvision "


def _described(path: Path) -> Description:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as content:
            text = (content.metadata() or {}).get(METADATA)
        if text is None:
            raise WeightsError(
                f"{path} has no {METADATA!r} in its metadata, which names the attributes, the crop "
                "and the classifier's own error."
            )
        facts = json.loads(text)
        described = Description(
            architecture=str(facts["architecture"]),
            attributes=tuple(str(name) for name in facts["attributes"]),
            crop=_numbers(facts["crop"], 4),
            size=(int(facts["size"][0]), int(facts["size"][1])),
            mean=_numbers(facts["mean"], 3),
            std=_numbers(facts["std"], 3),
            error={str(name): float(error) for name, error in facts["error"].items()},
            group_error={str(n): float(e) for n, e in facts.get("group_error", {}).items()},
            trained_on=str(facts["trained_on"]),
        )
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} is no attribute classifier ({type(error).__name__}: {first_line(error)})."
        ) from error
    _check(described, path)
    return described


def _numbers(values: Any, count: int) -> Any:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != count:
        raise ValueError(f"{count} numbers expected, not {values!r}")
    return numbers


def _check(described: Description, path: Path) -> None:
    top, left, bottom, right = described.crop
    unknown = set(described.attributes) - set(described.error)
    problem = ""
    if described.architecture not in _ARCHITECTURES:
        problem = (
            f"its architecture {described.architecture!r} is none of {', '.join(_ARCHITECTURES)}"
        )
    elif not described.attributes or len(set(described.attributes)) < len(described.attributes):
        problem = "it names no attributes, or one of them twice"
    elif not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        problem = f"its crop {described.crop} does not lie within the image"
    elif min(described.size) < 1 or min(described.std) <= 0:
        problem = "its size or standard deviation is not positive"
    elif unknown:
        problem = f"it does not say its own error on {min(unknown)!r}"
    if problem:
        raise WeightsError(f"{path} is no attribute classifier that can be used: {problem}.")
