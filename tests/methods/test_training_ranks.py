"""Two processes with half the batch each train like one with all of it: every method that trains."""

import os
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from facesr_bench.budget import Budget, Phase
from facesr_bench.nets.stylegan2 import Discriminator
from facesr_bench.nets.synced_norm import sync_batch_norms, unsync_batch_norms
from facesr_bench.training import unequal_groups
from forked import Forked
from methods.training_ranks import CASES, train, train_all

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the ranks fork")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes, started once, left what they trained: all cases."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [
        Forked(partial(train_all, rank, folder, port), folder / f"{rank}.txt", folder)
        for rank in (0, 1)
    ]
    for process in both:
        assert process.wait() == 0, process.said
    return folder


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_two_ranks_train_like_one(name: str, precision: str, ranks: Path, tmp_path: Path) -> None:
    one = train(name, precision, 1, tmp_path)
    both: list[dict[str, Any]] = [
        torch.load(ranks / f"{name}-{precision}-{rank}.pt", weights_only=True) for rank in (0, 1)
    ]
    exact = precision == "64-true"
    for two in both:
        assert two["state"].keys() == one["state"].keys()
        for key, value in one["state"].items() if exact else ():
            torch.testing.assert_close(two["state"][key], value, atol=1e-8, rtol=1e-8, msg=key)
    assert [row.keys() for row in one["losses"]] == [row.keys() for row in both[0]["losses"]]
    assert one["losses"]
    for expected, row in zip(one["losses"], both[0]["losses"], strict=True):
        for values in (expected, row):
            values.pop("lr_psnr", None)  # PAN's, a logarithm: the mean over ranks is another number
        assert row == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_batch_norms_are_swapped_in_place_and_back() -> None:
    shared = torch.nn.BatchNorm2d(3)
    model = torch.nn.ModuleDict({"a": torch.nn.Sequential(shared), "b": shared})
    assert sync_batch_norms(model) == 1
    assert model["b"] is shared and type(shared).__name__ == "SyncedBatchNorm2d"
    x = torch.randn(4, 3, 2, 2)  # alone it is the layer it was
    torch.testing.assert_close(shared(x), torch.nn.BatchNorm2d(3)(x))
    assert unsync_batch_norms(model) == 1 and type(shared) is torch.nn.BatchNorm2d


@pytest.mark.parametrize(("batch", "ranks", "told"), [(8, 2, False), (4, 1, False), (4, 2, True)])
def test_groups_of_a_discriminator_that_shrink_are_told(batch: int, ranks: int, told: bool) -> None:
    budget = Budget([Phase("one", 16, batch)])
    said = unequal_groups(torch.nn.ModuleList([Discriminator(8, 32, 4)]), budget, ranks)
    assert (said is not None) == told
    assert said is None or "groups of 2, where one process compares groups of 4" in said
