"""Two processes of one run: they save and stop in the same step, and log what one process would."""

import csv
import json
import os
import socket
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import pytorch_lightning as pl
import torch

from core.toy_training import Toy, squares
from facesr_bench.budget import Budget
from facesr_bench.interrupts import Interrupts
from facesr_bench.loss_table import LossTable
from facesr_bench.method import Batch
from facesr_bench.save_times import SaveTimes
from facesr_bench.training import fit
from forked import Forked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the ranks fork")

SECONDS = {0: 20.0, 1: 1000.0}
"""What a step takes on each rank's clock: the second one's would save in every step."""
STOP_IN_STEP = 33


class Ranked(Toy):
    """Its clock moves in each step; one rank is asked to stop."""

    def __init__(self, rank: int, stops: bool) -> None:
        super().__init__()
        self._number, self._stops = rank, stops
        self.now, self.interrupts = 0.0, Interrupts()

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self.now += SECONDS[self._number]
        if self._stops and len(self.batches) + 1 == STOP_IN_STEP:
            self.interrupts.requested = True
        return super().training_step(batch, batch_idx)


def train(folder: Path, rank: int, ranks: int, minutes: float = 2 / 3, stop: bool = False) -> Any:
    """60 steps; images seen at each save, and at the end."""
    saved: list[int] = []
    torch.manual_seed(0)
    method = Ranked(rank, stop)
    budget = Budget.from_config({"images": 240, "batch_size": 4})
    trainer = {
        "accelerator": "cpu", "devices": ranks, "strategy": "ddp" if ranks > 1 else "auto",
    }  # fmt: skip
    times = SaveTimes(minutes, lambda: method.now)
    with patch.object(pl.Trainer, "save_checkpoint", lambda *_: saved.append(method.images_seen)):
        fitted = fit(
            method, squares(), budget, trainer, [LossTable(str(folder / "losses.csv"))], folder, 7,
            method.interrupts, None, 40, None, None, times,
        )  # fmt: skip
    return {"saved": saved, "seen": fitted.images_seen, "interrupted": fitted.interrupted}


def train_both(rank: int, folder: Path, port: int) -> None:
    """What one of the two does."""
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank),
        "RANK": str(rank), "WORLD_SIZE": "2", "NODE_RANK": "0",
    }  # fmt: skip
    found = {
        "whole": train(folder / "whole", rank, 2),
        "stopped": train(folder / "stopped", rank, 2, 1e6, stop=rank == 1),
    }
    (folder / f"{rank}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [
        Forked(partial(train_both, rank, folder, port), folder / f"{rank}.txt", folder)
        for rank in (0, 1)
    ]
    for process in both:
        assert process.wait() == 0, process.said
    return folder


def of_both(folder: Path, run: str) -> list[Any]:
    return [json.loads((folder / f"{rank}.json").read_text())[run] for rank in (0, 1)]


def test_the_first_clock_says_when_both_save(ranks: Path, tmp_path: Path) -> None:
    """Steps of 20 seconds are looked at one by one, so two ranks save when one process would: after
    30 seconds, then after 40 each."""
    first, second = of_both(ranks, "whole")
    assert first == second
    assert first["saved"] == list(range(8, 241, 8))
    assert first == train(tmp_path, 0, 1)


def test_both_stop_when_either_is_asked_to(ranks: Path) -> None:
    first, second = of_both(ranks, "stopped")
    assert first == second
    assert first["interrupted"]
    assert first["seen"] == first["saved"][-1] == 4 * STOP_IN_STEP


def test_the_loss_table_is_that_of_one_process(ranks: Path, tmp_path: Path) -> None:
    train(tmp_path, 0, 1)
    one, two = (
        [{k: float(v) for k, v in row.items() if k != "images_per_second"} for row in rows]
        for rows in map(table, (tmp_path, ranks / "whole"))
    )
    assert [row["step"] for row in one] == [4, 40, 80, 120, 160, 200, 240]
    for expected, row in zip(one, two, strict=True):
        assert row == pytest.approx(expected, rel=1e-4)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "losses.csv").open(newline="") as file:
        return list(csv.DictReader(file))
