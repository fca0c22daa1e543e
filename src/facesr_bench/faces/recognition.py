"""The networks that turn a face into a vector: which there are, and opening one with its weights.

Metrics measure with one of them, losses train with another: never the same in one study.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.nets.facenet import FaceNet
from facesr_bench.nets.identity_cnn import IdentityCNN
from facesr_bench.nets.irse50 import IRSE50
from facesr_bench.nets.mobilefacenet import MobileFaceNet
from facesr_bench.nets.mobilefacenet_y1 import MobileFaceNetY1
from facesr_bench.weights.loading import load_state, locate


@dataclass(frozen=True)
class Recogniser:
    """A face recognition network.

    Attributes:
        name: what follows "@" in metric names.
        weights: name in the weights registry.
        size: height and width of its crops.
        build: makes the network, which returns unit vectors.
        divisor: crops enter as (x - 127.5) / divisor.
        length: numbers in a vector.
        ignored: prefix of tensors in the file that embeddings do not need.
    """

    name: str
    weights: str
    size: tuple[int, int]
    build: Callable[[], nn.Module]
    divisor: float
    length: int
    ignored: str | None = None

    def prepare(self, crops: Tensor) -> Tensor:
        """RGB crops on the scale 0..255 to what the network takes."""
        return (crops - 127.5) / self.divisor

    @property
    def settings(self) -> dict[str, Any]:
        """How images become what the network takes."""
        return {
            "network": self.name,
            "crop": f"{self.size[0]}x{self.size[1]}, similarity from 5 landmarks, bilinear, border 0",
            "input": f"rgb, (x - 127.5) / {self.divisor:g}",
        }


RECOGNISERS = {
    known.name: known
    for known in (
        Recogniser("mobilefacenet", "mobilefacenet_casia", (112, 96), MobileFaceNet, 128.0, 128),
        Recogniser("mobilefacenet_y1", "mobilefacenet_y1", (112, 112), MobileFaceNetY1, 128.0, 128),
        Recogniser("arcface", "arcface_irse50", (112, 112), IRSE50, 127.5, 512),
        Recogniser(
            "facenet", "facenet_vggface2", (160, 160), FaceNet, 128.0, 512, ignored="logits."
        ),
        Recogniser("synthface", "synthface_identity", (48, 48), IdentityCNN, 127.5, 128),
    )
}


def recogniser(name: str) -> Recogniser:
    """A network by name.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in RECOGNISERS:
        raise ConfigError(
            f"There is no identity network {name!r}; known are {', '.join(RECOGNISERS)}."
        )
    return RECOGNISERS[name]


def open_network(known: Recogniser) -> tuple[nn.Module, dict[str, str]]:
    """The network with its weights, in eval mode, and the weights' name and hash.

    Raises:
        MissingRequirement: the weights are not here.
        WeightsError: they are of another layout.
    """
    file = locate(known.weights)
    state = load_state(file)
    network = known.build()
    if known.ignored is not None:
        state = {name: x for name, x in state.items() if not name.startswith(known.ignored)}
    fill(network, state, str(file.path))
    return network.eval(), file.settings


def fill(network: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Load exactly these tensors; only BatchNorm's counters of batches may be absent.

    Raises:
        WeightsError: naming the first tensor that is missing, unknown or of another shape.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in sorted(shapes.keys() | state.keys()):
        if name.endswith("num_batches_tracked"):
            continue
        found = tuple(state[name].shape) if name in state else None
        if found != shapes.get(name):
            raise WeightsError(
                f"{where} does not fit {type(network).__name__}: {name!r} is {found} in the file, "
                f"but {shapes.get(name)} in the network (None: not there)."
            )
    network.load_state_dict(dict(state), strict=False)
