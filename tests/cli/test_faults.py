"""One run meets every fault in turn, says what happened, and ends as if there had been none."""

import errno
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from cli.small_method import Small, words
from command_line import SMALL, record_of
from facesr_bench.store import SRStore
from facesr_bench.stream import TrainingStream
from forked import command

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="forks, and asks /proc")

TESTS = Path(__file__).resolve().parents[1]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: type, name: str, act: Callable[..., object]) -> None:
    """Call ``act`` with the same arguments before ``owner.name`` does its work."""
    real = getattr(owner, name)

    def wrapped(*args: Any, **more: Any) -> Any:
        act(*args, **more)
        return real(*args, **more)

    setattr(owner, name, wrapped)


def when_seen(images: int, act: Callable[[Small], object]) -> None:
    """Act in the training step after so many images."""
    before(Small, "training_step", lambda self, *_: self.images_seen >= images and act(self))


def killed_in_training() -> None:
    when_seen(16, lambda _: die())


def killed_while_a_checkpoint_is_written() -> None:
    when_seen(24, lambda _: before(Path, "replace", lambda path, _: "ckpt" in path.name and die()))


def disk_full(of: str) -> None:
    """A write to such a file fails where a full disk makes it fail."""
    real = os.fsync

    def fsync(number: int) -> None:
        if of in str(Path(f"/proc/self/fd/{number}").readlink()):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    os.fsync = fsync


def disk_full_in_training() -> None:
    when_seen(32, lambda _: disk_full("/.last.ckpt."))


def worker_dies() -> None:
    def act(_: TrainingStream, position: int) -> None:
        if position >= 64:
            die()

    before(TrainingStream, "__getitem__", act)


def nan_loss() -> None:
    """The weights break in one step, which a loss shows in the next only."""
    when_seen(56, lambda self: self.conv.weight.register_hook(lambda grad: grad * torch.nan))


def killed_in_evaluation() -> None:
    calls: list[int] = []
    before(SRStore, "write", lambda *_: calls.append(1) or (len(calls) == 2 and die()))


def disk_full_in_evaluation() -> None:
    disk_full(".png.")


def killed_while_the_record_is_written() -> None:
    """After an evaluation in which more than two images at once did not fit."""
    before(Path, "replace", lambda path, _: "result.json" in path.name and die())

    def act(_: Small, lr: torch.Tensor) -> None:
        if len(lr) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")

    before(Small, "super_resolve", act)


KILLED = -signal.SIGKILL
IN_TRAINING: list[tuple[Callable[[], None], int, str]] = [
    (killed_in_training, KILLED, "train"),
    (killed_while_a_checkpoint_is_written, KILLED, "train"),
    (disk_full_in_training, 1, r"No space left to write .*last\.ckpt.* To go on:\n"),
    (worker_dies, 1, r"A process that loads training images died .*To go on:\n"),
    (
        nan_loss,
        1,
        r"stopped at step 8, after 64 images: 1 of 2 weights are not finite .*last\.ckpt",
    ),
]
IN_TEST: list[tuple[Callable[[], None], int, str]] = [
    (killed_in_evaluation, KILLED, "Trained on 96 images|Images restored at once: 4"),
    (disk_full_in_evaluation, 1, r"4 of 12 SR images are there.*No space left to write .*\.png"),
    (killed_while_the_record_is_written, KILLED, "Out of memory with 4 images at once; .* with 2"),
]
"""What goes wrong, how the run ends, what it says."""

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    chosen = [*words(tmp_path), *SMALL, "metrics=none", "data.test_batch_size=4"]

    def start(*more: str, plant: Callable[[], None] | None = None) -> tuple[int, str]:
        return command([*chosen, *more], tmp_path, plant)

    return start


def checkpoint_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return content


def test_one_run_survives_every_fault(run: Run, tmp_path: Path) -> None:
    code, said = run("output_dir=whole")
    assert code == 0, said
    whole, hit = tmp_path / "whole", tmp_path / "hit"
    go_on = ["output_dir=hit"]
    seen = 0
    for plant, ends, sentence in [*IN_TRAINING, *IN_TEST]:
        workers = ["data.num_workers=1"] if plant is worker_dies else []
        code, said = run(*go_on, *workers, plant=plant)
        assert code == ends and re.search(sentence, said, re.DOTALL), f"{plant.__name__}: {said}"
        assert "Traceback" not in said
        content = checkpoint_of(hit)
        assert content["images_seen"] >= seen, f"{plant.__name__} lost what was saved before"
        assert all(torch.isfinite(value).all() for value in content["state_dict"].values())
        seen = content["images_seen"]
        assert not (hit / "result.json").exists()
        if plant is killed_in_training:
            assert seen == 16
            code, said = run(*go_on)
            assert code == 1 and "To go on from it add ckpt=" in said
            go_on.append(f"ckpt={hit / 'checkpoints' / 'last.ckpt'}")
        assert seen == 56 if plant is nan_loss else True
    with FileLock(hit / ".lock"):
        code, said = run(*go_on)
    assert code == 1 and "Another run is writing to" in said
    code, said = run(*go_on)
    assert code == 0, said

    expected = checkpoint_of(whole)["state_dict"]
    for name, value in checkpoint_of(hit)["state_dict"].items():
        assert torch.equal(value, expected[name]), name
    one, two = record_of(hit), record_of(whole)
    assert one["sr_hash"] == two["sr_hash"] and one["trained_on"] == two["trained_on"]
    left = {path.relative_to(hit).as_posix() for path in hit.rglob(".*")} - {".lock"}
    assert all(name.startswith("sr/.made_by.") for name in left), left


def test_a_damaged_checkpoint_is_refused(run: Run, tmp_path: Path) -> None:
    torch.save({"state_dict": Small().state_dict(), "images_seen": 8}, tmp_path / "a.ckpt")
    content = (tmp_path / "a.ckpt").read_bytes()
    (tmp_path / "a.ckpt").write_bytes(content[: len(content) // 2])
    code, said = run("output_dir=out", f"ckpt={tmp_path / 'a.ckpt'}")
    assert code == 1 and "a.ckpt is damaged or not a PyTorch checkpoint" in said
    assert "Traceback" not in said
