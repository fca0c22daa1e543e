"""Weights that are not finite are found, whichever way they are not."""

from pathlib import Path

import pytest
import torch
from torch import nn

from facesr_bench.budget import Budget, Phase
from facesr_bench.errors import TrainingError
from facesr_bench.finite import FiniteGuard


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_named(value: float, tmp_path: Path) -> None:
    module = nn.Linear(3, 2)
    guard = FiniteGuard(Budget([Phase("train", 20, 4)]), tmp_path / "last.ckpt")
    guard.check_weights(module, 8)
    with torch.no_grad():
        module.bias[1] = value
    with pytest.raises(TrainingError, match=r"1 of 2 weights are not finite \(first bias\)"):
        guard.check_weights(module, 8)
