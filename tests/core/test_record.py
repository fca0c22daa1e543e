"""What the record says of priors and of training time, and that images outlive its failure."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facesr_bench import run
from facesr_bench.cost import Cost
from facesr_bench.data import FaceData, FaceDataset, Role, Sample
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.method import Method
from facesr_bench.metrics.scores import Scores
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors import LoadedPrior
from facesr_bench.record import Outcome, make_record
from facesr_bench.results import now
from facesr_bench.starting_weights import StartingWeights
from facesr_bench.training import Fitted

SETTINGS: dict[str, Any] = {
    "trainer": {"accelerator": "cpu", "devices": 1},
    "method": {"name": "toy", "budget": {"images": 8, "batch_size": 4}},
    "label": None,
    "scale": "full",
    "seed": 1,
    "keep_sr": False,
    "cost_seconds": 0.1,
}


class Faces(FaceDataset):
    def __init__(self) -> None:
        self.keys = ["a.png", "b.png"]

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        return Sample(self.keys[index], hr=rng.integers(0, 256, (8, 8, 3)).astype(np.uint8))


class Source(FaceData):
    name = "faces"

    def split(self, role: Role) -> FaceDataset | None:
        return Faces() if role == "test" else None


class Toy(Method):
    paper = "none"

    def super_resolve(self, lr: Tensor) -> Tensor:
        return lr.repeat_interleave(4, 2).repeat_interleave(4, 3)


def data() -> FaceSRDataModule:
    return FaceSRDataModule("faces", 1, Source(), Downscale(4), hr_size=8, test_batch_size=5)


def record(
    method: Method, fitted: Fitted | None = None, resume_from: Path | None = None
) -> dict[str, Any]:
    cost = Cost(1, 1, 1.0, 1.0, 1, 1, "none")
    weights = StartingWeights("trained here", [], resume_from)
    outcome = Outcome(method, data(), Scores(), cost, weights, fitted, "hash")
    return make_record(SETTINGS, outcome, "cpu", now(), 1.0)


def test_a_prior_is_recorded_with_where_it_comes_from() -> None:
    method = Toy()
    assert record(method)["prior"] is None
    trained, file = {"data": "faces", "images": 12}, {"file": "p", "sha256": "ab", "role": "prior"}
    with torch.random.fork_rng():
        network = StyleGAN2(16, 16, 16, 2, 64, 16)
    method.prior = LoadedPrior("own", network, [trained], [file])
    assert record(method)["prior"] == {
        "name": "own",
        "family": "stylegan2",
        "resolution": 16,
        "trained_on": [trained],
        "files": [file],
    }
    method.prior = torch.nn.Linear(1, 1)  # somebody else's word for something else
    assert record(method)["prior"] is None


def test_training_time_is_of_the_whole_training_or_not_told() -> None:
    fitted = Fitted(8, 12.3456, False)
    assert record(Toy(), fitted)["budget"]["fit_seconds"] == 12.346
    assert record(Toy(), fitted, Path("last.ckpt"))["budget"]["fit_seconds"] is None
    assert record(Toy(), Fitted(8, 0.0, False), Path("l.ckpt"))["budget"]["fit_seconds"] is None
    assert record(Toy())["budget"]["fit_seconds"] is None


def test_images_are_dropped_only_once_the_record_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def test_stage() -> None:
        began = now(), time.perf_counter()
        weights = StartingWeights("no training needed", [], None)
        run._test(SETTINGS, tmp_path, True, Toy(), data(), MetricSuite([]), weights, None, began)

    def full(path: Path, record: dict[str, Any]) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_record", full)
        with pytest.raises(OSError, match="No space"):
            test_stage()
    assert len(list((tmp_path / "sr").glob("*.png"))) == 2
    test_stage()
    assert (tmp_path / "result.json").is_file() and not (tmp_path / "sr").exists()
