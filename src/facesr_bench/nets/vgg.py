"""VGG-16 and VGG-19 as feature networks of losses: layers by name, with torchvision's weights.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
``conv4_2`` is a convolution's output before its ReLU, ``relu4_2`` the same after it, ``pool4`` what
the next block sees. VGG-16 and VGG-19 share names, not numbers: ``conv4_2`` is ``features.19`` of the
one and ``features.21`` of the other.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.nets.loss_network import LossNetwork
from facesr_bench.weights.loading import load_state, locate

Name = Literal["vgg16", "vgg19"]

_WIDTHS = (64, 128, 256, 512, 512)
_CONVOLUTIONS: Mapping[str, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}

# Of ImageNet, on [0, 1], red green blue.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def layer_names(name: Name) -> list[str]:
    """Every layer in order; its position is torchvision's index in ``features``."""
    names = []
    for block, number in enumerate(_CONVOLUTIONS[name], start=1):
        for index in range(1, number + 1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return names


class VGGFeatures(LossNetwork):
    """RGB (B, 3, H, W) in [0, 1] to the outputs of the layers asked for, in that order.

    Args:
        name: which of the two.
        layers: names of :func:`layer_names`; nothing beyond the deepest of them is built or run.
        state: torchvision's state dict of the whole classifier; of it only ``features`` are used.
        weights: see :class:`~facesr_bench.nets.loss_network.LossNetwork`.

    Raises:
        ConfigError: no such network or layer, or none asked for.
        WeightsError: tensors that are missing or of another shape.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: Name,
        layers: Sequence[str],
        state: Mapping[str, Tensor],
        weights: dict[str, str] | None = None,
    ) -> None:
        chosen, names = check_layers(name, layers), layer_names(name)
        used = names[: max(map(names.index, chosen)) + 1]
        super().__init__(_filled(_sequence(used), state, name), weights or {})
        self.layers, self.names = chosen, used
        self.smallest = 2 ** sum(layer.startswith("pool") for layer in used)
        for constant, values in (("mean", _MEAN), ("std", _STD)):
            self.register_buffer(constant, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Layer name to (B, C, h, w).

        Raises:
            ConfigError: images so small that a pooling has nothing left to pool.
        """
        height, width = images.shape[2:]
        if min(height, width) < self.smallest:
            raise ConfigError(
                f"VGG features up to {self.names[-1]} need images of at least "
                f"{self.smallest}x{self.smallest} pixels, not {height}x{width}; ask for earlier layers."
            )
        x, found = (images - self.mean) / self.std, {}
        for name, layer in zip(self.names, self.network.children(), strict=True):
            x = layer(x)
            if name in self.layers:
                found[name] = x
        return {name: found[name] for name in self.layers}


def vgg_features(name: Name, layers: Sequence[str]) -> VGGFeatures:
    """The features of a registered file.

    Args:
        name: "vgg16" or "vgg19", also the name of the weights.
        layers: see :class:`VGGFeatures`.

    Raises:
        ConfigError: no such network or layer.
        MissingRequirement: the weights are not here.
        WeightsError: they are others than registered.
    """
    check_layers(name, layers)
    file = locate(name)
    return VGGFeatures(name, layers, load_state(file), file.settings)


def check_layers(name: Name, layers: Sequence[str]) -> tuple[str, ...]:
    """The layers, once each is one of this network's.

    Raises:
        ConfigError: one is not, or there is none.
    """
    if name not in get_args(Name):
        raise ConfigError(f"There is no {name!r}; choose {', '.join(get_args(Name))}.")
    known = layer_names(name)
    unknown = [layer for layer in layers if layer not in known]
    if unknown or not layers:
        what = f"has no layer {unknown[0]!r}" if unknown else "was asked for no layer"
        raise ConfigError(f"{name} {what}; it has {', '.join(known)}.")
    return tuple(layers)


def _sequence(names: Sequence[str]) -> nn.Sequential:
    """The layers without numbers in them, as far as these names go."""
    layers: list[nn.Module] = []
    before = 3
    with torch.device("meta"):  # nothing drawn: the global random generator stays where it is
        for name in names:
            if name.startswith("conv"):
                width = _WIDTHS[int(name[4]) - 1]
                layers.append(nn.Conv2d(before, width, 3, padding=1))
                before = width
            # Not in place: the layer before may have been asked for.
            elif name.startswith("relu"):
                layers.append(nn.ReLU())
            else:
                layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _filled(network: nn.Sequential, state: Mapping[str, Tensor], name: str) -> nn.Sequential:
    chosen = {}
    for key, tensor in network.state_dict().items():
        found = state.get(f"features.{key}")
        if found is None or found.shape != tensor.shape:
            shape = "not there" if found is None else f"of shape {tuple(found.shape)}"
            raise WeightsError(
                f"The weights do not fit {name}: 'features.{key}' should be of shape "
                f"{tuple(tensor.shape)}, but is {shape}."
            )
        chosen[key] = found
    network.load_state_dict(chosen, strict=True, assign=True)
    return network
