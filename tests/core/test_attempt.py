"""A killed evaluation goes on at its next batch, and only where the very same thing made the images."""

import importlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from facesr_bench import attempt as attempt_module
from facesr_bench.attempt import Attempt, drop_attempt, fingerprint, read_findings, summary
from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.errors import ConfigError
from facesr_bench.method import Method
from facesr_bench.scoring import super_resolve_test_set
from facesr_bench.store import SRStore

SETTINGS: dict[str, Any] = {
    "trainer": {"accelerator": "cpu", "devices": 1},
    "method": {"name": "toy", "size": 3},
    "scale": "full",
    "seed": 1,
}


class Faces(FaceDataset):
    def __init__(self) -> None:
        self.keys = [f"{index}.png" for index in range(7)]

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        return Sample(self.keys[index], hr=rng.integers(0, 256, (8, 8, 3)).astype(np.uint8))


class Source(FaceData):
    name = "faces"

    def split(self, role: Role) -> FaceDataset | None:
        return Faces() if role == "test" else None


class Toy(Method):
    """Reports the place of each image in its batch; can break down after some images."""

    paper = "none"
    trainable = False

    def __init__(self, batch: int = 2, dies_at: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.register_buffer("constant", torch.ones(1), persistent=False)
        self.batch, self.dies_at, self.seen, self.asked = batch, dies_at, [], 0

    def super_resolve(self, lr: Tensor) -> Tensor:
        return self.weight * lr.repeat_interleave(4, 2).repeat_interleave(4, 3)

    def restore(self, lr: Tensor, keys: Sequence[str]) -> Tensor:
        if self.dies_at is not None and len(self.seen) >= self.dies_at:
            raise KeyboardInterrupt
        self.seen += keys
        place = torch.arange(len(keys), dtype=torch.float32)
        self.report({"place": place, "half": torch.where(place > 0, torch.inf, 0.5)})
        return self.super_resolve(lr)

    def test_batch_size(self, lr: Tensor, default: int) -> int:
        assert lr.shape == (1, 3, 2, 2) and lr.dtype == torch.float32
        self.asked += 1
        return self.batch


def data() -> FaceSRDataModule:
    return FaceSRDataModule("faces", 1, Source(), Downscale(4), hr_size=8, test_batch_size=5)


def make(
    folder: Path, method: Toy, settings: Mapping[str, Any] = SETTINGS
) -> tuple[list[str], int, SRStore]:
    store = SRStore(folder)
    try:
        size = super_resolve_test_set(method, data(), store, settings).batch_size
    except (KeyboardInterrupt, SystemExit):
        size = -1
    return method.seen, size, store


KEYS = Faces().keys


def test_an_evaluation_goes_on_at_the_next_batch(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", Toy())
    assert whole[:2] == (KEYS, 2)
    first = make(tmp_path / "sr", Toy(dies_at=4))[0]
    assert first == KEYS[:4]
    again = Toy(batch=3)  # what it would choose now does not matter
    seen, size, store = make(tmp_path / "sr", again)
    assert seen == KEYS[4:] and size == 2 and again.asked == 0
    assert store.hash(KEYS) == whole[2].hash(KEYS)
    assert read_findings(store, KEYS) == read_findings(whole[2], KEYS)
    nothing = make(tmp_path / "sr", Toy())[0]
    assert nothing == []
    store.path(KEYS[2]).unlink()  # half a batch: it is made again whole, for the same sums
    assert make(tmp_path / "sr", Toy())[0] == KEYS[2:4]


def other(**changes: Any) -> dict[str, Any]:
    return {**SETTINGS, **changes}


@pytest.mark.parametrize(
    "settings",
    [other(seed=2), other(method={"name": "toy", "size": 4}), other(scale="slim")],
    ids=["seed", "argument", "scale"],
)
def test_images_of_other_settings_are_made_anew(tmp_path: Path, settings: dict[str, Any]) -> None:
    make(tmp_path, Toy(dies_at=4))
    assert make(tmp_path, Toy(), settings)[0] == KEYS
    assert make(tmp_path, Toy(), settings)[0] == []


def test_images_of_other_weights_or_no_note_are_made_anew(tmp_path: Path) -> None:
    make(tmp_path, Toy(dies_at=4))
    changed = Toy()
    changed.weight.data -= 1e-6
    assert make(tmp_path, changed)[0] == KEYS
    next(tmp_path.glob(".made_by.*")).write_text("{")
    assert make(tmp_path, Toy())[0] == KEYS


def test_the_fingerprint_covers_inputs_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    test_set = data().test_set
    one = fingerprint(SETTINGS, Toy(), test_set, "cpu")
    assert one == fingerprint(SETTINGS, Toy(), data().test_set, "cpu")
    second = FaceSRDataModule("faces", 2, Source(), Downscale(4), hr_size=8)
    assert one != fingerprint(SETTINGS, Toy(), second.test_set, "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(attempt_module, "package_versions", lambda: {"torch": "0"})
        assert one != fingerprint(SETTINGS, Toy(), test_set, "cpu")
    here = attempt_module.device_facts("cpu")
    for fact, value in (("name", "another CPU"), ("threads", 999)):
        facts = {**here, fact: value}
        monkeypatch.setattr(attempt_module, "device_facts", lambda kind, facts=facts: facts)
        assert one != fingerprint(SETTINGS, Toy(), test_set, "cpu")


def test_the_fingerprint_covers_buffers_no_checkpoint_holds() -> None:
    one, changed = Toy(), Toy()
    changed.constant += 1e-6  # type: ignore[operator]
    assert one.state_dict().keys() == changed.state_dict().keys() == {"weight"}
    test_set = data().test_set
    assert fingerprint(SETTINGS, one, test_set, "cpu") != fingerprint(
        SETTINGS, changed, test_set, "cpu"
    )


@pytest.mark.parametrize("changed", ["plugged_{}/inner/net.py", "base_{}.py", "core/deep/part.py"])
def test_the_fingerprint_covers_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """A method's package, the module of the method it derives from, and the harness (a copy here)."""
    name = f"{abs(hash(changed))}"  # modules of the same name would be one
    files = {
        f"base_{name}.py": f"from {__name__} import Toy\nclass Base(Toy): ...\n",
        f"plugged_{name}/__init__.py": "from .inner.net import Net\n",
        f"plugged_{name}/inner/__init__.py": "",
        f"plugged_{name}/inner/net.py": f"from base_{name} import Base\nclass Net(Base): ...\n",
        "core/__init__.py": "",
        "core/method.py": "",
        "core/deep/part.py": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    kind = importlib.import_module(f"plugged_{name}").Net
    monkeypatch.setattr(
        sys.modules[Method.__module__], "__file__", str(tmp_path / "core/method.py")
    )
    test_set = data().test_set
    one = fingerprint(SETTINGS, kind(), test_set, "cpu")
    assert one == fingerprint(SETTINGS, kind(), test_set, "cpu")
    with (tmp_path / changed.format(name)).open("a") as file:
        file.write("# another line\n")
    assert one != fingerprint(SETTINGS, kind(), test_set, "cpu")


def test_ranks_that_came_and_went_are_not_believed(tmp_path: Path) -> None:
    """Two ranks, then one of other settings, then two again: rank 1 must not trust its old note."""
    store = SRStore(tmp_path)
    images = np.zeros((1, 4, 4, 3), np.uint8)

    def begin(settings: str, rank: int, world: int) -> bool:
        attempt = Attempt(store, KEYS, rank, world)
        taken = attempt.take_over(settings) is not None
        if not taken:
            attempt.begin(settings, 1)
        attempt.keep(KEYS[rank : rank + 1], {"x": torch.tensor([float(rank)])})
        store.write(KEYS[rank : rank + 1], images)
        return taken

    assert not begin("a", 0, 2) and not begin("a", 1, 2)
    assert begin("a", 0, 2) and begin("a", 1, 2)
    assert read_findings(store, KEYS) == {"x": {KEYS[0]: 0.0, KEYS[1]: 1.0}}
    assert not begin("b", 0, 1)
    assert not begin("a", 1, 2) and not begin("a", 0, 2)


@pytest.mark.parametrize(("began", "ranks"), [(2, 1), (2, 3), (1, 2)])
def test_another_number_of_ranks_starts_anew(tmp_path: Path, began: int, ranks: int) -> None:
    """Each rank's share is another then, and so are the batches in which its images were made."""
    store = SRStore(tmp_path)
    image = np.zeros((1, 4, 4, 3), np.uint8)
    for rank in range(began):
        first = Attempt(store, KEYS, rank, began)
        assert first.take_over("same") is None
        first.begin("same", 2)
        for key in KEYS[rank::began]:
            store.write([key], image)
    again = Attempt(store, KEYS, 0, began)
    assert again.take_over("same") == 2, "as many ranks as before go on"
    assert all(again.is_made(key) for key in KEYS)
    for rank in range(ranks):
        assert Attempt(store, KEYS, rank, ranks).take_over("same") is None, rank
    assert not any(store.path(key).is_file() for key in KEYS)


def test_half_a_line_of_findings_spoils_no_other(tmp_path: Path) -> None:
    store = SRStore(tmp_path)
    attempt = Attempt(store, KEYS, 0, 1)
    attempt.begin("a", 2)
    attempt.keep(KEYS[:2], {"x": torch.tensor([1.0, 2.0])})
    file = next(tmp_path.glob("findings.*"))
    with file.open("a") as out:
        out.write('\n{"key": "2.png", "x"')
    attempt.keep(KEYS[2:3], {"x": torch.tensor([float("inf")])})
    found = read_findings(store, KEYS)
    assert found == {"x": {KEYS[0]: 1.0, KEYS[1]: 2.0, KEYS[2]: float("inf")}}
    assert summary(found) == {"x": {"mean": 1.5, "n": 2}}
    json.dumps(summary(found), allow_nan=False)
    drop_attempt(store)
    assert not list(tmp_path.iterdir())


HOLD = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(3600)
"""


def test_a_rank_that_outlived_its_run_is_waited_for(tmp_path: Path) -> None:
    """Only rank 0 was killed: rank 1 writes on, and a new attempt must not start beside it."""
    make(tmp_path, Toy(dies_at=4))
    before = sorted(tmp_path.iterdir())
    orphan = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / ".made_by.1.lock")], stdout=subprocess.PIPE
    )
    try:
        assert orphan.stdout is not None and orphan.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="Rank 1 of an earlier attempt is still writing"):
            make(tmp_path, Toy(), other(seed=2))
        second = Attempt(SRStore(tmp_path), KEYS, 1, 2)
        with pytest.raises(ConfigError, match="Rank 1"), second.writing():
            pass
        with Attempt(SRStore(tmp_path), KEYS, 0, 2).writing():  # beside a rank 1 of its own
            pass
        assert set(before) <= set(tmp_path.iterdir())
    finally:
        orphan.kill()
        orphan.communicate()
    assert make(tmp_path, Toy())[0] == KEYS[4:]


def test_a_rank_holds_its_place_for_as_long_as_it_writes(tmp_path: Path) -> None:
    held: list[bool] = []

    class Watched(Toy):
        def restore(self, lr: Tensor, keys: Sequence[str]) -> Tensor:
            lock = FileLock(tmp_path / ".made_by.0.lock")
            try:
                lock.acquire(timeout=0)
                held.append(False)
                lock.release()
            except Timeout:
                held.append(True)
            return super().restore(lr, keys)

    make(tmp_path, Watched())
    assert held == [True] * 4
    with FileLock(tmp_path / ".made_by.0.lock").acquire(timeout=0):
        pass


def test_nothing_of_another_test_set_stays(tmp_path: Path) -> None:
    """Images and half-written files of keys that are no more; those of other ranks are theirs."""
    store = SRStore(tmp_path)
    image = np.zeros((1, 4, 4, 3), np.uint8)
    long = "x" * 120
    keys = [*KEYS, long]
    for key in (*keys, "gone.png", "folder/gone.png"):
        store.write([key], image)
    temporary = {
        key: tmp_path / f".{store.path(key).name[:80]}.abcd_123" for key in (*keys, "gone")
    }
    for path in temporary.values():
        path.write_bytes(b"half")
    attempt = Attempt(store, keys, 1, 2)
    with attempt.writing():
        assert attempt.take_over("new") is None
        attempt.begin("new", 1)
    left = {path for path in tmp_path.rglob("*") if path.is_file() and path.suffix == ".png"}
    assert left == {store.path(key) for key in keys[0::2]}
    assert [key for key, path in temporary.items() if path.exists()] == keys[0::2]

    store.write(keys[1:2], image)
    temporary[keys[1]].write_bytes(b"half")
    with attempt.writing():
        assert attempt.take_over("new") == 1
    assert attempt.is_made(keys[1]) and attempt.is_made(keys[0])
    assert not temporary[keys[1]].exists() and temporary[keys[0]].exists()


def test_who_chooses_a_batch_can_ask_how_many_processes_share_the_memory(tmp_path: Path) -> None:
    class Asking(Toy):
        def test_batch_size(self, lr: Tensor, default: int) -> int:
            return int(self.trainer.num_devices) + 1

    assert make(tmp_path, Asking())[1] == 2
