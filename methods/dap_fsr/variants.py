"""What adaptation may switch, checked together, and the rows of the paper's tables as overrides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from facesr_bench.errors import ConfigError

from .decoder import Phi
from .latent import Eps

Adapt = Literal["soft", "hard"]
Target = Literal["pairs", "synthetic", "style", "exemplar"]
SourceCodes = Literal["gaussian", "mapping"]
TargetCode = Literal["lr", "hr"]

HARD_LAYERS = 3
"""Layers that configuration D takes from the target."""


@dataclass(frozen=True)
class Recipe:
    """How DAMMA runs. The paper states no number of it; all are ours but the order of steps.

    Attributes:
        adapt: "soft" learns alpha (configuration E), "hard" fixes it (D).
        phi: what changes of G.
        target: what phi is trained on. "pairs": the exemplar and synthetic pairs, one to one.
            "synthetic": the latter alone, whose targets are G's own faces. "style": Eq. 7 on phi.
            "exemplar": the exemplar alone.
        outer: T, rounds of fresh source codes.
        inner: n, steps in each.
        batch: source codes in a round.
        alpha_start: alpha_0 of every layer.
        alpha_lr: Adam's rate of alpha.
        phi_lr: Adam's rate of phi.
        eps: one draw for all layers of a source code, or one each.
        source_codes: "gaussian" (Algorithm 1, line 3), or truly mapped codes.
        target_code: w^t from the exemplar's LR (Algorithm 1) or from its reduced HR (section 4.2).
    """

    adapt: Adapt = "soft"
    phi: Phi = "affine"
    target: Target = "pairs"
    outer: int = 20
    inner: int = 10
    batch: int = 8
    alpha_start: float = 0.5
    alpha_lr: float = 1e-2
    phi_lr: float = 1e-4
    eps: Eps = "shared"
    source_codes: SourceCodes = "gaussian"
    target_code: TargetCode = "lr"

    def __post_init__(self) -> None:
        for name, literal in (
            ("adapt", Adapt), ("phi", Phi), ("target", Target), ("eps", Eps),
            ("source_codes", SourceCodes), ("target_code", TargetCode),
        ):  # fmt: skip
            check_choice(name, getattr(self, name), literal)
        for name in ("outer", "inner", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"DAP-FSR: {name} must be at least 1, not {getattr(self, name)}.")
        if not 0 <= self.alpha_start <= 1:
            raise ConfigError(f"DAP-FSR: alpha_start={self.alpha_start} must lie in [0, 1].")

    @property
    def learns_alpha(self) -> bool:
        """Whether there is a step on alpha: not where it is fixed, nor where nothing is mixed."""
        return self.adapt == "soft" and self.target != "exemplar"

    @property
    def needs_features(self) -> bool:
        """Whether some loss has no meaning on pixels alone."""
        return self.learns_alpha or self.target == "style"


def check_choice(name: str, value: object, literal: Any) -> None:
    """Raise a ConfigError unless ``value`` is one of the strings of a ``Literal``."""
    choices = get_args(literal)
    if value not in choices:
        raise ConfigError(f"DAP-FSR: {name}={value!r} is not one of {', '.join(choices)}.")


PAPER_VARIANTS: Mapping[str, Mapping[str, object]] = {
    # Table 2, the encoder: measured without adaptation (adaptation.strategy=none).
    "Baseline": {"multi_scale": False, "istn": 0, "offset": False},
    "A": {"istn": 0, "offset": False},
    "B": {"offset": False},
    "C": {},
    # Table 2, the adaptation.
    "D": {"adapt": "hard", "phi": "all"},
    "E": {"phi": "all"},
    "F": {},
}
