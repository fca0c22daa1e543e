"""LPIPS v0.1 (Zhang et al. 2018) with weights that came through our door, as a network and as a loss.

The network is the ``lpips`` package's own. Only its weights come another way: the backbone from a
registered torchvision file, the heads from the wheel after their hash was checked. Left to itself the
package would fetch the backbone from the network without a timeout, and open whatever lies under the
official name.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor, nn

from facesr_bench.checkpoints import read_checkpoint
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.nets.loss_network import LossNetwork
from facesr_bench.weights.loading import load_state, locate
from facesr_bench.weights.requirements import installed, require

Backbone = Literal["alex", "vgg", "squeeze"]

WEIGHTS: Mapping[str, str] = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
"""Registered weights of each backbone."""

HEADS: Mapping[str, str] = {
    "alex": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "vgg": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    "squeeze": "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
}
"""sha256 of ``lpips/weights/v0.1/<backbone>.pth`` in the wheel of lpips 0.1.4."""

SMALLEST: Mapping[str, int] = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Short side in pixels below which a backbone's last pooling has nothing left to pool."""


class LPIPSDistance(LossNetwork):
    """LPIPS between two batches, with gradients to whichever of them wants one.

    Args:
        net: the backbone.
        network: of :func:`build`.
        weights: see :class:`~facesr_bench.nets.loss_network.LossNetwork`.
    """

    def __init__(self, net: Backbone, network: nn.Module, weights: dict[str, str]) -> None:
        super().__init__(network, weights)
        self.net = net

    def forward(self, images: Tensor, truth: Tensor) -> Tensor:
        """Two RGB (B, 3, H, W) in [0, 1] to distances (B,).

        Raises:
            ConfigError: images too small for the backbone.
        """
        height, width = images.shape[2:]
        smallest = SMALLEST[self.net]
        if min(height, width) < smallest:
            raise ConfigError(
                f"LPIPS-{self.net} needs images of at least {smallest}x{smallest} pixels, not "
                f"{height}x{width}; enlarge them, or choose another loss."
            )
        distances: Tensor = self.network(2 * images - 1, 2 * truth - 1)
        return distances.reshape(-1)


def lpips_distance(net: Backbone = "vgg") -> LPIPSDistance:
    """LPIPS as a training loss.

    Args:
        net: the backbone; "vgg" is the usual one, pSp trains with "alex". Measure with another than the
            one trained with, or mark the column: it favours the method.

    Raises:
        ConfigError: no such backbone.
        MissingRequirement: the package, the backbone's weights, or both are missing.
        WeightsError: weights that are not the registered ones, or heads that are not version 0.1's.
    """
    check_backbone(net)
    package, file = require(lpips_package, lambda: locate(WEIGHTS[net]))
    network = build(package, net, load_state(file), file.path)
    return LPIPSDistance(net, network, file.settings)


def check_backbone(net: str) -> None:
    """Raise ConfigError if LPIPS has no such backbone."""
    if net not in WEIGHTS:
        raise ConfigError(f"LPIPS has no backbone {net!r}; choose {', '.join(WEIGHTS)}.")


def lpips_package() -> ModuleType:
    """The package ``lpips``.

    Raises:
        MissingRequirement: it is not installed.
    """
    from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before torchvision)

    return installed("lpips")


def build(
    package: ModuleType, net: Backbone, state: Mapping[str, Tensor], source: Path
) -> nn.Module:
    """The package's LPIPS v0.1 network with a backbone of ours.

    Args:
        package: ``lpips``.
        net: which backbone.
        state: torchvision's state dict of the whole classifier; its ``classifier`` part is not used.
        source: where the state is from, for the message.

    Returns:
        Takes two (B, 3, H, W) in [-1, 1], returns (B, 1, 1, 1).

    Raises:
        WeightsError: tensors that are missing or of another shape.
    """
    # On the meta device nothing is drawn: neither the time for VGG's 138 million numbers is lost nor
    # the state of the global random generator, on which training may depend.
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore", UserWarning)  # the package calls torchvision the old way
        network = package.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    network.scaling_layer = package.lpips.ScalingLayer()  # its constants, on the CPU
    loaded = dict(network.scaling_layer.state_dict(prefix="scaling_layer."))
    heads = _heads(package, net)
    for name, tensor in network.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "net":  # net.slice3.5.weight is features.5.weight
            loaded[name] = _fitting(state, f"features.{rest.partition('.')[2]}", tensor, source)
        elif part == "lins":  # the same modules as lin0, lin1 ..., listed once more
            number, _, inner = rest.partition(".")
            loaded[name] = heads[f"lin{number}.{inner}"]
        elif part.startswith("lin"):
            loaded[name] = heads[name]
    network.load_state_dict(loaded, strict=True, assign=True)
    return network  # type: ignore[no-any-return]


def _fitting(state: Mapping[str, Tensor], name: str, like: Tensor, source: Path) -> Tensor:
    if name not in state or state[name].shape != like.shape:
        found = f"of shape {tuple(state[name].shape)}" if name in state else "not there"
        raise WeightsError(
            f"{source} does not fit LPIPS: {name!r} should be of shape {tuple(like.shape)}, but is "
            f"{found}."
        )
    return state[name]


def _heads(package: ModuleType, net: Backbone) -> dict[str, Tensor]:
    """The linear layers of version 0.1 from the wheel, once their hash is right."""
    path = Path(str(package.__file__)).parent / "weights" / "v0.1" / f"{net}.pth"
    try:
        return read_checkpoint(path, HEADS[net])
    except WeightsError as error:
        raise WeightsError(
            f"The installed lpips does not bring the heads of LPIPS v0.1 ({error}) Reinstall it: "
            "pip install --force-reinstall --no-deps lpips==0.1.4"
        ) from error
