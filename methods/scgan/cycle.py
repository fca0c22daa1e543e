"""The two semi-cycles: three generators, up to four critics, and the equations that tie them.

    forward:   h --D_HL--> s --R_LS--> S        critics D_L1(l, s), D_H1(h, S)
    backward:  l --R_LS--> R --D_SL--> c        critics D_L2(l, c), D_H2(h, R)

h = I_rH is a real HR face, l = I_rL an unrelated real LR face. No optimiser here: who steps when is
``module.py``'s business.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Self

import torch
from torch import Tensor, nn

from .building import Init, drawn, share_layers
from .critics import Discriminator
from .losses import (
    average_down,
    bicubic_up,
    critic_hinge,
    generator_hinge,
    half_objective,
    l1,
    restoration_objective,
)
from .networks import Degrader, Restorer
from .variants import Critic, Generator, Switches

Terms = dict[str, Tensor]
"""Unweighted terms of an objective by name, detached, for the log."""

FAKES: dict[Critic, str] = {"L1": "s", "H1": "S", "L2": "c", "H2": "R"}
"""Which generated image each critic judges."""


@dataclass(frozen=True)
class Reconstruction:
    """One batch seen through both cycles; a branch that is switched off leaves its images None.

    Attributes:
        h: real HR face, (B, 3, H, W).
        l: real LR face, (B, 3, H/factor, W/factor).
        s: synthetic LR face D_HL(h, z).
        S: restored synthetic face R_LS(s).
        R: restored real face R_LS(l).
        c: LR face reconstructed from it, D_SL(R, z).
    """

    h: Tensor
    l: Tensor  # noqa: E741  (the paper's letter)
    s: Tensor | None = None
    S: Tensor | None = None
    R: Tensor | None = None
    c: Tensor | None = None

    def pair(self, critic: Critic) -> tuple[Tensor, Tensor]:
        """The real and the fake image that a critic compares; the fake carries its gradient."""
        real = self.l if critic.startswith("L") else self.h
        fake: Tensor | None = getattr(self, FAKES[critic])
        if fake is None:
            raise ValueError(f"D_{critic} judges {FAKES[critic]}, whose branch is switched off.")
        return real, fake


class SemiCycle(nn.Module):
    """The networks of SCGAN under the paper's names, and their objectives.

    Args:
        degrader: builds D_HL and D_SL.
        restorer: builds R_LS.
        critic: builds a critic for an image side.
        lr_size: side of the LR images.
        switches: which branches, critics and terms exist.
        align_corners: of the bicubic target.
        init: of the generators: "default" is PyTorch's (code), "kaiming" He et al.'s normal with zero
            biases (paper, of the three branches).

    Every network draws its initial weights by its own name, so switching one off changes no other.
    """

    def __init__(
        self,
        *,
        degrader: Callable[[], Degrader],
        restorer: Callable[[], Restorer],
        critic: Callable[[int], Discriminator],
        lr_size: int,
        switches: Switches,
        align_corners: bool = True,
        init: Init = "default",
    ) -> None:
        super().__init__()
        self.switches = switches
        self.align_corners = align_corners
        kaiming = init == "kaiming"
        self.R_LS = drawn("R_LS", restorer, kaiming=kaiming)
        self.factor = self.R_LS.factor
        if "D_HL" in switches.generators:
            self.D_HL = drawn("D_HL", degrader, kaiming=kaiming)
        if "D_SL" in switches.generators:
            self.D_SL = drawn("D_SL", degrader, kaiming=kaiming)
        sizes = {"L": lr_size, "H": lr_size * self.factor}
        self.critics = nn.ModuleDict(
            {name: drawn(f"D_{name}", partial(critic, sizes[name[0]])) for name in switches.critics}
        )
        if switches.share != "none":
            self.D_SL = share_layers(self.D_HL, self.D_SL, switches.share)
        self.R_LS.dead.requires_grad_(False)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Shape of one z."""
        degrader = self.D_HL if "D_HL" in self.switches.generators else self.D_SL
        return degrader.noise_shape

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Who has an optimiser of its own, in the official order: name -> parameters.

        If D_HL and D_SL share layers, "D_HL" stands for the union of both: stepping one would
        change weights that the other's graph still needs.
        """
        on = self.switches
        players = {f"D_{name}": [self.critics[name]] for name in on.critics}
        players |= {name: [self.get_submodule(name)] for name in on.generators}
        if on.share != "none":
            players["D_HL"] += players.pop("D_SL")
        return {name: _parameters(modules) for name, modules in players.items()}

    def teams(self) -> list[tuple[Generator, ...]]:
        """Generators whose objectives are summed into one backward, in the order of their steps."""
        on = self.switches
        if on.cycle_grad == "full":  # one graph runs through all of them
            return [on.generators]
        if on.cycle_grad == "backward":  # one through R_LS and D_SL, and D_HL may be D_SL
            if on.share != "none" or on.branches == "backward_only":
                return [on.generators]
            return [("D_HL",), ("R_LS", "D_SL")]
        if on.share != "none":
            return [("D_HL", "D_SL"), ("R_LS",)]
        return [(name,) for name in on.generators]

    def compile_generators(self) -> None:
        """Compile the generators in place; names of parameters stay.

        Not the critics: compiled, their power iteration overwrites the u and v that the backward of
        an earlier call still needs (torch 2.13 drops the clones that guard them).
        """
        for name in self.switches.generators:
            self.get_submodule(name).compile()

    def train(self, mode: bool = True) -> Self:
        """Critics never leave train mode: only there does torch's spectral norm iterate."""
        super().train(mode)
        self.critics.train()
        return self

    def reconstruct(self, h: Tensor, l: Tensor, z: Tensor) -> Reconstruction:  # noqa: E741
        """Step 1 of the official loop: all forwards, R_LS on the synthetic batch, then on the real.

        Args:
            h: (B, 3, H, W) in [-1, 1].
            l: (B, 3, H/factor, W/factor) in [-1, 1], unrelated to h.
            z: (B, *noise_shape) standard normal, one draw for D_HL and D_SL.
        """
        cycle_grad = self.switches.cycle_grad
        s = S = R = c = None
        if "D_HL" in self.switches.generators:
            s = self.D_HL(h, z)
            S = self.R_LS(s if cycle_grad == "full" else s.detach())
        if "D_SL" in self.switches.generators:
            R = self.R_LS(l)
            c = self.D_SL(R.detach() if cycle_grad == "none" else R, z)
        return Reconstruction(h, l, s, S, R, c)

    def critic_loss(self, name: Critic, seen: Reconstruction) -> Tensor:
        """Hinge loss of one critic on a real and a detached fake batch."""
        real, fake = seen.pair(name)
        critic = self.critics[name]
        if self.switches.critic_concat:
            on_real, on_fake = critic(torch.cat([real, fake.detach()])).chunk(2)
        else:
            on_real, on_fake = critic(real), critic(fake.detach())
        return critic_hinge(on_real, on_fake)

    def generator_loss(self, name: Generator, seen: Reconstruction) -> tuple[Tensor | None, Terms]:
        """Objective of one generator (Eq. 2, 6 or 12) and its unweighted terms.

        The objective is None when all its terms are switched off, which is allowed only where the
        other network of a cycle brings the gradient.
        """
        on, terms = self.switches, Terms()
        if name == "D_HL":
            down = average_down(seen.h, self.factor)
            return self._half("L1", seen, "pix" if on.pix else None, down, terms), terms
        if name == "D_SL":
            return self._half("L2", seen, "cyc" if on.cyc else None, seen.l, terms), terms
        forward = backward = None
        if seen.S is not None:
            forward = self._half("H1", seen, "cyc" if on.cyc else None, seen.h, terms)
        if seen.R is not None:
            up = bicubic_up(seen.l, self.factor, align_corners=self.align_corners)
            backward = self._half("H2", seen, "pix" if on.pix else None, up, terms)
        loss = restoration_objective(forward, backward, theta=on.theta, gamma=on.gamma)
        return loss, terms

    def _half(
        self, critic: Critic, seen: Reconstruction, kind: str | None, target: Tensor, terms: Terms
    ) -> Tensor | None:
        """``w_l1 * L1(fake, target) - w_adv * mean D(fake)``; without ``kind`` no L1 term."""
        image, (_, fake) = FAKES[critic], seen.pair(critic)
        l1_term = None if kind is None else l1(fake, target)
        adv_term = None
        if critic in self.critics:
            adv_term = generator_hinge(self.critics[critic](fake))
            terms[f"adv_{image}"] = adv_term.detach()
        if l1_term is not None:
            terms[f"{kind}_{image}"] = l1_term.detach()
        return half_objective(l1_term, adv_term, self.switches.term_weights)


def _parameters(modules: list[nn.Module]) -> list[nn.Parameter]:
    """Trainable parameters of several networks, each once, in order."""
    union = dict.fromkeys(chain(*(module.parameters() for module in modules)))
    return [parameter for parameter in union if parameter.requires_grad]
