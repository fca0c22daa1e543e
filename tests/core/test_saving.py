"""When a training saves, and that it never saves weights that are not finite."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from facesr_bench.budget import Budget, Phase
from facesr_bench.callbacks import Checkpointing
from facesr_bench.errors import TrainingError
from facesr_bench.finite import FiniteGuard
from facesr_bench.interrupts import Interrupts

BUDGET = Budget([Phase("train", 22, 4)])


def saves(every: int) -> list[int]:
    """Images seen at each save of a run in steps of four."""
    module, found = cast(Any, nn.Linear(1, 1)), list[int]()
    trainer = SimpleNamespace(
        world_size=1, save_checkpoint=lambda _: found.append(module.images_seen)
    )
    path = Path("last.ckpt")
    saving = Checkpointing(path, BUDGET, every, Interrupts(), FiniteGuard(BUDGET, path))
    for module.images_seen in range(4, 25, 4):
        saving.on_train_batch_end(cast(Any, trainer), module)
    return found


def test_a_save_comes_with_the_step_it_is_due_in_and_at_the_end() -> None:
    assert saves(8) == [8, 16, 24]
    assert saves(9) == [12, 24]
    assert saves(100) == [24]
    assert saves(1) == [4, 8, 12, 16, 20, 24]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_named(value: float, tmp_path: Path) -> None:
    module = nn.Linear(3, 2)
    guard = FiniteGuard(BUDGET, tmp_path / "last.ckpt")
    guard.check_weights(module, 8)
    with torch.no_grad():
        module.bias[1] = value
    with pytest.raises(TrainingError, match=r"1 of 2 weights are not finite \(first bias\)"):
        guard.check_weights(module, 8)
