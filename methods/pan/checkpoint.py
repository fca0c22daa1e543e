"""What a file of weights must hold, and whether it is of this experiment and these phases."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from facesr_bench.budget import Phase
from facesr_bench.errors import WeightsError
from facesr_bench.phases import Row


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


def fade_facts(phase: Phase, begin: int) -> Row:
    """What a resumed fade depends on: where it begins and how long it is make alpha.

    A step before the end of one may reach into the next.
    """
    return {"begin": begin, "images": phase.images} if phase.facts.get("fade") else {}
