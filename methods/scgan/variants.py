"""What a run of SCGAN may switch: one frozen record, checked as a whole before anything is built.

``PAPER_VARIANTS`` names every row of the paper's ablation tables as constructor arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from facesr_bench.errors import ConfigError

from .losses import WEIGHTS, Weights, WeightsName

Branches = Literal["both", "forward_only", "backward_only"]
Share = Literal["none", "all+heads", "body", "encoder", "decoder", "middle"]
CycleGrad = Literal["none", "backward", "full"]
Critic = Literal["L1", "H1", "L2", "H2"]
Generator = Literal["D_HL", "R_LS", "D_SL"]

GENERATORS: dict[Branches, tuple[Generator, ...]] = {
    "both": ("D_HL", "R_LS", "D_SL"),
    "forward_only": ("D_HL", "R_LS"),
    "backward_only": ("R_LS", "D_SL"),
}
CRITICS: dict[Branches, tuple[Critic, ...]] = {
    "both": ("L1", "H1", "L2", "H2"),
    "forward_only": ("L1", "H1"),
    "backward_only": ("L2", "H2"),
}


def check_choice(name: str, value: object, literal: Any) -> None:
    """Raise a ConfigError unless ``value`` is one of the strings of a ``Literal``."""
    choices = get_args(literal)
    if value not in choices:
        raise ConfigError(f"SCGAN: {name}={value!r} is not one of {', '.join(choices)}.")


@dataclass(frozen=True)
class Switches:
    """Which losses exist and where their gradients go; networks are described elsewhere.

    Attributes:
        branches: both semi-cycles, or one ("w/o-D_SL" is forward_only, "w/o-D_HL" backward_only).
        share: what D_SL borrows from D_HL.
        adv: critics to keep; True is all, False none (removed ones are neither built nor trained).
        pix: pixel terms L1(s, down) and L1(up, R).
        cyc: cycle terms L1(S, h) and L1(c, l).
        weights: of L1 against adversarial terms, see :data:`~.losses.WEIGHTS`.
        cycle_grad: "none" stops the gradient between the two networks of a branch (code and Eqs. 6
            to 8); "backward" lets Eq. 12's terms reach R_LS through D_SL, as the paper's prose has it
            (ours); "full" stops it nowhere.
        critic_concat: one critic call on real and fake together; not the official numbers, because
            spectral norm then iterates once instead of twice.
        theta: weight of the forward half of R_LS's objective.
        gamma: weight of its backward half.
    """

    branches: Branches = "both"
    share: Share = "none"
    adv: bool | Sequence[str] = True
    pix: bool = True
    cyc: bool = True
    weights: WeightsName = "code"
    cycle_grad: CycleGrad = "none"
    critic_concat: bool = False
    theta: float = 1.0
    gamma: float = 0.05

    def __post_init__(self) -> None:
        check_choice("branches", self.branches, Branches)
        check_choice("share", self.share, Share)
        check_choice("weights", self.weights, WeightsName)
        check_choice("cycle_grad", self.cycle_grad, CycleGrad)
        self._check_critics()
        if self.share != "none" and self.branches != "both":
            raise ConfigError(
                f"SCGAN: share={self.share!r} shares D_HL with D_SL, but branches="
                f"{self.branches!r} builds only one of them; set share=none or branches=both."
            )
        if self.cycle_grad == "backward" and self.branches == "forward_only":
            raise ConfigError(
                "SCGAN: cycle_grad='backward' lets a gradient through the backward branch, which "
                "branches='forward_only' does not build; set cycle_grad=none or branches=both."
            )
        if self.critic_concat and not self.critics:
            raise ConfigError("SCGAN: critic_concat=true has no critic to act on; keep one in adv.")
        if self.theta <= 0 or self.gamma <= 0:
            raise ConfigError("SCGAN: theta and gamma must be positive; drop a half by branches.")
        self._check_everyone_learns()

    @property
    def generators(self) -> tuple[Generator, ...]:
        """Networks of the chosen branches, in the official order of their steps."""
        return GENERATORS[self.branches]

    @property
    def critics(self) -> tuple[Critic, ...]:
        """Critics that are built and trained, in the official order of their steps."""
        existing = CRITICS[self.branches]
        if isinstance(self.adv, bool):
            return existing if self.adv else ()
        return tuple(name for name in existing if name in self.adv)

    @property
    def term_weights(self) -> Weights:
        """Weights of the L1 and the adversarial terms."""
        return WEIGHTS[self.weights]

    def _check_critics(self) -> None:
        if isinstance(self.adv, bool):
            return
        if isinstance(self.adv, str):
            raise ConfigError(f"SCGAN: adv is true, false or a list, for example [{self.adv}].")
        if unknown := sorted(set(self.adv) - set(CRITICS[self.branches])):
            raise ConfigError(
                f"SCGAN: adv keeps {', '.join(unknown)}, but branches={self.branches!r} has the "
                f"critics {', '.join(CRITICS[self.branches])}."
            )

    def _terms(self) -> dict[Generator, bool]:
        """For each network, whether any term of its own objective is switched on."""
        kept = self.critics
        forward, backward = self.branches != "backward_only", self.branches != "forward_only"
        learns: dict[Generator, bool] = {
            "D_HL": self.pix or "L1" in kept,
            "R_LS": (forward and (self.cyc or "H1" in kept))
            or (backward and (self.pix or "H2" in kept)),
            "D_SL": self.cyc or "L2" in kept,
        }
        return {name: learns[name] for name in self.generators}

    def _check_everyone_learns(self) -> None:
        own = self._terms()
        learns = dict(own)
        if self.share == "all+heads":
            learns["D_HL"] = learns["D_SL"] = own["D_HL"] or own["D_SL"]
        if self.cycle_grad == "full" and "D_HL" in own:
            learns["D_HL"] = learns["D_HL"] or self.cyc or "H1" in self.critics
        if self.cycle_grad != "none" and "D_SL" in own:
            learns["R_LS"] = learns["R_LS"] or own["D_SL"]
        idle = [name for name, learning in learns.items() if not learning]
        if idle:
            raise ConfigError(
                f"SCGAN: with adv={self.adv}, pix={self.pix}, cyc={self.cyc} and cycle_grad="
                f"{self.cycle_grad!r} no loss reaches {' and '.join(idle)}; switch one of its "
                "terms on."
            )


PAPER_VARIANTS: Mapping[str, Mapping[str, object]] = {
    "SCGAN": {},
    "SCGAN-w/o-D_SL": {"branches": "forward_only"},
    "SCGAN-w/o-D_HL": {"branches": "backward_only"},
    "SCGAN-fc": {"share": "all+heads"},
    "SCGAN-SA": {"share": "body"},
    "SCGAN-SE": {"share": "encoder"},
    "SCGAN-SD": {"share": "decoder"},
    "SCGAN-SM": {"share": "middle"},
    "SCGAN-w/o-AL": {"adv": False},
    "SCGAN-w/o-PL": {"pix": False},
    "SCGAN-w/o-CL": {"cyc": False},
    # Table 4: l_adv-a-b removes a of the four adversarial losses and keeps these.
    "l_adv-4-1": {"adv": ()},
    "l_adv-3-1": {"adv": ("H2",)},
    "l_adv-3-2": {"adv": ("H1",)},
    "l_adv-3-3": {"adv": ("L2",)},
    "l_adv-3-4": {"adv": ("L1",)},
    "l_adv-2-1": {"adv": ("H1", "H2")},
    "l_adv-2-2": {"adv": ("L2", "H2")},
    "l_adv-2-3": {"adv": ("L2", "H1")},
    "l_adv-2-4": {"adv": ("L1", "H2")},
    "l_adv-2-5": {"adv": ("L1", "H1")},
    "l_adv-2-6": {"adv": ("L1", "L2")},
    "l_adv-1-1": {"adv": ("L2", "H1", "H2")},
    "l_adv-1-2": {"adv": ("L1", "H1", "H2")},
    "l_adv-1-3": {"adv": ("L1", "L2", "H2")},
    "l_adv-1-4": {"adv": ("L1", "L2", "H1")},
}
