"""Every switch, checked together, and the rows of the paper's Table II as overrides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from facesr_bench.errors import ConfigError

from .losses import Norm
from .stages import Part, Stage

Encoder = Literal["progressive", "w_direct", "wplus_direct"]
Base = Literal["encoder", "w_avg"]
Side = Literal["branches", "none"]
Term = Literal["rec", "id", "adv"]
StageTrainable = Literal["all_active", "new_only"]

TABLE_II: dict[str, dict[str, Any]] = {
    "E_W^direct": {"encoder": "w_direct"},
    "E_W+^direct": {"encoder": "wplus_direct"},
    "E2E": {"e2e": True},
    "w/o E_W": {"base": "w_avg"},
    "w/o G_ds": {"side": "none"},
    "only L_rec": {"losses": ["rec"]},
    "only L_id": {"losses": ["id"]},
    "only L_adv": {"losses": ["adv"]},
    "w/o L_rec": {"losses": ["id", "adv"]},
    "w/o L_id": {"losses": ["rec", "adv"]},
    "w/o L_adv": {"losses": ["rec", "id"]},
    "Pro-PULSE": {},
}
"""The paper's names. Losses are left out of E_W+'s stages only: E_W is trained with all three."""


@dataclass(frozen=True)
class Switches:
    """What exists and what is trained when.

    Attributes:
        encoder: "progressive"; "w_direct" is E_W alone, "wplus_direct" E_W+ with all codes at once.
        base: what fills the codes E_W+ does not make yet: E_W's, or the prior's average code.
        side: "none" leaves out the branches, so that L_rec sees the last image only.
        e2e: branches have no stage of their own but learn beside the encoders.
        losses: terms of E_W+'s stages.
        stage_trainable: what a later stage of E_W+ trains: all heads up to its side, or the new one.
        norm: of L_pix and L_pp (Eqs. 2 and 3).
        rec_weight: of L_rec; 0 leaves it out.
        id_weight: of L_id; 0 leaves it out.
        adv_weight: of L_adv; 0 leaves it out, and the critic with it.
        rec_norm: of L_rec (Eq. 6).

    Raises:
        ConfigError: a value that does not exist, or a combination in which nothing is left to learn
            from.
    """

    encoder: Encoder = "progressive"
    base: Base = "encoder"
    side: Side = "branches"
    e2e: bool = False
    losses: tuple[Term, ...] = ("rec", "id", "adv")
    stage_trainable: StageTrainable = "all_active"
    norm: Norm = "mse"
    rec_weight: float = 1.0
    id_weight: float = 1.0
    adv_weight: float = 0.01
    rec_norm: Norm = "l2"

    def __post_init__(self) -> None:
        for name, literal in (
            ("encoder", Encoder), ("base", Base), ("side", Side),
            ("stage_trainable", StageTrainable), ("norm", Norm), ("rec_norm", Norm),
        ):  # fmt: skip
            if getattr(self, name) not in get_args(literal):
                raise ConfigError(
                    f"Pro-PULSE: {name}={getattr(self, name)} does not exist; choose "
                    f"{', '.join(get_args(literal))}."
                )
        if set(self.losses) - set(get_args(Term)) or not self.losses:
            raise ConfigError(
                f"Pro-PULSE: losses={list(self.losses)} must name some of {', '.join(get_args(Term))}."
            )
        if self.e2e and self.side == "none":
            raise ConfigError(
                "Pro-PULSE: e2e=true trains the branches beside the encoders, but side=none has none."
            )
        if self.encoder != "progressive" and self.base == "w_avg":
            raise ConfigError(
                f"Pro-PULSE: base=w_avg says what fills codes that E_W+ does not make yet; with "
                f"encoder={self.encoder} there are none."
            )
        if min(self.weights.values()) < 0:
            raise ConfigError("Pro-PULSE: the weights of losses must not be negative.")
        for stage in (Stage("base"), Stage("scales")):
            if self.trains(stage.part) and not self.terms(stage):
                raise ConfigError(
                    f"Pro-PULSE: no loss is left for {stage.name}: all of losses="
                    f"{list(self.losses)} have weight 0 there."
                )

    @property
    def weights(self) -> dict[Term, float]:
        """Lambda of each term (Eq. 5)."""
        return {"rec": self.rec_weight, "id": self.id_weight, "adv": self.adv_weight}

    @property
    def critic(self) -> bool:
        """Whether any stage needs a critic."""
        stages = (Stage("base"), Stage("scales"))
        return any("adv" in self.terms(stage) for stage in stages if self.trains(stage.part))

    def trains(self, part: Part) -> bool:
        """Whether a part exists and is learnt."""
        if part == "branches":
            return self.side == "branches"
        if part == "base":
            return self.encoder != "wplus_direct" and self.base == "encoder"
        return self.encoder != "w_direct"

    def terms(self, stage: Stage) -> tuple[Term, ...]:
        """The losses of a stage of an encoder."""
        chosen = self.losses if stage.part == "scales" else get_args(Term)
        return tuple(term for term in chosen if self.weights[term] > 0)

    def stages(self, sides: Sequence[int], chosen: Sequence[Part]) -> list[Stage]:
        """All stages of a run in order.

        Args:
            sides: output sides of the generator.
            chosen: the parts this run is to train.

        Raises:
            ConfigError: a part that does not exist.
        """
        unknown = sorted(set(chosen) - set(get_args(Part)))
        if unknown:
            raise ConfigError(
                f"Pro-PULSE: stages={list(chosen)}: there is no {unknown[0]}; choose of "
                f"{', '.join(get_args(Part))}."
            )
        every: list[Stage] = []
        if self.trains("branches") and not self.e2e and len(sides) > 1:
            every.append(Stage("branches"))
        if self.trains("base"):
            every.append(Stage("base"))
        if self.encoder == "wplus_direct":
            every.append(Stage("scales", sides[-1], first=True))
        elif self.trains("scales"):
            every += [Stage("scales", side, first=side == sides[0]) for side in sides]
        wanted = [stage for stage in every if stage.part in chosen]
        if not wanted:
            raise ConfigError(f"Pro-PULSE: stages={list(chosen)} leaves nothing to train here.")
        return wanted

    def first_side(self, sides: Sequence[int]) -> int:
        """The side with which E_W+ starts."""
        return sides[-1] if self.encoder == "wplus_direct" else sides[0]
