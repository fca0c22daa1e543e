"""Second faults of ticks: ``test_ticks.py`` has one for each tick, here are the others."""

from pathlib import Path
from typing import Any, cast

import pytest

from facesr_bench.check.composing import Composer
from facesr_bench.check.running import TICKS, _try, chosen_ticks
from facesr_bench.check.subject import Subject
from facesr_bench.check.tick import Fault, NotClaimed, Outcome, Tick
from facesr_bench.errors import ConfigError

Grown = dict[str, int]
GROWN: Grown = {"full": 900, "slim": 90, "smoke": 16}


class Plain:
    """A composer of settings that are already plain: no YAML is read."""

    choice = "toy"

    def __init__(self, target: str, changes: dict[str, Any], images: Grown) -> None:
        self._target, self._changes, self._images = target, changes, images

    def at(self, scale: str) -> dict[str, Any]:
        data = {
            "_target_": "facesr_bench.datamodule.FaceSRDataModule", "name": "noise", "version": 1,
            "factor": 2, "hr_size": 16, "source": {"_target_": "check_toys.NoiseFaces"},
            "degradation": {"_target_": "facesr_bench.degradations.resizing.Downscale",
                            "factor": 2, "operator": "bicubic", "antialias": True},
        }  # fmt: skip
        budget = {"images": self._images[scale], "batch_size": 4}
        method = {"name": "toy", "_target_": self._target, "factor": 2, "budget": budget}
        return {"method": method | self._changes, "data": data}


def subject_of(folder: Path, toy: str, changes: dict[str, Any], images: Grown) -> Subject:
    module = "check_toys" if toy == "Toy" else "check_further_toys"
    return Subject(cast("Composer", Plain(f"{module}.{toy}", changes, images)), folder)


def tried(name: str, subject: Subject) -> Outcome:
    (tick,) = chosen_ticks((name,))
    return _try(tick, subject, [])


