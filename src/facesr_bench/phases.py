"""Phases and batches: every phase gets a step, and a run resumes by the phases it began with.

For methods whose training has several phases; each says its own name in the messages.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from facesr_bench.budget import Budget, Phase
from facesr_bench.errors import ConfigError

Row = dict[str, Any]
"""A phase in plain values, as ``method.budget.phases`` would give it."""


def scaled(whole: Budget, images: int | None, method: str) -> Budget:
    """The phases shrunk or grown to ``images`` in all; None leaves them.

    Raises:
        ConfigError: phases shrink, batches do not: some phase would get no step.
    """
    if images is None:
        return whole
    if images >= len(whole.phases):
        budget = whole.scaled_to(images)
        if without_step(budget) is None:
            return budget
    # With every phase longer than every batch none is jumped over; roundings take an image at most.
    longest, shortest = max(p.batch_size for p in whole.phases), min(p.images for p in whole.phases)
    enough = -(-(longest + 2) * whole.images // shortest)
    counts = range(len(whole.phases), enough + 1)
    least = counts[bisect_left(counts, True, key=lambda n: not without_step(whole.scaled_to(n)))]
    raise ConfigError(
        f"{method}: images={images} are too few for {len(whole.phases)} phases: phases shrink, batches "
        f"do not, so that one would reach past a whole phase. Give images={least} or more, or smaller "
        "batches."
    )


def without_step(budget: Budget) -> Phase | None:
    """The first phase that the batch before it jumps over."""
    return next((phase for phase, _, steps in budget.steps() if steps == 0), None)


def check_steps(budget: Budget, method: str) -> None:
    """Refuse phases of which one would get no step.

    Raises:
        ConfigError: naming it.
    """
    if skipped := without_step(budget):
        raise ConfigError(
            f"{method}: phase {skipped.name!r} of {skipped.images} images gets no step, because the "
            "batches before it reach past its end; make it longer or those batches smaller."
        )


def rows_of(budget: Budget) -> list[Row]:
    """The phases as plain values, for the checkpoint."""
    return [
        {"name": p.name, "images": p.images, "batch_size": p.batch_size, **p.facts}
        for p in budget.phases
    ]


def check_resumed(
    rows: Sequence[Row] | None,
    budget: Budget,
    images_seen: int,
    method: str,
    more: Callable[[Phase, int], Row] = lambda phase, begin: {},
) -> None:
    """Refuse to resume by phases that would not have led to where the checkpoint stands.

    Phases to come may be others, and the one that training stands in may be longer or shorter, unless
    ``more`` says that its length matters.

    Args:
        rows: what :func:`rows_of` saved; None (an older file) says nothing, and passes.
        budget: of the run that resumes.
        images_seen: where the checkpoint stands.
        method: its name, for the message.
        more: what else of a phase, and of the position it begins at, a step depends on.

    Raises:
        ConfigError: a step before that would have been another.
    """
    if rows is None:
        return
    saved = Budget.from_config({"phases": rows})
    ours = [*_steps_before(budget, images_seen, more), None]
    for theirs, own in zip([*_steps_before(saved, images_seen, more), None], ours, strict=False):
        if theirs != own:
            raise ConfigError(
                f"{method}: the checkpoint stands at {images_seen} images of other phases: its run had "
                f"{_said(theirs)} where this one has {_said(own)}. A run resumes by its own phases "
                f"(the same method.budget; its images= were {saved.images}). To train by others from "
                "these weights, give the file with init= instead of ckpt=."
            )


def _steps_before(
    budget: Budget, images_seen: int, more: Callable[[Phase, int], Row]
) -> list[tuple[Row, int, int]]:
    """Phases begun before ``images_seen``: what each is, where its steps start, and how many it had."""
    found, begin = [], 0
    for phase, start, steps in budget.steps():
        taken = min(steps, -(-(images_seen - start) // phase.batch_size))
        if taken > 0:
            what = {"name": phase.name, "batch_size": phase.batch_size, **phase.facts}
            found.append((what | more(phase, begin), start, taken))
        begin += phase.images
    return found


def _said(steps: tuple[Row, int, int] | None) -> str:
    if steps is None:
        return "nothing yet"
    row, start, taken = steps
    facts = ", ".join(f"{key} {value}" for key, value in row.items() if key != "name")
    return f"{taken} steps of {row['name']} from image {start} on ({facts})"
