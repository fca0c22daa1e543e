"""Weights know which images they saw, and a test set is checked against them."""

from typing import Any

import pytest
import torch

from facesr_bench.data import FaceData, FaceDataset, Role
from facesr_bench.method import Method
from facesr_bench.seen_images import digests, nothing, of_roles, overlap, together

KEYS = [f"{number:03d}.png" for number in range(20)]


class Faces(FaceData):
    """A data set of a name, without images."""

    def __init__(self, origin: str) -> None:
        self.name, self._origin = origin, origin

    def split(self, role: Role) -> FaceDataset | None:
        return None

    def origin(self, role: Role) -> str:
        return self._origin


class Still(Method):
    """No method at all."""

    paper = "none"

    def super_resolve(self, lr: torch.Tensor) -> torch.Tensor:
        return lr


def test_test_images_that_were_trained_on_are_counted() -> None:
    seen = of_roles(Faces("ffhq"), [("train", KEYS[:10]), ("train_lr", KEYS[5:12])])
    assert len(seen) == 12
    assert overlap(seen, Faces("ffhq"), KEYS) == {"known": True, "images": 12}
    assert overlap(seen, Faces("ffhq"), KEYS[12:]) == {"known": True, "images": 0}


def test_two_collections_may_number_their_files_alike() -> None:
    assert overlap(digests("ffhq", KEYS), Faces("celebahq"), KEYS)["images"] == 0


def test_what_nobody_kept_stays_unknown() -> None:
    assert overlap(None, Faces("ffhq"), KEYS) == {"known": False, "images": None}
    assert together(None, digests("ffhq", KEYS)) is None
    both = together(digests("ffhq", KEYS[:3]), digests("ffhq", KEYS[2:5]))
    assert both is not None
    assert len(both) == 5


def test_untrained_weights_have_seen_nothing() -> None:
    assert overlap(Still().image_digests, Faces("ffhq"), KEYS) == {"known": True, "images": 0}
    assert nothing().dtype == torch.int64


@pytest.mark.parametrize("kept", [True, False])
def test_a_resumed_run_has_seen_what_its_checkpoint_saw(kept: bool) -> None:
    before, after = Still(), Still()
    before.image_digests = digests("ffhq", KEYS[:4])
    checkpoint: dict[str, Any] = {}
    before.on_save_checkpoint(checkpoint)
    checkpoint["trained_on"] = [{"data": "x"}]
    if not kept:  # written by an older version
        del checkpoint["image_digests"]
    after.image_digests = digests("ffhq", KEYS[2:6])
    after.on_load_checkpoint(checkpoint)
    assert after.image_digests is not None
    assert len(after.image_digests) == (6 if kept else 4)
