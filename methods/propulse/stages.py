"""The stages of training (paper, sections III-C to III-E and IV) as phases of one run.

    G_ds            the branches learn to draw the prior's own image at smaller sides
    E_W             the base encoder learns one code for all layers
    E_W+ 32 ...     the scale-specific encoder replaces it side by side: at stage r it makes the codes
                    of the sides up to r, and E_W's code is repeated for the finer ones

The paper counts iterations, we count images: 50,000 + 50,000 + 6 x 10,000 of four.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from facesr_bench.budget import Phase
from facesr_bench.errors import ConfigError

Part = Literal["branches", "base", "scales"]
"""What a stage trains: the branches of G_ds, E_W, or E_W+."""

_LENGTHS = {"branches": 200_000, "base": 200_000, "scale": 40_000, "direct": 240_000}


def codes_of(side: int) -> int:
    """Codes of all layers up to this side: n_i = 2 (log2 r_i - 1)."""
    return 2 * (side.bit_length() - 2)


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        part: what is trained.
        side: r_i, of a stage of E_W+; the codes of all sides up to it are E_W+'s. 0 for the others.
        first: whether E_W+ learns here for the first time, all heads up to ``side`` together.
    """

    part: Part
    side: int = 0
    first: bool = False

    @property
    def codes(self) -> int:
        """n_i, how many codes E_W+ makes."""
        return codes_of(self.side) if self.part == "scales" else 0

    @property
    def name(self) -> str:
        """The paper's name of what is trained."""
        return {"branches": "G_ds", "base": "E_W", "scales": f"E_W+ {self.side}"}[self.part]

    def facts(self) -> dict[str, Any]:
        """As a phase of the budget holds it."""
        return {"train": self.part} | ({"side": self.side} if self.part == "scales" else {})


def stage_of(phase: Phase, sides: Sequence[int], first_side: int) -> Stage:
    """Read a phase's facts.

    Args:
        phase: of the run's budget.
        sides: output sides of the generator.
        first_side: the side that E_W+ starts with.

    Raises:
        ConfigError: it does not say what is trained, or a side the prior does not have.
    """
    part: Any = phase.facts.get("train")
    side = int(phase.facts.get("side", 0))
    if part not in get_args(Part):
        raise ConfigError(
            f"Pro-PULSE: phase {phase.name!r} does not say what it trains. Give each row of "
            f"method.budget.phases {{name, images, batch_size, train: {' | '.join(get_args(Part))}}}, "
            "and those of train: scales their side."
        )
    if part == "scales" and side not in sides:
        raise ConfigError(
            f"Pro-PULSE: phase {phase.name!r} trains up to side {side}, but this prior has the sides "
            f"{', '.join(map(str, sides))}."
        )
    return Stage(part, side, first=part == "scales" and side == first_side)


@dataclass(frozen=True)
class Recipe:
    """How long each stage lasts, in images.

    Attributes:
        branches: of G_ds.
        base: of E_W.
        scale: of E_W+, for each side.
        direct: of the encoder of the variants that have one stage of it only.
        batch_size: over all processes.
    """

    branches: int = _LENGTHS["branches"]
    base: int = _LENGTHS["base"]
    scale: int = _LENGTHS["scale"]
    direct: int = _LENGTHS["direct"]
    batch_size: int = 4

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Recipe":
        """Read the ``budget`` block of the YAML; what is missing is the paper's."""
        unknown = sorted(set(config) - set(cls.__dataclass_fields__))
        if unknown:
            raise ConfigError(
                f"Pro-PULSE: method.budget has no {', '.join(unknown)}. Give "
                f"{', '.join(cls.__dataclass_fields__)}, from which the phases follow, or phases=[...] "
                "with all of them."
            )
        return cls(**{name: int(value) for name, value in config.items()})

    def phases(self, stages: Sequence[Stage], *, direct: bool) -> list[Phase]:
        """The stages with their lengths; ``direct`` for an encoder with a single stage."""
        lengths = {
            "branches": self.branches,
            "base": self.direct if direct else self.base,
            "scales": self.direct if direct else self.scale,
        }
        return [
            Phase(stage.name, lengths[stage.part], self.batch_size, stage.facts())
            for stage in stages
        ]
