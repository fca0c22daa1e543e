"""The steps of ``training_ranks`` on one process, without a harness around them but for counting."""

from collections.abc import Sequence
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytorch_lightning as pl
import torch

from facesr_bench.callbacks import ImageCounter
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.method import Method, TrainingContext
from facesr_bench.training import build_trainer
from methods.training_ranks import METHODS, Source


def few_steps(name: str, callbacks: Sequence[pl.Callback], **arguments: Any) -> Method:
    """A small method of seeded weights, trained for its budget of some steps."""
    torch.manual_seed(1)
    method, config = METHODS[name](**arguments)
    side, factor = method.hr_size, method.factor or 2
    data = FaceSRDataModule(
        "blobs", 1, Source(side), Downscale(factor), side, factor, num_workers=0
    )
    budget = method.make_budget(config)
    method.bind(TrainingContext(7, budget, len(data.required("train"))))
    method.train()
    every = [ImageCounter(budget), *callbacks]
    trainer = build_trainer({"accelerator": "cpu", "devices": 1}, method, [], every, "fit")
    trainer.fit(method, datamodule=data)
    return method
