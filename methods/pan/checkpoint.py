"""What a file of weights must hold, and whether it is of this experiment and these phases."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from facesr_bench.budget import Budget, Phase
from facesr_bench.errors import ConfigError, WeightsError

Row = dict[str, Any]
"""A phase in plain values, as ``method.budget.phases`` would give it."""


def complete_state(content: Mapping[str, Any], D: nn.Module | None) -> dict[str, Tensor]:
    """A state dict for the whole method.

    A file that holds the averaged generator alone (``facesr-bench export``) fills G with it, and leaves
    the discriminator as it is. Any other file must fit as a whole: a missing discriminator means that
    its weights were trained by a distance.

    Args:
        content: a checkpoint with "state_dict", or a state dict.
        D: the method's discriminator, or None.
    """
    state: dict[str, Tensor] = dict(content.get("state_dict", content))
    if all(name.startswith("G_ema.") for name in state):
        state |= {f"G.{name.removeprefix('G_ema.')}": value for name, value in state.items()}
        if D is not None:
            state |= {f"D.{name}": value for name, value in D.state_dict().items()}
    return state


def check_variant(content: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse weights of another experiment, which would be measured and recorded as this one.

    Args:
        content: a checkpoint; one without "pan_variant" says nothing, and passes.
        own: the method's arguments that make its experiment what it is.

    Raises:
        WeightsError: they differ.
    """
    theirs = content.get("pan_variant")
    if theirs is None:
        return
    if wrong := [f"{key}={theirs.get(key)}" for key in own if theirs.get(key) != own[key]]:
        here = [f"{key}={value}" for key, value in own.items() if theirs.get(key) != value]
        raise WeightsError(
            f"These weights were trained with {', '.join(wrong)}, but the method has "
            f"{', '.join(here)}. Give the arguments they were trained with. To train on from them as "
            "another variant: facesr-bench export, then init= that file."
        )


def rows_of(budget: Budget) -> list[Row]:
    """The phases as plain values, for the checkpoint."""
    return [
        {"name": p.name, "images": p.images, "batch_size": p.batch_size, **p.facts}
        for p in budget.phases
    ]


def check_resumed(rows: Sequence[Row] | None, budget: Budget, images_seen: int) -> None:
    """Refuse to resume by phases that would not have led to where the checkpoint stands.

    Phases to come may be others, and the one that training stands in may be longer or shorter, unless
    it is a fade: alpha follows its length.

    Args:
        rows: what :func:`rows_of` saved; None (an older file) says nothing, and passes.
        budget: of the run that resumes.
        images_seen: where the checkpoint stands.

    Raises:
        ConfigError: a step before that would have been another.
    """
    if rows is None:
        return
    saved = Budget.from_config({"phases": rows})
    ours = [*_steps_before(budget, images_seen), None]
    for theirs, own in zip([*_steps_before(saved, images_seen), None], ours, strict=False):
        if theirs != own:
            raise ConfigError(
                f"PAN: the checkpoint stands at {images_seen} images of other phases: its run had "
                f"{_said(theirs)} where this one has {_said(own)}. A run resumes by its own phases "
                f"(the same method.budget; its images= were {saved.images}). To train by others from "
                "these weights, give the file with init= instead of ckpt=."
            )


def _steps_before(budget: Budget, images_seen: int) -> list[tuple[Row, int, int]]:
    """Phases begun before ``images_seen``: what each is, where its steps start, and how many it had."""
    found, begin = [], 0
    for phase, start, steps in budget.steps():
        taken = min(steps, -(-(images_seen - start) // phase.batch_size))
        if taken > 0:
            found.append((_what(phase, begin), start, taken))
        begin += phase.images
    return found


def _what(phase: Phase, begin: int) -> Row:
    """Where a fade begins and how long it is make alpha; a step before may reach into it."""
    fade = {"begin": begin, "images": phase.images} if phase.facts.get("fade") else {}
    return {"name": phase.name, "batch_size": phase.batch_size, **phase.facts, **fade}


def _said(steps: tuple[Row, int, int] | None) -> str:
    if steps is None:
        return "nothing yet"
    row, start, taken = steps
    facts = ", ".join(f"{key} {value}" for key, value in row.items() if key != "name")
    return f"{taken} steps of {row['name']} from image {start} on ({facts})"
