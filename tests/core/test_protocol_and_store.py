"""Test inputs are frozen and named by what they are; the store gives back what was written."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facesr_bench.data import FaceData, FaceDataset, Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.grid import grid_positions
from facesr_bench.protocol import TestSet, freeze_test_set
from facesr_bench.store import SRStore


class Noise(FaceDataset):
    def __init__(self, keys: list[str], size: int = 16, change: str | None = None) -> None:
        self.keys, self.size, self.change = keys, size, change

    def __getitem__(self, index: int) -> Sample:
        key = self.keys[index]
        rng = np.random.default_rng(len(key) + ord(key[0]))
        image = rng.integers(0, 256, (self.size, self.size, 3)).astype(np.uint8)
        if key == self.change:
            image[0, 0, 0] ^= 1
        return Sample(key, hr=image)


def frozen(dataset: FaceDataset, **changes: object) -> TestSet:
    arguments = {"name": "p", "version": 1, "protocol_seed": 0, "hr_size": 16, "factor": 4}
    return freeze_test_set(dataset, Downscale(4), **(arguments | changes))  # type: ignore[arg-type]


def test_the_hash_is_of_the_inputs_and_not_of_their_order() -> None:
    base = frozen(Noise(["a", "b", "c"]))
    assert frozen(Noise(["c", "a", "b"])).hash == base.hash
    assert list(base.keys) == ["a", "b", "c"]
    others = [
        frozen(Noise(["a", "b"])),
        frozen(Noise(["a", "b", "d"])),
        frozen(Noise(["a", "b", "c"], change="b")),
        frozen(Noise(["a", "b", "c"]), version=2),
        frozen(Noise(["a", "b", "c"]), name="q"),
    ]
    assert len({t.hash for t in [base, *others]}) == 6


def test_what_degrades_is_part_of_the_question_though_pixels_agree() -> None:
    """On one flat colour every operator makes the same LR."""

    class Flat(Noise):
        def __getitem__(self, index: int) -> Sample:
            return Sample(self.keys[index], hr=np.full((16, 16, 3), 90, np.uint8))

    two = [
        freeze_test_set(Flat(["a"]), Downscale(4, o), "p", 1, 0, 16, 4) for o in ("box", "bicubic")
    ]
    assert two[0].lr_hash == two[1].lr_hash
    assert two[0].hash != two[1].hash


def test_ground_truth_is_there_for_all_images_or_for_none() -> None:
    class Partly(Noise):
        def __getitem__(self, index: int) -> Sample:
            hr = super().__getitem__(index).hr if index else None
            return Sample(self.keys[index], hr=hr, lr=np.zeros((4, 4, 3), np.uint8))

    assert not frozen(Partly(["a"])).has_hr
    with pytest.raises(DataError, match="Only 2 of the 3 test images of p have an HR image"):
        frozen(Partly(["a", "b", "c"]))


def test_wrong_sizes_are_named_together() -> None:
    with pytest.raises(DataError, match=r"a \(HR 20x20.*b \(HR 20x20"):
        frozen(Noise(["a", "b"], size=20))


def test_store_gives_back_the_same_pixels_under_any_key(tmp_path: Path) -> None:
    store = SRStore(tmp_path / "sr")
    keys = sorted(["a/b.png", "ü ?*:.jpg", "x%2Fy.png", "plain"])
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3)).astype(np.uint8)
    store.write(keys, images)
    assert all(np.array_equal(store.read(k), i) for k, i in zip(keys, images, strict=True))
    assert all(store.root in store.path(key).parents for key in keys)
    first = store.hash(keys)
    images[2, 0, 0, 0] ^= 1
    store.write(keys, images)
    assert store.hash(keys) != first
    store.path(keys[0]).unlink()
    with pytest.raises(DataError, match="lacks the SR images of 1 of 4 keys"):
        store.hash(keys)
    store.drop(keys)
    assert not store.root.exists()


def test_the_hash_of_stored_images_is_of_the_set_and_not_of_its_order(tmp_path: Path) -> None:
    store = SRStore(tmp_path / "sr")
    images = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 3)).astype(np.uint8)
    store.write(["a", "b", "c"], images)
    assert store.hash(["c", "a", "b"]) == store.hash(["a", "b", "c"])


def test_a_sweep_leaves_what_stays_and_what_others_are_writing(tmp_path: Path) -> None:
    store = SRStore(tmp_path)
    store.write(["a/1", "a/2"], np.zeros((2, 6, 6, 3), np.uint8))
    busy, dead = (tmp_path / "a" / f".{n}.png.abcd_123" for n in (3, 4))
    for path in (busy, dead, tmp_path / "notes.txt"):
        path.touch()
    store.sweep(keep=["a/1"], written_now=["a/3"])
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["a/.3.png.abcd_123", "a/1.png", "notes.txt"]


def test_the_grid_shows_the_same_faces_whatever_the_order() -> None:
    keys = [f"{i}.png" for i in range(50)]
    chosen = {keys[p] for p in grid_positions(keys)}
    backwards = keys[::-1]
    assert {backwards[p] for p in grid_positions(backwards)} == chosen
    assert len(chosen) == 8


def test_lr_that_the_owner_gave_has_no_known_operator() -> None:
    """Real LR was made by no operator of ours, so LR consistency must not claim one."""

    class Given(Noise):
        def __getitem__(self, index: int) -> Sample:
            return Sample(self.keys[index], lr=np.zeros((4, 4, 3), np.uint8))

    assert frozen(Noise(["a", "b"])).made_lr
    assert not frozen(Given(["a", "b"])).made_lr


@pytest.mark.parametrize("given", [False, True])
def test_lr_consistency_gets_the_operator_only_where_it_made_the_lr(given: bool) -> None:
    class Owners(FaceDataset):
        keys = ("a", "b")

        def __getitem__(self, index: int) -> Sample:
            sample = Noise(["a", "b"])[index]
            lr = np.zeros((4, 4, 3), np.uint8) if given else None
            return Sample(sample.key, hr=sample.hr, lr=lr)

    class Source(FaceData):
        name = "owners"

        def split(self, role: str) -> FaceDataset | None:
            return Owners() if role == "test" else None

    data = FaceSRDataModule("p", 1, Source(), Downscale(4, "box"), hr_size=16)
    images = torch.rand(2, 3, 16, 16)
    found = data.downsample(images)
    assert (found is None) == given
    if found is not None:
        torch.testing.assert_close(found, torch.nn.functional.avg_pool2d(images, 4))


def test_a_smaller_test_set_is_a_protocol_of_its_own() -> None:
    """The same few whatever the order, said in the name, and never mistaken for all."""

    class Source(FaceData):
        name = "noise"

        def __init__(self, keys: list[str]) -> None:
            self._keys = keys

        def split(self, role: str) -> FaceDataset | None:
            return Noise(self._keys) if role == "test" else None

    keys = [f"{letter}/face" for letter in "abcdefgh"]

    def data(order: list[str], limit: int | None) -> FaceSRDataModule:
        return FaceSRDataModule("p", 1, Source(order), Downscale(4), hr_size=16, test_limit=limit)

    few, again = data(keys, 3).test_set, data(keys[::-1], 3).test_set
    assert len(few) == 3
    assert few.hash == again.hash
    assert set(few.keys) < set(data(keys, 5).test_set.keys)
    assert (few.name, data(keys, None).test_set.name) == ("p-3", "p")
    with pytest.raises(ConfigError, match="test_limit=0"):
        data(keys, 0)
