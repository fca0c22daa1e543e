"""The ``adaptation`` group: how many exemplars, drawn how often, and what is done with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from facesr_bench.adaptation.features import FeatureName
from facesr_bench.errors import ConfigError

Strategy = Literal["own", "none", "direct", "adain", "asm"]
"""The method's own algorithm; nothing (source only); fine-tuning on the exemplars; on them and on
source faces restyled by AdaIN; or on them and on source faces restyled by ASM."""


@dataclass(frozen=True)
class FineTuning:
    """Strategies "direct", "adain" and "asm". The paper states no number.

    Attributes:
        steps: of Adam.
        batch: restyled faces in a step.
        lr: Adam's rate.
        search: steps of Adam that look for an exemplar's code, where a prior is fine-tuned (PULSE).
    """

    steps: int = 200
    batch: int = 8
    lr: float = 1e-4
    search: int = 100


@dataclass(frozen=True)
class StyleNet:
    """What restyles source faces, trained once on them (Huang and Belongie 2017; Luo et al. 2020).

    Attributes:
        features: whose statistics are the style.
        steps: of Adam.
        batch: faces in a step.
        lr: Adam's rate.
        content: weight of the content loss.
        style: of the style loss.
        kl: of the style code's divergence from a normal one (ASM).
        reconstruction: of the decoded style statistics (ASM).
        moves: adversarial moves of a style code before a step of fine-tuning (ASM).
        move: length of one in each dimension of the code (ASM).
    """

    features: FeatureName = "vgg19"
    steps: int = 160_000
    batch: int = 8
    lr: float = 1e-4
    content: float = 1.0
    style: float = 10.0
    kl: float = 5.0
    reconstruction: float = 5.0
    moves: int = 1
    move: float = 0.1


@dataclass(frozen=True)
class AdaptationSettings:
    """One protocol of adaptation.

    Attributes:
        k: exemplars shown at once.
        seeds: R, how often they are drawn; the paper's ten.
        conditions: of the target domain; None for all.
        strategy: see :data:`Strategy`.
        keep_weights: write the adapted weights of every cell (as large as a checkpoint each).
        fine_tuning: see :class:`FineTuning`.
        style_net: see :class:`StyleNet`.
    """

    k: int = 1
    seeds: int = 10
    conditions: Sequence[str] | None = None
    strategy: Strategy = "own"
    keep_weights: bool = False
    fine_tuning: FineTuning = field(default_factory=FineTuning)
    style_net: StyleNet = field(default_factory=StyleNet)

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Strategy):
            raise ConfigError(
                f"adaptation.strategy={self.strategy} does not exist; choose "
                f"{', '.join(get_args(Strategy))}."
            )
        for name, value in (("k", self.k), ("seeds", self.seeds)):
            if value < 1:
                raise ConfigError(f"adaptation.{name}={value} must be at least 1.")
        if self.style_net.features not in ("vgg19", "vgg19_random"):
            raise ConfigError(
                f"adaptation.style_net.features={self.style_net.features} is not one of vgg19, "
                "vgg19_random."
            )

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> "AdaptationSettings":
        """Read the group; what it does not say has the defaults.

        Raises:
            ConfigError: an entry that does not exist, or a value that cannot be.
        """
        content = dict(config or {})
        for name, kind in (("fine_tuning", FineTuning), ("style_net", StyleNet)):
            if name in content:
                content[name] = _read(kind, content[name], f"adaptation.{name}")
        found: AdaptationSettings = _read(cls, content, "adaptation")
        return found


def _read(kind: Any, content: Mapping[str, Any], where: str) -> Any:
    known = {entry.name for entry in fields(kind)}
    unknown = sorted(set(content) - known)
    if unknown:
        raise ConfigError(
            f"{where} has no entry {unknown[0]!r}; it takes {', '.join(sorted(known))}."
        )
    return kind(**content)
