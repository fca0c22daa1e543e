"""Which test images a run is measured on, and that every one of them is: any number, any ranks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.datamodule import FaceSRDataModule, FirstKeys
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.method import Method
from facesr_bench.scoring import super_resolve_test_set
from facesr_bench.store import SRStore


class Grey(FaceDataset):
    def __init__(self, count: int) -> None:
        self.keys = [f"{index}.png" for index in range(count)]

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.keys[index], hr=np.full((8, 8, 3), index, np.uint8))


class Source(FaceData):
    name = "grey"

    def __init__(self, count: int) -> None:
        self.count = count

    def split(self, role: Role) -> FaceDataset | None:
        return Grey(self.count) if role == "test" else None


class Twice(Method):
    paper = "none"
    trainable = False

    def super_resolve(self, lr: Tensor) -> Tensor:
        return lr.repeat_interleave(4, 2).repeat_interleave(4, 3)


def data(count: int, batch: int = 32, limit: int | None = None) -> FaceSRDataModule:
    return FaceSRDataModule(
        "grey", 1, Source(count), Downscale(4), 8, test_batch_size=batch, test_limit=limit
    )


@pytest.mark.parametrize("count", [1, 5, 7, 8])
@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 3, 4, 9])
def test_every_image_is_in_one_batch_of_one_rank(count: int, ranks: int, batch: int) -> None:
    faces = data(count, batch)
    shares = [faces.test_batches(rank, ranks) for rank in range(ranks)]
    for rank, batches in enumerate(shares):
        own = [position for positions in batches for position in positions]
        assert own == list(range(rank, count, ranks))
        assert all(len(positions) == batch for positions in batches[:-1])
        assert all(0 < len(positions) <= batch for positions in batches)
    assert sorted(p for batches in shares for b in batches for p in b) == list(range(count))
    assert faces.test_batches(batch_size=2) == data(count, 2).test_batches()


def test_the_loader_gives_the_tail_too() -> None:
    loaded = list(data(7, 3).test_loader())
    assert [batch["position"].tolist() for batch in loaded] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [key for batch in loaded for key in batch["key"]] == Grey(7).keys
    assert [int(lr[0, 0, 0]) for batch in loaded for lr in batch["lr"]] == list(range(7))


def test_an_uneven_test_set_is_super_resolved_to_its_last_image(tmp_path: Path) -> None:
    faces, store = data(7, 3), SRStore(tmp_path)
    settings = {
        "trainer": {"accelerator": "cpu", "devices": 1}, "method": {"name": "twice"},
        "scale": "full", "seed": 1,
    }  # fmt: skip
    torch.manual_seed(0)
    super_resolve_test_set(Twice(), faces, store, settings)
    assert [key for key in faces.test_set.keys if store.path(key).is_file()] == Grey(7).keys


def test_a_limited_test_set_is_the_first_by_sha256_of_the_keys() -> None:
    """``printf 6.png | sha256sum`` begins with 08, 0.png with 0f, 8.png with 17, 7.png with 2f."""
    assert FirstKeys(Grey(10), 4).keys == ["0.png", "6.png", "7.png", "8.png"]
    limited = data(10, limit=4).test_set
    assert list(limited.keys) == ["0.png", "6.png", "7.png", "8.png"]
    assert [int(lr[0, 0, 0]) for lr in limited.lr] == [0, 6, 7, 8]
    assert list(data(10, limit=1).test_set.keys) == ["6.png"]
