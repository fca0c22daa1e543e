"""What weights bring along: a count of images that goes on, or starts anew."""

from pathlib import Path
from typing import Any

import pytest
import torch

from facesr_bench.method import Method
from facesr_bench.starting_weights import load_starting_weights

SEEN = [{"data": "ffhq", "version": 1, "images": 40}]


class Still(Method):
    """One number that trains."""

    paper = "none"

    def __init__(self) -> None:
        super().__init__()
        self.number = torch.nn.Parameter(torch.zeros(1))

    def super_resolve(self, lr: torch.Tensor) -> torch.Tensor:
        return lr


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    """Of a run that saw 40 images."""
    content = {
        "state_dict": {"number": torch.ones(1)}, "images_seen": 40, "trained_on": SEEN,
        "image_digests": torch.arange(3),
    }  # fmt: skip
    torch.save(content, tmp_path / "last.ckpt")
    return str(tmp_path / "last.ckpt")


def started(**settings: Any) -> tuple[Method, str, Path | None, str]:
    method = Still()
    config = {"stage": "fit_test", "ckpt": None, "init": None, "method": {"name": "still"}}
    found = load_starting_weights(method, config | settings)
    return method, found.origin, found.resume_from, found.files[0]["role"]


def test_weights_to_start_from_are_taken_and_counted_anew(checkpoint: str) -> None:
    method, origin, resumed, role = started(init=checkpoint)
    assert (method.number.item(), origin, resumed, role) == (1, "trained here", None, "init")
    assert method.images_seen == 0, "a new run, whose budget begins"
    assert method.trained_on == SEEN, "which has seen all the same what they saw"
    assert torch.equal(method.image_digests, torch.arange(3))


def test_weights_to_measure_keep_their_count(checkpoint: str) -> None:
    method, origin, resumed, role = started(stage="test", ckpt=checkpoint)
    assert (method.number.item(), origin, resumed, role) == (1, "trained here", None, "checkpoint")
    assert (method.images_seen, method.trained_on) == (40, SEEN)


def test_a_checkpoint_to_go_on_from_is_left_to_the_trainer(checkpoint: str) -> None:
    method, _, resumed, role = started(ckpt=checkpoint)
    assert (method.number.item(), resumed, role) == (0, Path(checkpoint), "checkpoint")
