"""The fit loop with a toy method: counting, stopping, resuming, and losses that break."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

from core.toy_training import SquareFaces, Toy, squares, toy
from facesr_bench.budget import Budget
from facesr_bench.errors import TrainingError, WeightsError
from facesr_bench.interrupts import Interrupts
from facesr_bench.method import Method
from facesr_bench.seen_images import overlap
from facesr_bench.training import Fitted, build_trainer, fit

TRAINER = {"accelerator": "cpu", "devices": 1}


def run(
    method: Method,
    folder: Path,
    budget: dict[str, Any],
    resume: Path | None = None,
    *,
    log_every: int = 1,
    loggers: tuple[CSVLogger, ...] = (),
) -> Fitted:
    return fit(
        method, squares(), Budget.from_config(budget), TRAINER, [*loggers], folder, 7, Interrupts(),
        resume, log_every, None, None,
    )  # fmt: skip


def logged(folder: Path, budget: dict[str, Any], log_every: int) -> list[dict[str, str]]:
    """The rows of losses/metrics.csv as a run writes them."""
    logger = CSVLogger(folder, name=None, version="losses", flush_logs_every_n_steps=1)
    run(toy(), folder, budget, log_every=log_every, loggers=(logger,))
    with (folder / "losses" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_run_stops_at_the_first_batch_end_beyond_the_budget(tmp_path: Path) -> None:
    method = toy()
    fitted = run(method, tmp_path, {"images": 21, "batch_size": 4})
    assert method.batches == [4] * 6
    assert fitted.images_seen == method.images_seen == 24
    assert not fitted.interrupted


def test_whoever_tests_on_images_it_trained_on_is_told(tmp_path: Path) -> None:
    """Also from the checkpoint alone, on other data of the same collection."""
    run(toy(), tmp_path, {"images": 4, "batch_size": 4})
    content = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    tested = ["3.png", "9.png", "10.png"]
    assert overlap(content["image_digests"], SquareFaces(), tested) == {"known": True, "images": 2}


def test_phases_change_the_batch_and_a_resume_lands_inside_one(tmp_path: Path) -> None:
    phases = {
        "phases": [
            {"name": "a", "images": 12, "batch_size": 4},
            {"name": "b", "images": 24, "batch_size": 6},
        ]
    }
    whole = toy()
    run(whole, tmp_path / "whole", phases)
    assert whole.batches == [4, 4, 4, 6, 6, 6, 6]

    class Stops(Toy):
        def on_train_batch_end(self, *args: Any) -> None:
            if self.images_seen >= 18:  # inside the second phase
                interrupts.requested = True

    torch.manual_seed(0)
    first, interrupts = Stops(), Interrupts()
    budget = Budget.from_config(phases)
    stopped = fit(
        first, squares(), budget, TRAINER, [], tmp_path, 7, interrupts, None, 1, None, None
    )
    assert stopped.interrupted
    assert 18 <= stopped.images_seen < 36

    second = toy()
    run(second, tmp_path / "second", phases, tmp_path / "checkpoints" / "last.ckpt")
    assert first.batches + second.batches == whole.batches
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_the_log_has_the_end_of_every_phase_under_its_own_number(tmp_path: Path) -> None:
    """Whatever the grid; "b" is too short for it, and "a" ends inside a batch."""
    rows = logged(
        tmp_path,
        {
            "phases": [
                {"name": "a", "images": 10, "batch_size": 4},
                {"name": "b", "images": 8, "batch_size": 6},
                {"name": "c", "images": 22, "batch_size": 4},
            ]
        },
        log_every=30,
    )
    assert [(row["step"], row["phase"]) for row in rows] == [
        ("4", "1"), ("12", "1"), ("18", "2"), ("30", "3"), ("42", "3"),
    ]  # fmt: skip
    assert all(float(row["pix"]) > 0 for row in rows)


def test_the_log_of_one_phase_has_no_number(tmp_path: Path) -> None:
    rows = logged(tmp_path, {"images": 20, "batch_size": 4}, log_every=8)
    assert [row["step"] for row in rows] == ["4", "8", "16", "20"]
    assert "phase" not in rows[0]


@pytest.mark.parametrize(
    ("precision", "stage", "exact"),
    [
        ("32-true", "fit", True), ("auto", "fit", True), (32, "fit", True),
        ("bf16-mixed", "fit", False), ("bf16-mixed", "test", True),
    ],
)  # fmt: skip
def test_float32_is_not_tf32(
    precision: str | int, stage: str, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch rounds convolutions on a GPU by default, which no record would show."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    torch.set_float32_matmul_precision("high")
    try:
        build_trainer({**TRAINER, "precision": precision}, toy(), [], [], stage)
        assert torch.backends.cudnn.allow_tf32 is not exact
        assert torch.get_float32_matmul_precision() == ("highest" if exact else "high")
    finally:
        torch.set_float32_matmul_precision("highest")


def test_a_finished_checkpoint_is_taken_as_it_is(tmp_path: Path) -> None:
    budget = {"images": 8, "batch_size": 4}
    first = toy()
    run(first, tmp_path, budget)
    second = toy()
    fitted = run(second, tmp_path / "b", budget, tmp_path / "checkpoints" / "last.ckpt")
    assert fitted.images_seen == 8
    assert second.batches == []
    assert torch.equal(first.conv.weight, second.conv.weight)


def test_a_finished_run_goes_on_with_a_larger_budget(tmp_path: Path) -> None:
    """Lightning's loop state in a last checkpoint says "done"; it once made this train nothing."""
    first = toy()
    run(first, tmp_path, {"images": 8, "batch_size": 4})
    second = toy()
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    fitted = run(second, tmp_path / "b", {"images": 20, "batch_size": 4}, checkpoint)
    assert fitted.images_seen == 20
    assert second.batches == [4] * 3
    whole = toy()
    run(whole, tmp_path / "c", {"images": 20, "batch_size": 4})
    assert torch.equal(whole.conv.weight, second.conv.weight)


