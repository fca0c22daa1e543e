"""``last.ckpt`` by the clock: when it is written, that resuming from it changes nothing."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import pytorch_lightning as pl
import torch

from core.toy_training import Toy, squares, toy
from facesr_bench import run
from facesr_bench.budget import Budget
from facesr_bench.errors import ConfigError
from facesr_bench.interrupts import Interrupts
from facesr_bench.method import Batch
from facesr_bench.save_times import SaveTimes, check_save_minutes
from facesr_bench.starting_weights import StartingWeights
from facesr_bench.training import Fitted, fit


class Clock:
    """Stands still but for those who move it."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("minutes", "first", "next_one"), [(10, 30, 600), (0.2, 12, 12)])
def test_the_first_save_is_due_within_a_minute_and_the_next_when_it_was_asked_for(
    minutes: float, first: float, next_one: float
) -> None:
    clock = Clock()
    times = SaveTimes(minutes, clock)
    assert not times.due(), "training has not begun"
    times.begin()
    for seconds in (first, next_one):
        clock.now += seconds - 0.5
        assert not times.due()
        clock.now += 0.5
        assert times.due()
        clock.now += 100  # it takes that long to write
        times.saved()


@pytest.mark.parametrize(("each", "steps"), [(0.01, 16), (0.5, 10), (2.0, 2), (60.0, 1), (0.0, 16)])
def test_processes_look_together_about_every_five_seconds(each: float, steps: int) -> None:
    clock = Clock()
    times = SaveTimes(10, clock)
    times.begin()
    for done in (1, 4):
        clock.now += done * each
        assert times.steps_until_look(done) == steps


@pytest.mark.parametrize("value", [-1, 0, 0.0, math.nan, "often", "10", True, None, [10]])
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="is no time between two saves"):
        check_save_minutes(value)


def test_any_number_above_zero_is_a_time() -> None:
    for value in (1, 10, 0.01, 1e6):
        check_save_minutes(value)


class Slow(Toy):
    """Its steps take a time of the clock."""

    def __init__(self, clock: Clock, seconds: float, act: Callable[["Slow"], None]) -> None:
        super().__init__()
        self._clock, self._seconds, self._act = clock, seconds, act

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self._clock.now += self._seconds
        self._act(self)
        return super().training_step(batch, batch_idx)


def train(
    folder: Path,
    seconds: float,
    minutes: float,
    resume: Path | None = None,
    act: Callable[[Slow], None] = lambda method: None,
) -> Slow:
    """400 images in 100 steps, of so many seconds each."""
    clock = Clock()
    torch.manual_seed(0)
    method = Slow(clock, seconds, act)
    budget = Budget.from_config({"images": 400, "batch_size": 4})
    fit(
        method, squares(), budget, {"accelerator": "cpu", "devices": 1}, [], folder, 7, Interrupts(),
        resume, 400, None, None, SaveTimes(minutes, clock),
    )  # fmt: skip
    return method


@pytest.fixture
def saved_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Images seen at each save."""
    found: list[int] = []
    save = pl.Trainer.save_checkpoint

    def watched(self: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        found.append(self.lightning_module.images_seen)  # type: ignore[arg-type]
        save(self, *args, **kwargs)

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", watched)
    return found


@pytest.mark.parametrize(
    ("seconds", "minutes", "expected"),
    [
        (0.0, 10, range(20, 401, 20)),  # by images alone
        (40.0, 2, range(4, 401, 12)),  # the first step is past half a minute; then two minutes each
        (10.0, 100, range(12, 401, 20)),  # once by time, and then a twentieth after that
    ],
    ids=["images", "minutes", "both"],
)
def test_whichever_comes_first(
    seconds: float, minutes: float, expected: range, saved_at: list[int], tmp_path: Path
) -> None:
    train(tmp_path, seconds, minutes)
    assert saved_at == sorted({*expected, 400})


def test_a_run_killed_after_a_minute_resumes_as_if_nothing_had_been(
    saved_at: list[int], tmp_path: Path
) -> None:
    """Its only checkpoint is one by time, far from the twentieth of the budget."""

    def killed(method: Slow) -> None:
        if method.images_seen == 16:
            raise KeyboardInterrupt

    whole = train(tmp_path / "whole", 0.0, 10)
    saved_at.clear()
    with pytest.raises(SystemExit):
        train(tmp_path, 15.0, 10, act=killed)
    assert saved_at == [8]
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    resumed = train(tmp_path / "again", 40.0, 2, checkpoint)
    assert resumed.images_seen == whole.images_seen == 400
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_what_is_set_is_what_training_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock, given = Clock(), []

    def fitted(*arguments: Any) -> Fitted:
        given.extend(each for each in arguments if isinstance(each, SaveTimes))
        return Fitted(8, 0.0, False)

    monkeypatch.setattr(run, "fit", fitted)
    monkeypatch.setattr(run, "SaveTimes", lambda minutes: SaveTimes(minutes, clock))
    settings: dict[str, Any] = {
        "stage": "fit", "scale": "smoke", "seed": 1, "images": None, "log_every": None,
        "preview_every": None, "save_minutes": 3, "trainer": {"accelerator": "cpu"},
        "method": {"budget": {"images": 8, "batch_size": 4}},
    }  # fmt: skip
    weights = StartingWeights("random", [], None)
    run._fit(settings, tmp_path, toy(), squares(), weights, [], Interrupts())
    (times,) = given
    times.begin()
    times.saved()
    clock.now += 179
    assert not times.due()
    clock.now += 1
    assert times.due()


def test_a_run_saves_by_the_clock_unless_told_otherwise(
    saved_at: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(SaveTimes, "due", lambda self: True)
    budget = Budget.from_config({"images": 400, "batch_size": 40})
    trainer = {"accelerator": "cpu", "devices": 1}
    fit(toy(), squares(), budget, trainer, [], tmp_path, 7, Interrupts(), None, None, None, None)
    assert saved_at == list(range(40, 401, 40))
