"""The paper's training recipe (section 5.1) as phases, for any side that training ends at.

Each side from 8 px on is trained for 600k images after the 600k in which its layers fade in, with a
batch and a learning rate of its own. The paper says "iterations"; its table is StyleGAN's preset for
4 GPUs, which counts images, and 9.0 M optimiser steps would not fit its five days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from facesr_bench.budget import Phase
from facesr_bench.errors import ConfigError

from .fade import Stage
from .layers import sides_up_to

PhaseUnit = Literal["images", "iterations"]

BATCH_PER_GPU: Mapping[int, int] = {8: 64, 16: 32, 32: 16, 64: 8, 128: 4}
LEARNING_RATE: Mapping[int, float] = {8: 1e-3, 128: 1.5e-3, 256: 2e-3, 512: 3e-3}


@dataclass(frozen=True)
class Recipe:
    """The table of section 5.1. A side that a table leaves out has the next smaller one's entry.

    Attributes:
        fade: length of a side's fade-in, in images or iterations.
        stable: length of training after it, in the same unit.
        gpus: how many the table is for (the paper's 4); batches are multiplied by it.
        batch_per_gpu: images per optimisation step on each of them, by side.
        lr: learning rate of both Adams, by side.
    """

    fade: int = 600_000
    stable: int = 600_000
    gpus: int = 4
    batch_per_gpu: Mapping[int, int] = field(default_factory=lambda: BATCH_PER_GPU)
    lr: Mapping[int, float] = field(default_factory=lambda: LEARNING_RATE)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Recipe":
        """Read the ``budget`` block of the YAML; what is missing is the paper's.

        Raises:
            ConfigError: a key that means nothing here.
        """
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(config) - set(known)):
            raise ConfigError(
                f"PAN: method.budget has no {', '.join(unknown)}. Give {', '.join(known)}, from "
                "which the phases follow, or phases=[...] with all of them."
            )
        given = dict(config)
        for table in ("batch_per_gpu", "lr"):
            if table in given:  # keys that came over the command line are strings
                given[table] = {int(side): value for side, value in given[table].items()}
        return cls(**given)

    def batch_size(self, side: int) -> int:
        """Images per optimisation step over all processes."""
        return self.gpus * int(_at(self.batch_per_gpu, side, "batch_per_gpu"))

    def phases(
        self, side: int, *, progressive: bool = True, unit: PhaseUnit = "images"
    ) -> list[Phase]:
        """Phases that end at ``side``: "8px", "16px-fade", "16px", ... with their facts.

        Args:
            side: of the SR image.
            progressive: False puts all of them into one phase at ``side`` (Table 2).
            unit: what ``fade`` and ``stable`` count.
        """
        first, *others = sides_up_to(side)
        plan = [(first, False), *((r, fading) for r in others for fading in (True, False))]
        lengths = [self.fade if fading else self.stable for _, fading in plan]
        if not progressive:
            plan, lengths = [(side, False)], [sum(lengths)]
        return [
            Phase(
                name=f"{r}px-fade" if fading else f"{r}px",
                images=length * (self.batch_size(r) if unit == "iterations" else 1),
                batch_size=self.batch_size(r),
                facts={"side": r, "fade": fading, "lr": float(_at(self.lr, r, "lr"))},
            )
            for (r, fading), length in zip(plan, lengths, strict=True)
        ]


def _at(table: Mapping[int, Any], side: int, name: str) -> Any:
    rows = [r for r in table if r <= side]
    if not rows:
        raise ConfigError(f"PAN: method.budget.{name} has no entry for {side} px or less.")
    return table[max(rows)]


def stage_at(phase: Phase, offset: int) -> Stage:
    """Side and alpha after ``offset`` images of a phase; alpha rises linearly over a fade."""
    alpha = min(1.0, offset / phase.images) if phase.facts["fade"] else 1.0
    return Stage(int(phase.facts["side"]), alpha)


def check_phases(phases: tuple[Phase, ...], side: int, ranks: int, group: int) -> None:
    """Refuse phases that PAN cannot train by, before the first image.

    Args:
        phases: from the YAML or :meth:`Recipe.phases`.
        side: of the SR image.
        ranks: processes that share each batch.
        group: images of a process must be a multiple of it, or fewer.

    Raises:
        ConfigError: a phase lacks a fact, has a side that does not exist or a batch that cannot be
            grouped, fades in from nothing, or the last one leaves layers of the SR image untrained.
    """
    sides = sides_up_to(side)
    for phase in phases:
        missing = [fact for fact in ("side", "fade", "lr") if fact not in phase.facts]
        share = phase.batch_size // ranks
        wrong = None
        if missing:
            wrong = (
                f"lacks {', '.join(missing)}; a row of method.budget.phases is {{name, images, "
                "batch_size, side, fade, lr}"
            )
        elif phase.facts["side"] not in sides:
            wrong = f"trains at side={phase.facts['side']}, which is not one of {sides}"
        elif phase.facts["fade"] and phase.facts["side"] == sides[0]:
            wrong = f"fades {sides[0]} px in, but nothing is smaller; set fade: false"
        elif share > group and share % group:
            wrong = (
                f"gives each process {share} images, but the discriminator compares them in groups "
                f"of {group}; choose a multiple"
            )
        if wrong:
            raise ConfigError(f"PAN: phase {phase.name!r} {wrong}.")
    if phases[-1].facts["side"] != side:
        raise ConfigError(
            f"PAN: the last phase {phases[-1].name!r} trains at {phases[-1].facts['side']} px, so "
            f"layers of the SR image would stay random; end with a phase of side={side}."
        )
