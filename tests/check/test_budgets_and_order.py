"""Budgets that must grow with the scale, and ticks that mean nothing without others."""

from types import SimpleNamespace
from typing import Any

import pytest

from facesr_bench.check.declared import budgets
from facesr_bench.check.running import _try
from facesr_bench.check.tick import Fault, Outcome, State, Tick


def subject_of(**images: int) -> Any:
    """A method that trains so many images at each scale."""
    blocks = {scale: {"method": {"budget": {"images": count}}} for scale, count in images.items()}
    return SimpleNamespace(
        must_train=lambda: None,
        yaml="conf/method/toy.yaml",
        composer=SimpleNamespace(at=blocks.__getitem__),
        ready=SimpleNamespace(make_budget=lambda block: SimpleNamespace(**block)),
    )


def test_a_budget_grows_from_seconds_over_minutes_to_the_papers() -> None:
    assert budgets(subject_of(smoke=64, slim=65, full=66)) == "full 66, slim 65, smoke 64"
    for smoke, slim, full in ((64, 64, 900), (64, 900, 900), (64, 32, 900), (64, 900, 300)):
        with pytest.raises(Fault, match="must grow from smoke"):
            budgets(subject_of(smoke=smoke, slim=slim, full=full))


@pytest.mark.parametrize(
    ("before", "state"),
    [
        ("kept", "kept"),
        ("not claimed", "kept"),
        ("broken", "not tried"),
        ("not tried", "not tried"),
    ],
)
def test_a_tick_is_tried_only_on_what_stands(before: State, state: State) -> None:
    first, second = (
        Tick("first", "", lambda subject: None),
        Tick("second", "", lambda s: None, ("first",)),
    )
    assert _try(second, subject_of(), [Outcome(first, before)]).state == state
    other = Tick("other", "", lambda subject: None)
    assert _try(second, subject_of(), [Outcome(other, before)]).state == "kept"
