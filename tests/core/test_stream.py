"""The stream: same images on any number of ranks and after any number of stops."""

import numpy as np
import pytest
import torch

from facesr_bench.budget import Budget, Phase
from facesr_bench.data import FaceDataset, Sample, check_keys
from facesr_bench.degradations.blind import Blind
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.stream import Order, StreamSampler, TrainingStream


class Numbered(FaceDataset):
    """Image i is constant i."""

    def __init__(self, count: int, offset: int = 0, size: int = 8) -> None:
        self.keys = [f"{i:03d}.png" for i in range(count)]
        self.offset, self.size = offset, size

    def __getitem__(self, index: int) -> Sample:
        value = np.full((self.size, self.size, 3), index + self.offset, np.uint8)
        return Sample(self.keys[index], hr=value)


def stream(pairing: str, wild: FaceDataset | None = None, seed: int = 0) -> TrainingStream:
    return TrainingStream(Numbered(10), wild, Downscale(4, "box"), pairing, seed, 2020, 8, 2)


def test_every_epoch_shows_every_image_once_in_another_order() -> None:
    order = Order(10, seed=3, role="train-order")
    epochs = [[order[e * 10 + i] for i in range(10)] for e in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_paired_lr_belongs_to_its_hr_and_unpaired_does_not() -> None:
    paired = [stream("paired")[p] for p in range(10)]
    assert all(item["hr"][0, 0, 0] == item["lr"][0, 0, 0] for item in paired)
    unpaired = [stream("unpaired")[p] for p in range(10)]
    assert any(item["hr"][0, 0, 0] != item["lr"][0, 0, 0] for item in unpaired)
    wild = [stream("unpaired", Numbered(4, offset=100))[p] for p in range(10)]
    assert {int(item["lr"][0, 0, 0]) for item in wild} == {100, 101, 102, 103}


def test_positions_decide_everything() -> None:
    one, two = stream("unpaired"), stream("unpaired")
    forwards = [one[p] for p in range(25)]
    backwards = [two[p] for p in reversed(range(25))][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        assert torch.equal(a["hr"], b["hr"])
        assert torch.equal(a["lr"], b["lr"])


def budget() -> Budget:
    return Budget([Phase("a", 20, 4), Phase("b", 30, 8)])


def positions(images_seen: int = 0, rank: int = 0, world: int = 1) -> list[list[int]]:
    return list(StreamSampler(budget(), images_seen, rank, world))


def test_batches_follow_the_phases_and_stop_at_the_budget() -> None:
    batches = positions()
    assert [len(b) for b in batches] == [4] * 5 + [8] * 4
    assert [p for batch in batches for p in batch] == list(range(52))


def test_a_resumed_run_goes_on_where_it_stopped() -> None:
    assert positions(images_seen=28) == positions()[6:]
    assert positions(images_seen=52) == []


def test_ranks_share_each_batch_without_overlap() -> None:
    single = positions()
    shares = zip(positions(rank=0, world=2), positions(rank=1, world=2), strict=True)
    assert [sorted(a + b) for a, b in shares] == single


def test_strided_groups_of_a_batch_are_the_same_on_every_number_of_ranks() -> None:
    """Of N samples, discriminators compare 0 with N/4, N/2 and 3N/4; shares hold whole groups."""
    whole = Budget([Phase("one", 16, 16)])

    def groups(world: int) -> set[frozenset[int]]:
        shares = [next(iter(StreamSampler(whole, 0, rank, world))) for rank in range(world)]
        return {
            frozenset(share[first :: len(share) // 4])
            for share in shares
            for first in range(len(share) // 4)
        }

    assert groups(1) == groups(2) == groups(4)
    assert frozenset({0, 4, 8, 12}) in groups(1)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match="3 processes cannot share"):
        StreamSampler(budget(), 0, 0, 3)


def test_an_image_of_the_wrong_size_is_named() -> None:
    wrong = TrainingStream(Numbered(3, size=12), None, Downscale(4, "box"), "paired", 0, 2020, 8, 2)
    with pytest.raises(DataError, match=r"00\d.png.*12x12x3.*8x8x3"):
        wrong[0]


@pytest.mark.parametrize("keys", [["/a.png"], ["a/../b.png"], ["a.png", "A.png"], ["a", "a"], [""]])
def test_keys_that_cannot_be_files_are_refused(keys: list[str]) -> None:
    with pytest.raises(DataError):
        check_keys(keys)


def test_lr_that_is_fixed_with_the_protocol_does_not_follow_the_seed_of_the_run() -> None:
    def made(protocol_seed: int, seed: int) -> dict[int, bytes]:
        noisy = Blind(4, blur=None, jpeg=None, noise=(20, 20))
        wild = Numbered(4, offset=100)
        shown = TrainingStream(Numbered(10), wild, noisy, "unpaired", seed, protocol_seed, 8, 2)
        places = (shown._other_order[p] for p in range(4))
        return {place: shown[p]["lr"].numpy().tobytes() for p, place in enumerate(places)}

    assert made(2020, 1) == made(2020, 2)
    assert made(2020, 1) != made(2021, 1)