FAULTS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "no method": ("yaml", "NoMethod", {}, "names no subclass of facesr_bench.method.Method"),
    "any argument": ("yaml", "Greedy", {}, "takes **kwargs"),
    "unknown argument": ("yaml", "Toy", {"depth": 3}, "gives depth, which Toy does not take"),
    "needed argument": ("yaml", "Needy", {}, "it lacks depth, which Needy needs"),
    "no budget": ("budget", "Toy", {"budget": None}, "needs a budget block"),
    "unreadable budget": ("budget", "Toy", {"budget": {"images": -1}}, "the budget at scale="),
    "no paper": ("paper", "Nameless", {}, "Nameless.paper is empty"),
    "no type": ("arguments", "Untyped", {}, "takes 'depth' without a type"),
    "a configuration by its type": ("arguments", "Configured", {}, "takes 'noted', a whole conf"),
    "a configuration kept": ("arguments", "Keeping", {}, "keeps a configuration object as 'kept'"),
    "another factor": ("sizes", "Mislabelled", {}, "says factor=4 for data of factor 2"),
    "below zero": ("range", "Negative", {}, "of faces: the image"),
    "float64": ("range", "Double", {}, "of faces: the image"),
    "nan on black": ("range", "OnBlack", {}, "of black: the image"),
    "numpy's generator": ("random", "DrawingNumpy", {}, "draws from a global random generator"),
    "Python's generator": ("random", "DrawingPython", {}, "draws from a global random generator"),
    "the global seed": ("random", "Seeded", {}, "another image under another global seed"),
    "the order": ("batch", "Ordered", {}, "another result in another order"),
    "odd sizes": ("odd", "EvenOnly", {}, "breaks on LR of 13x9 (RuntimeError), which check_sizes"),
    "a gradient": ("graph", "Backward", {}, "leaves a gradient in conv.weight"),
    "training mode": ("graph", "Switching", {}, "leaves gradients or training mode switched on"),
    "gradients on": ("graph", "Enabling", {}, "leaves gradients or training mode switched on"),
    "a parameter": ("untouched", "Learning", {}, "changes conv.bias"),
    "no trace": ("export", "Untraceable", {}, "cannot be traced (RuntimeError: a search)"),
    "flops": ("flops", "Toy", {"cost": {"smoke": {"flops": 1}}}, "cost.smoke.flops says 1, but"),
    "0.6 % of parameters": ("flops", "Toy", {"cost": {"full": {"params": 83}}}, "params says 83"),
    "infinite loss": (
        "losses",
        "NotANumber",
        {},
        "images: the loss critic is not finite",
    ),
    "no step": ("losses", "Failing", {}, "does not train: RuntimeError: no step"),
    "twice": ("optimizers", "Twice", {}, "gives conv.bias to 2 optimizers or groups"),
    "stray": ("optimizers", "Stray", {}, "holds 1 parameters that are not the module's own"),
    "nothing moves": ("changes", "Idle", {}, "changes nothing that optimizer 1 holds"),
}
"""A tick, a toy, what its YAML says otherwise, and a part of the sentence."""


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_told_by_its_own_sentence(case: str, tmp_path: Path) -> None:
    name, toy, changes, sentence = FAULTS[case]
    outcome = tried(name, subject_of(tmp_path, toy, changes, GROWN))
    assert (outcome.state, sentence in outcome.said) == ("broken", True), outcome.said
    assert outcome.said.startswith("Open ")


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ({"full": 90, "slim": 90, "smoke": 16}, "must grow from smoke"),
        ({"full": 900, "slim": 16, "smoke": 16}, "must grow from smoke"),
        ({"full": 9000, "slim": 2000, "smoke": 1001}, "trains 1001 images; 1000 are the most"),
        ({"full": 9000, "slim": 2000, "smoke": 1000}, None),
    ],
)
def test_budgets_grow_and_ci_waits_for_a_thousand_images(
    images: Grown, said: str | None, tmp_path: Path
) -> None:
    outcome = tried("budget", subject_of(tmp_path, "Toy", {}, images))
    assert outcome.state == ("kept" if said is None else "broken")
    assert said is None or said in outcome.said


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("flops", {"cost": {"smoke": {"params": 84}}}),
        ("yaml", {}), ("budget", {}), ("paper", {}), ("arguments", {}), ("sizes", {}), ("range", {}),
        ("random", {}), ("batch", {}), ("odd", {}), ("graph", {}), ("untouched", {}), ("export", {}),
        ("losses", {}), ("optimizers", {}), ("changes", {}),
    ],
)  # fmt: skip
def test_the_sound_toy_keeps_the_same_ticks(
    name: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    outcome = tried(name, subject_of(tmp_path, "Toy", changes, GROWN))
    assert outcome.state == "kept", outcome.said


# -- what a tick that is not kept costs ------------------------------------------------------------


def outcome_of(error: Exception | None, tmp_path: Path, earlier: list[Outcome]) -> Outcome:
    def test(subject: Subject) -> str:
        if error is not None:
            raise error
        return "two\n  lines"

    tick = Tick("mine", "holds", test, after=("before",))
    return _try(tick, subject_of(tmp_path, "Toy", {}, GROWN), earlier)


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (None, "kept", "two lines"),
        (NotClaimed("not mine"), "not claimed", "not mine"),
        (Fault("Open x: wrong"), "broken", "Open x: wrong"),
        (ConfigError("no."), "broken", "Open conf/method/toy.yaml: no."),
        (ValueError("so"), "broken", "Toy breaks: ValueError: so"),
    ],
)
def test_whatever_a_tick_raises_is_an_outcome(
    error: Exception | None, state: str, said: str, tmp_path: Path
) -> None:
    found = outcome_of(error, tmp_path, [])
    assert (found.state, said in found.said) == (state, True), found.said


@pytest.mark.parametrize(
    ("before", "state"),
    [
        ("kept", "kept"),
        ("not claimed", "kept"),
        ("broken", "not tried"),
        ("not tried", "not tried"),
    ],
)
def test_a_tick_is_tried_unless_what_it_stands_on_is_broken(
    before: Any, state: str, tmp_path: Path
) -> None:
    earlier = Outcome(Tick("before", "", lambda subject: None), before)
    unrelated = Outcome(Tick("other", "", lambda subject: None), "broken")
    assert outcome_of(None, tmp_path, [unrelated, earlier]).state == state


def test_ticks_are_chosen_by_name_in_their_own_order() -> None:
    assert chosen_ticks(()) == TICKS
    assert [tick.name for tick in chosen_ticks(("range", "paper"))] == ["paper", "range"]
    assert [tick.name for tick in TICKS if tick not in chosen_ticks((), fast=True)] == ["ranks"]
