"""The paper's training recipe (section 5.1) as phases, for any side that training ends at.

Each side from 8 px on is trained for 600k images after the 600k in which its layers fade in, with a
batch and a learning rate of its own. The paper says "iterations"; its table is StyleGAN's preset for
4 GPUs, which counts images, and 9.0 M optimiser steps would not fit its five days.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from facesr_bench.budget import Budget, Phase, whole_number
from facesr_bench.errors import ConfigError
from facesr_bench.phases import check_steps

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

    Raises:
        ConfigError: a value that is no length, batch or rate.
    """

    fade: int = 600_000
    stable: int = 600_000
    gpus: int = 4
    batch_per_gpu: Mapping[int, int] = field(default_factory=lambda: BATCH_PER_GPU)
    lr: Mapping[int, float] = field(default_factory=lambda: LEARNING_RATE)

    def __post_init__(self) -> None:
        for name in ("fade", "stable", "gpus"):
            _at_least_one(getattr(self, name), name)
        for side, images in self.batch_per_gpu.items():
            _at_least_one(images, f"batch_per_gpu of {side} px")
        for side, rate in self.lr.items():
            _check_rate(rate, f"method.budget: lr of {side} px")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Recipe":
        """Read the ``budget`` block of the YAML; what is missing is the paper's.

        A single number in place of a table holds for every side.

        Raises:
            ConfigError: a key that means nothing here, or a value that cannot be used.
        """
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(config) - set(known)):
            raise ConfigError(
                f"PAN: method.budget has no {', '.join(unknown)}. Give {', '.join(known)}, from "
                "which the phases follow, or phases=[...] with all of them."
            )
        given = dict(config)
        for table in ("batch_per_gpu", "lr"):
            if table in given:
                given[table] = _by_side(given[table], table)
        return cls(**given)

    def batch_size(self, side: int) -> int:
        """Images per optimisation step over all processes."""
        return int(self.gpus) * int(_at(self.batch_per_gpu, side, "batch_per_gpu"))

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
                images=int(length) * (self.batch_size(r) if unit == "iterations" else 1),
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


def _by_side(table: Any, name: str) -> dict[int, Any]:
    """A table by side; keys that came over the command line may be strings."""
    if not isinstance(table, Mapping):
        return {8: table}
    try:
        return {int(side): value for side, value in table.items()}
    except ValueError:
        sides = ", ".join(map(str, table))
        raise ConfigError(
            f"PAN: method.budget.{name} is a table by side, such as {{8: 4, 64: 2}}, but has {sides}."
        ) from None


def _at_least_one(value: Any, what: str) -> None:
    if whole_number(value, what) < 1:
        raise ConfigError(f"PAN: method.budget: {what} must be at least 1, but is {value}.")


def _check_rate(value: Any, what: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ConfigError(f"PAN: {what} must be a learning rate above 0, but is {value!r}.")


def stage_at(phase: Phase, offset: int) -> Stage:
    """Side and alpha after ``offset`` images of a phase; alpha rises linearly over a fade."""
    alpha = min(1.0, offset / phase.images) if phase.facts["fade"] else 1.0
    return Stage(int(phase.facts["side"]), alpha)


def check_phases(budget: Budget, side: int, ranks: int, group: int) -> None:
    """Refuse phases that PAN cannot train by, before the first image.

    Args:
        budget: phases from the YAML or :meth:`Recipe.phases`.
        side: of the SR image.
        ranks: processes that share each batch.
        group: images of a process must be a multiple of it, or fewer, down to two; 1 where no
            discriminator compares them.

    Raises:
        ConfigError: a phase lacks a fact, has one that cannot be used or nobody knows, a batch that
            cannot be shared or grouped, fades in from nothing, gets no step, or the last one leaves
            layers of the SR image untrained.
    """
    for phase in budget.phases:
        if wrong := _wrong_facts(phase, sides_up_to(side)) or _wrong_batch(phase, ranks, group):
            raise ConfigError(f"PAN: phase {phase.name!r} {wrong}.")
    check_steps(budget, "PAN")
    last = budget.phases[-1]
    if last.facts["side"] != side:
        raise ConfigError(
            f"PAN: the last phase {last.name!r} trains at {last.facts['side']} px, so layers of the SR "
            f"image would stay random; end with a phase of side={side}."
        )


def _wrong_facts(phase: Phase, sides: tuple[int, ...]) -> str | None:
    known, facts = ("side", "fade", "lr"), phase.facts
    row = "a row of method.budget.phases is {name, images, batch_size, side, fade, lr}"
    if missing := [fact for fact in known if fact not in facts]:
        return f"lacks {', '.join(missing)}; {row}"
    if unknown := sorted(set(facts) - set(known)):
        return f"has {', '.join(unknown)}, which means nothing; {row}"
    if facts["side"] not in sides:
        return f"trains at side={facts['side']}, which is not one of {sides}"
    if not isinstance(facts["fade"], bool):
        return f"has fade={facts['fade']!r}, which is neither true nor false"
    if facts["fade"] and facts["side"] == sides[0]:
        return f"fades {sides[0]} px in, but nothing is smaller; set fade: false"
    _check_rate(facts["lr"], f"lr of phase {phase.name!r}")
    return None


def _wrong_batch(phase: Phase, ranks: int, group: int) -> str | None:
    choose = (
        "its batch is method.budget.gpus times batch_per_gpu, or batch_size where phases are given"
    )
    share, rest = divmod(phase.batch_size, ranks)
    if rest:
        return (
            f"has a batch of {phase.batch_size} images, which {ranks} processes cannot share evenly; "
            f"choose another: {choose}"
        )
    if group > 1 and share < 2:
        return (
            "gives each process one image, but the discriminator measures how much images differ; "
            f"choose two or more: {choose}"
        )
    if share > group and share % group:
        return (
            f"gives each process {share} images, but the discriminator compares them in groups of "
            f"{group}; choose a multiple: {choose}"
        )
    return None
