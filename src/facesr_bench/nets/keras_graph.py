"""A Keras 2 image network rebuilt in PyTorch from its description, layer by layer.

Only layers on a fixed list are rebuilt, each with Keras' own arithmetic: "same" padding puts the odd
pixel at the bottom right, flattening goes through channels last, batch normalisation takes epsilon from
the file. Any other layer (a Lambda above all) is refused by name; nothing in the file is executed.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.errors import WeightsError, first_line
from facesr_bench.weights.keras import KerasLayer, KerasModel

Pair = tuple[int, int]

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


class KerasGraph(nn.Module):
    """The network of a :class:`KerasModel`, for measuring only.

    Args:
        model: what :func:`facesr_bench.weights.keras.load_keras` read.

    Raises:
        WeightsError: naming the layer that is not known, or whose arrays do not fit.
    """

    def __init__(self, model: KerasModel) -> None:
        super().__init__()
        self.source, self.output = model.source, model.output
        self.inputs = {layer.name: layer.inputs for layer in model.layers}
        self.uses = Counter(name for layer in model.layers for name in layer.inputs)
        self.input_shape: list[int | None] = []
        self.steps = nn.ModuleList()
        for layer in model.layers:
            try:
                self.steps.append(_build(layer))
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise WeightsError(
                    f"{self.source}: the layer {layer.name!r} ({layer.kind}) is not as this program "
                    f"knows it ({type(error).__name__}: {first_line(error)})."
                ) from error
            if layer.kind == "InputLayer":
                self.input_shape = list(layer.config.get("batch_input_shape") or [])

    def forward(self, images: Tensor) -> Tensor:
        """Run the network.

        Args:
            images: (B, C, H, W), as the file's network expects them but channels first.

        Raises:
            WeightsError: a layer cannot take what the layer before gives.
        """
        values: dict[str, Tensor] = {}
        left = Counter(self.uses)
        for (name, sources), step in zip(self.inputs.items(), self.steps, strict=True):
            taken = [values[source] for source in sources] if sources else [images]
            try:
                values[name] = step(*taken)
            except RuntimeError as error:
                raise WeightsError(
                    f"{self.source}: the layer {name!r} does not fit what comes before it "
                    f"({first_line(error)})."
                ) from error
            left.subtract(sources)
            for source in sources:  # all maps of a ResNet-50 at once are 100 MB an image
                if left[source] <= 0 and source != self.output:
                    values.pop(source, None)
        return values[self.output]


class _Function(nn.Module):
    """A layer without arrays."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *values: Tensor) -> Tensor:
        return self.function(*values)


