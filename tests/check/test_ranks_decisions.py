"""What the tick ``ranks`` makes of the losses that two processes left beside those of one."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facesr_bench.check.ranks import COMPARED, WITHIN, compare, two_ranks
from facesr_bench.check.tick import Fault, NotClaimed

WHOLE = [{"pixel": 8.0, "critic": 0.5} for _ in range(5)]
"""Losses of five steps of one process with the whole batch."""

Losses = list[dict[str, float]]


def changed(step: int, **losses: float) -> Losses:
    return [row | losses if number == step else row for number, row in enumerate(WHOLE, 1)]


def said(folder: Path, *ranks: Losses | None, rank_dependent: str = "") -> str:
    """The remark of the tick, for the losses of two processes; None for one that left none."""
    for rank, rows in enumerate(ranks):
        if rows is not None:
            (folder / f"losses.{rank}.json").write_text(json.dumps(rows))
    subject: Any = SimpleNamespace(
        learnt=SimpleNamespace(losses=WHOLE),
        kind=SimpleNamespace(rank_dependent=rank_dependent),
        fault=lambda member, what: Fault(f"Toy.{member} {what}"),
    )
    return compare(subject, folder)


NEAR, FAR = 8.0 * (1 + 0.9 * WITHIN), 8.0 * (1 + 1.1 * WITHIN)

LIARS: dict[str, tuple[Losses, Losses, str]] = {
    "the first step": (changed(1, pixel=9.0), WHOLE, "has pixel=8.5 in step 1 on two processes"),
    "the second step": (changed(2, pixel=9.0), WHOLE, "has pixel=8.5 in step 2 on two processes"),
    "the third step": (WHOLE, changed(3, pixel=9.0), "has pixel=8.5 in step 3 on two processes"),
    "too small": (changed(2, pixel=7.0), WHOLE, "has pixel=7.5 in step 2"),
    "the other loss": (WHOLE, changed(2, critic=0.6), "has critic=0.55 in step 2"),
    "a little": (changed(1, pixel=FAR), changed(1, pixel=FAR), "in step 1"),
    "a small loss, absolutely": (changed(1, critic=0.5 + 3 * WITHIN), WHOLE, "has critic=0.50015"),
    "nan": (changed(1, pixel=float("nan")), WHOLE, "has pixel=nan in step 1"),
    "fewer steps": (WHOLE[:-1], WHOLE[:-1], "takes another number of steps on two processes"),
    "fewer steps of one": (WHOLE, WHOLE[:-1], "takes another number of steps on two processes"),
    "more steps": ([*WHOLE, WHOLE[0]], WHOLE, "takes another number of steps on two processes"),
}

TRUTHS: dict[str, tuple[Losses, Losses]] = {
    "the same": (WHOLE, WHOLE),
    "the same on average": (changed(1, pixel=7.0), changed(1, pixel=9.0)),
    "a last bit": (changed(3, pixel=NEAR), changed(3, pixel=NEAR)),
    "a small loss, a last bit": (changed(1, critic=0.5 + WITHIN), WHOLE),
    "after the steps that are compared": (changed(COMPARED + 1, pixel=9.0), WHOLE),
}


@pytest.mark.parametrize("liar", LIARS)
def test_losses_that_differ_are_told_with_their_step(liar: str, tmp_path: Path) -> None:
    first, second, sentence = LIARS[liar]
    with pytest.raises(Fault) as fault:
        said(tmp_path, first, second)
    assert sentence in str(fault.value)


@pytest.mark.parametrize("truth", TRUTHS)
def test_losses_that_are_those_of_one_process_pass(truth: str, tmp_path: Path) -> None:
    assert said(tmp_path, *TRUTHS[truth]).startswith("losses of 3 steps within")


def test_a_method_that_says_why_its_losses_differ_still_takes_all_steps(tmp_path: Path) -> None:
    remark = said(tmp_path, changed(1, pixel=9.0), WHOLE, rank_dependent="a queue")
    assert remark == "trains; losses are not compared: a queue"
    with pytest.raises(Fault, match="another number of steps"):
        said(tmp_path, WHOLE[:-1], WHOLE, rank_dependent="a queue")


@pytest.mark.parametrize("silent", [0, 1])
def test_a_process_that_leaves_no_losses_is_told_by_its_own_last_line(
    silent: int, tmp_path: Path
) -> None:
    (tmp_path / f"{silent}.log").write_text("Traceback\nValueError: no\n\n")
    (tmp_path / f"{1 - silent}.log").write_text("")
    ranks = [None if rank == silent else WHOLE for rank in (0, 1)]
    with pytest.raises(Fault, match=r"does not train on two processes: ValueError: no$"):
        said(tmp_path, *ranks)


def test_processes_that_are_late_or_silent_are_told(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="does not train on two processes: nothing was heard of it"):
        said(tmp_path, None, None)
    (tmp_path / "late").touch()
    with pytest.raises(Fault, match="had not trained on two processes in 600 s"):
        said(tmp_path, None, None)


def test_an_odd_batch_cannot_be_shared(tmp_path: Path) -> None:
    phases = [SimpleNamespace(batch_size=4), SimpleNamespace(batch_size=3)]
    budget = SimpleNamespace(phases=phases)
    subject: Any = SimpleNamespace(
        must_train=lambda: None, budget={}, ready=SimpleNamespace(make_budget=lambda block: budget)
    )
    with pytest.raises(NotClaimed, match="a batch of 3 cannot be shared"):
        two_ranks(subject)