def test_a_run_cut_short_by_lightning_is_an_error(tmp_path: Path) -> None:
    class Quits(Toy):
        def on_train_batch_end(self, *args: Any) -> None:
            self.trainer.should_stop = True

    with pytest.raises(TrainingError, match="of 80 images although nobody asked"):
        run(Quits(), tmp_path, {"images": 80, "batch_size": 4})


def test_the_seed_decides_the_noise_and_the_order(tmp_path: Path) -> None:
    one, two = toy(), toy()
    run(one, tmp_path / "1", {"images": 20, "batch_size": 5})
    run(two, tmp_path / "2", {"images": 20, "batch_size": 5})
    assert torch.equal(one.conv.weight, two.conv.weight)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with pytest.raises(TrainingError, match=r"at step 21, after 84 images: .*pix=inf.*last\.ckpt"):
        run(Toy(breaks_at=80), tmp_path, {"images": 160, "batch_size": 4})
    content = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["images_seen"] == 80
    assert all(torch.isfinite(value).all() for value in content["state_dict"].values())


def test_weights_alone_cannot_resume(tmp_path: Path) -> None:
    path = tmp_path / "weights.ckpt"
    torch.save({"state_dict": toy().state_dict()}, path)
    with pytest.raises(WeightsError, match="no training state"):
        run(toy(), tmp_path, {"images": 8, "batch_size": 4}, path)


def test_noise_is_shared_out_over_ranks() -> None:
    from facesr_bench.method import TrainingContext

    def noise(rank: int, world: int, batch: int) -> Tensor:
        method = toy()
        method.bind(TrainingContext(3, Budget.from_config({"images": 8, "batch_size": 4}), 10,
                                    rank=rank, world_size=world))  # fmt: skip
        return method.noise("z", batch, 5)

    whole = noise(0, 1, 4)
    assert torch.equal(noise(0, 2, 2), whole[0::2])
    assert torch.equal(noise(1, 2, 2), whole[1::2])


def test_noise_is_another_in_each_step_for_each_role_and_seed() -> None:
    from facesr_bench.method import TrainingContext

    def noise(seed: int, role: str, seen: int) -> bytes:
        method = toy()
        budget = Budget.from_config({"images": 8, "batch_size": 4})
        method.bind(TrainingContext(seed, budget, 10))
        method.images_seen = seen
        return method.noise(role, 4, 5).numpy().tobytes()

    assert noise(3, "z", 4) == noise(3, "z", 4)
    others = [(3, "z", 0), (3, "z", 4), (3, "z", 8), (3, "other", 4), (4, "z", 4)]
    assert len({noise(*which) for which in others}) == len(others)


def test_a_save_comes_with_the_step_it_is_due_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run saves twenty times: of 80 images after every fourth, which here is after every step."""
    from pytorch_lightning import Trainer

    method, saved, save = toy(), list[int](), Trainer.save_checkpoint

    def noted(self: Trainer, *args: Any, **options: Any) -> None:
        saved.append(method.images_seen)
        save(self, *args, **options)

    monkeypatch.setattr(Trainer, "save_checkpoint", noted)
    run(method, tmp_path, {"images": 80, "batch_size": 4})
    assert saved == list(range(4, 81, 4))
