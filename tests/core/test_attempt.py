"""A killed evaluation goes on at its next batch, and only where the very same thing made the images."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facesr_bench.attempt import Attempt, drop_attempt, fingerprint, read_findings, summary
from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.resizing import Downscale
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
    assert one != fingerprint(SETTINGS, Toy(), test_set, "cuda")
    second = FaceSRDataModule("faces", 2, Source(), Downscale(4), hr_size=8)
    assert one != fingerprint(SETTINGS, Toy(), second.test_set, "cpu")
    monkeypatch.setattr("facesr_bench.attempt.package_versions", lambda: {"torch": "0"})
    assert one != fingerprint(SETTINGS, Toy(), test_set, "cpu")


def test_ranks_that_came_and_went_are_not_believed(tmp_path: Path) -> None:
    """Two ranks, then one of other settings, then two again: rank 1 must not trust its old note."""
    store = SRStore(tmp_path)
    images = np.zeros((1, 4, 4, 3), np.uint8)

    def begin(settings: str, rank: int, world: int) -> bool:
        attempt = Attempt(store, KEYS[rank::world], rank, world)
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