class _Arrays(nn.Module):
    """A layer with arrays; all of them parameters, also statistics: nothing is trained here."""

    def __init__(self, function: Callable[..., Tensor], **arrays: Tensor | None) -> None:
        super().__init__()
        self.function = function
        for name, array in arrays.items():
            if array is not None:
                self.register_parameter(name, nn.Parameter(array, requires_grad=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, **dict(self.named_parameters()))


def same_padding(size: Pair, kernel: Pair, stride: Pair) -> tuple[int, int, int, int]:
    """Left, right, top, bottom as TensorFlow's "same" pads: output ceil(size / stride)."""
    edges = []
    for length, window, step in reversed(list(zip(size, kernel, stride, strict=True))):
        total = max(0, (-(-length // step) - 1) * step + window - length)
        edges += [total // 2, total - total // 2]
    return edges[0], edges[1], edges[2], edges[3]


def _build(layer: KerasLayer) -> nn.Module:
    builders: dict[str, Callable[[KerasLayer], nn.Module]] = {
        "InputLayer": lambda _: _Function(lambda x: x),
        "Dropout": lambda _: _Function(lambda x: x),  # only while training
        "Activation": lambda item: _Function(_activation(item)),
        "Add": lambda _: _Function(lambda first, *others: sum(others, first)),
        "Flatten": lambda _: _Function(_flatten),
        "GlobalAveragePooling2D": lambda _: _Function(lambda x: x.mean(dim=(2, 3))),
        "ZeroPadding2D": _zero_padding,
        "MaxPooling2D": _max_pooling,
        "AveragePooling2D": _average_pooling,
        "Conv2D": _conv,
        "BatchNormalization": _batch_norm,
        "Dense": _dense,
    }
    if layer.kind not in builders:
        raise ValueError(f"{layer.kind} is none of {', '.join(builders)}")
    if layer.config.get("data_format") not in (None, "channels_last"):
        raise ValueError(f"data_format is {layer.config['data_format']}")
    return builders[layer.kind](layer)


def _activation(layer: KerasLayer) -> Callable[[Tensor], Tensor]:
    return ACTIVATIONS[layer.config.get("activation") or "linear"]


def _flatten(x: Tensor) -> Tensor:
    return (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).flatten(1)


def _padded(x: Tensor, padding: str, kernel: Pair, stride: Pair, value: float = 0.0) -> Tensor:
    if padding == "valid":
        return x
    height, width = x.shape[2:]
    return functional.pad(x, same_padding((height, width), kernel, stride), value=value)


def _padding(layer: KerasLayer) -> str:
    padding = layer.config["padding"]
    if padding not in ("valid", "same"):
        raise ValueError(f"padding is {padding!r}")
    return str(padding)


def _pair(numbers: Any) -> Pair:
    first, second = numbers
    return int(first), int(second)


def _zero_padding(layer: KerasLayer) -> nn.Module:
    (top, bottom), (left, right) = (_pair(edge) for edge in layer.config["padding"])
    return _Function(lambda x: functional.pad(x, (left, right, top, bottom)))


def _max_pooling(layer: KerasLayer) -> nn.Module:
    size, stride, padding = _pool(layer)

    def pool(x: Tensor) -> Tensor:
        return functional.max_pool2d(_padded(x, padding, size, stride, float("-inf")), size, stride)

    return _Function(pool)


def _average_pooling(layer: KerasLayer) -> nn.Module:
    size, stride, padding = _pool(layer)
    if padding != "valid":
        raise ValueError("average pooling with padding, whose edges Keras weighs differently")
    return _Function(lambda x: functional.avg_pool2d(x, size, stride))


def _pool(layer: KerasLayer) -> tuple[Pair, Pair, str]:
    size = _pair(layer.config["pool_size"])
    return size, _pair(layer.config.get("strides") or size), _padding(layer)


def _conv(layer: KerasLayer) -> nn.Module:
    kernel = torch.from_numpy(layer.arrays["kernel"]).permute(3, 2, 0, 1).contiguous()
    size, stride, padding = (
        _pair(layer.config["kernel_size"]), _pair(layer.config["strides"]), _padding(layer),
    )  # fmt: skip
    if tuple(kernel.shape[2:]) != size or kernel.shape[0] != layer.config["filters"]:
        raise ValueError(f"the kernel is {tuple(layer.arrays['kernel'].shape)}")
    if _pair(layer.config.get("dilation_rate", (1, 1))) != (1, 1) or layer.config.get(
        "groups", 1
    ) not in (None, 1):
        raise ValueError("the convolution is dilated or grouped")
    activation = _activation(layer)

    def convolve(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        padded = _padded(x, padding, size, stride)
        return activation(functional.conv2d(padded, kernel, bias, stride))

    return _Arrays(convolve, kernel=kernel, bias=_optional(layer, "bias", "use_bias"))


def _batch_norm(layer: KerasLayer) -> nn.Module:
    axis = layer.config["axis"]
    if axis not in (3, -1, [3], [-1]):
        raise ValueError(f"it normalises axis {axis}, not the channels")
    epsilon = float(layer.config["epsilon"])

    def normalise(
        x: Tensor,
        mean: Tensor,
        variance: Tensor,
        gamma: Tensor | None = None,
        beta: Tensor | None = None,
    ) -> Tensor:
        return functional.batch_norm(x, mean, variance, gamma, beta, False, 0.0, epsilon)

    return _Arrays(
        normalise,
        mean=torch.from_numpy(layer.arrays["moving_mean"]),
        variance=torch.from_numpy(layer.arrays["moving_variance"]),
        gamma=_optional(layer, "gamma", "scale"),
        beta=_optional(layer, "beta", "center"),
    )


def _dense(layer: KerasLayer) -> nn.Module:
    kernel = torch.from_numpy(layer.arrays["kernel"]).T.contiguous()
    if kernel.shape[0] != layer.config["units"]:
        raise ValueError(f"the kernel is {tuple(layer.arrays['kernel'].shape)}")
    activation = _activation(layer)

    def connect(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        return activation(functional.linear(x, kernel, bias))

    return _Arrays(connect, kernel=kernel, bias=_optional(layer, "bias", "use_bias"))


def _optional(layer: KerasLayer, name: str, switch: str) -> Tensor | None:
    return torch.from_numpy(layer.arrays[name]) if layer.config.get(switch, True) else None
