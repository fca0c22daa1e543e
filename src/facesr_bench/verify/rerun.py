"""Making some of a run's SR images again, as its test stage made them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import pytorch_lightning as pl
import torch

from facesr_bench.config import build_method
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image, to_float, to_uint8
from facesr_bench.method import Method
from facesr_bench.protocol import TestSet
from facesr_bench.seeding import numpy_rng
from facesr_bench.starting_weights import StartingWeights, load_starting_weights
from facesr_bench.store import SRStore
from facesr_bench.training import build_trainer


def refuse_what_has_no_method(record: Mapping[str, Any], folder: Path) -> None:
    """Records that no single method made from weights cannot be verified.

    Raises:
        DataError: scores of images from elsewhere, or the mean of an adaptation protocol.
    """
    config = record["config"]
    elsewhere = record["origin"] == "images from elsewhere"
    if elsewhere or config.get("command") == "evaluate" or "method" not in config:
        raise DataError(
            f"{folder} holds the scores of images from elsewhere: there is no method to run again. "
            "To score the images again use facesr-bench evaluate."
        )
    if config.get("stage") == "adapt":
        raise DataError(
            f"{folder} holds an adaptation protocol, whose networks are adapted anew for each cell and "
            "not kept: verify covers runs of one network. Run the protocol again and compare."
        )


def build_again(
    settings: Mapping[str, Any], folder: Path, data: FaceSRDataModule, weights: Path | None
) -> tuple[Method, StartingWeights]:
    """The method with the weights the run super-resolved with.

    Args:
        settings: the run's resolved configuration.
        folder: of the run; a run that trained left its weights there.
        data: of the run.
        weights: where they lie instead, or None.

    Raises:
        DataError: the weights are not where the run had them.
        WeightsError: they cannot be read, or do not fit.
    """
    pl.seed_everything(settings["seed"], workers=True, verbose=False)
    method: Method = build_method(settings["method"])
    method.check_sizes((data.lr_size, data.lr_size), (data.hr_size, data.hr_size))
    asked = settings_of_weights(settings, folder, method.trainable, weights)
    refuse_absent_weights(asked, folder)
    return method, load_starting_weights(method, asked)


def settings_of_weights(
    settings: Mapping[str, Any], folder: Path, trainable: bool, weights: Path | None
) -> dict[str, Any]:
    """The run's configuration, asking for the weights it ended with.

    Args:
        settings: the run's resolved configuration.
        folder: of the run; a run that trained left its weights there.
        trainable: whether its method trains.
        weights: where they lie instead, or None.
    """
    if weights is None and (settings["stage"] == "test" or not trainable):
        return dict(settings)
    path = folder / "checkpoints" / "last.ckpt" if weights is None else weights
    return {**settings, "stage": "test", "ckpt": str(path), "init": None}


def refuse_absent_weights(asked: Mapping[str, Any], folder: Path) -> None:
    """Weights that were a file must be one still; what a method ships or makes needs none.

    Raises:
        DataError: they are not where the configuration has them.
    """
    place = asked["ckpt"] or asked["init"]
    if place and not Path(place).expanduser().is_file():
        raise DataError(
            f"The weights of {folder} are not at {place}. Say where they are with --weights FILE."
        )


def run_batches(
    record: Mapping[str, Any], data: FaceSRDataModule, store: SRStore
) -> list[list[int]]:
    """Positions of the test images in the batches of the run, of each of its processes in turn."""
    size = int(record["cost"].get("batch") or data.test_batch_size)
    processes = processes_of(store)
    return [b for rank in range(processes) for b in data.test_batches(rank, processes, size)]


def choose_batches(
    batches: Sequence[list[int]], share: float, seed: int, inputs: str
) -> list[list[int]]:
    """Batches drawn until at least ``share`` of the images are among them.

    Whole ones, since sums of a smaller batch differ in the last bit.

    Args:
        batches: of the run.
        share: of the images.
        seed: of the choice.
        inputs: hash of the test set, so that each has a choice of its own.
    """
    wanted = math.ceil(share * sum(map(len, batches)))
    order = numpy_rng(seed, "verify", inputs).permutation(len(batches))
    chosen: list[list[int]] = []
    for number in order:
        if sum(map(len, chosen)) >= wanted:
            break
        chosen.append(batches[number])
    return chosen


def processes_of(store: SRStore) -> int:
    """How many processes made these images: each left a note. 1 where the notes are gone."""
    return max(1, len(list(store.root.glob(".made_by.*.json"))))


def images_again(
    method: Method,
    settings: Mapping[str, Any],
    test_set: TestSet,
    batches: Sequence[Sequence[int]],
    device: torch.device,
) -> Iterator[dict[str, UInt8Image]]:
    """SR images by key, uint8 (H, W, 3), batch by batch, through the method's own test step."""
    options = {**settings["trainer"], "strategy": "auto", "devices": 1, "num_nodes": 1}
    options["accelerator"] = "gpu" if device.type == "cuda" else "cpu"
    method.trainer = build_trainer(options, method, [], [], "test")  # switches TF32 off, too
    method.to(device).eval()
    for number, batch in enumerate(batches):
        keys = [test_set.keys[position] for position in batch]
        lr = torch.stack([torch.from_numpy(test_set.lr[position]) for position in batch])
        with torch.no_grad():
            sr = method.test_step({"lr": to_float(lr.to(device)), "key": keys}, number)
        yield dict(zip(keys, to_uint8(sr), strict=True))
