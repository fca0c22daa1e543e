"""A prior on its way into a method."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from facesr_bench.nets.stylegan1.generator import StyleGAN1
from facesr_bench.nets.stylegan2 import StyleGAN2

Family = Literal["stylegan1", "stylegan2"]


@dataclass(frozen=True)
class LoadedPrior:
    """A generator with its weights, frozen and in eval mode.

    Attributes:
        name: what tables call it.
        network: satisfies :class:`facesr_bench.nets.prior.Prior`.
        trained_on: data and images behind the weights, oldest first, as in run records; empty where
            nobody says.
        files: name, sha256 and role of every weight file read, for the record.
    """

    name: str
    network: StyleGAN1 | StyleGAN2
    trained_on: Sequence[dict[str, Any]] = ()
    files: Sequence[dict[str, str]] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        self.network.requires_grad_(False).eval()

    @property
    def family(self) -> Family:
        """Which activations the mapping has, and so which inverse the Gaussian fit of PULSE."""
        return "stylegan1" if isinstance(self.network, StyleGAN1) else "stylegan2"

    @property
    def resolution(self) -> int:
        """Side of its images in pixels."""
        return self.network.resolution

    def facts(self) -> dict[str, Any]:
        """Plain values for the record of a run that used it."""
        return {
            "name": self.name,
            "family": self.family,
            "resolution": self.resolution,
            "trained_on": [dict(entry) for entry in self.trained_on],
            "files": [dict(entry) for entry in self.files],
        }


def modules_of(prior: LoadedPrior) -> Sequence[nn.Module]:
    """What makes images of codes: the synthesis alone."""
    return [prior.network.synthesis]
