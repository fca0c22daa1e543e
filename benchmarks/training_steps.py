"""A training step of every method: images per second, and how much of the machine it makes use of.

    python benchmarks/training_steps.py                               # all of them, at scale=slim
    python benchmarks/training_steps.py scgan --scale full --device cuda --precision bf16-mixed
    python benchmarks/training_steps.py scgan --profile               # where a step's time goes

A method trains as a run does, through the harness, some steps in every phase of its budget. In the
first half of them the arithmetic is counted (2 FLOPs for each multiply-add of convolutions and matrix
products, forward, backward and second derivatives alike); the second half is timed, from Lightning's
batch start to its batch end. The yardstick is the best rate of one large matrix product in the same
process, at the same precision and with as many threads, so the ratio is the share of the machine a
step makes use of: what is left goes to memory, to Python and to the optimizer.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytorch_lightning as pl
import torch
from report import note
from step_about import CLOCKS, wait
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from facesr_bench.budget import Budget
from facesr_bench.callbacks import ImageCounter
from facesr_bench.check.composing import Composer
from facesr_bench.config import build_data, build_method
from facesr_bench.console import start_logging
from facesr_bench.method import TrainingContext
from facesr_bench.phases import rows_of
from facesr_bench.training import build_trainer, float32_means_float32

METHODS: dict[str, list[str]] = {
    "scgan": [],
    "pan": [],
    "propulse": [],
    "psp": [],
    "dap_fsr": [],
    "stylegan2": ["method.path_weight=2.0"],  # slim leaves out what costs most
}
"""Every method that trains, and what it needs on its command line."""
FACES = ("+data=tiny", "data.source.identities={train: 64, train_lr: 64, val: 2, test: 2}")
"""Enough to fill batches; drawn in seconds."""
CYCLE = 16
"""Steps after which regularisation has come round in every method."""


class Arithmetic(TorchDispatchMode):
    """Counts FLOPs of second derivatives too, where ``FlopCounterMode`` trips over its modules."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        return out


@dataclass
class Stretch:
    """One phase of a training, cycle by cycle."""

    batch: int
    flops: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def images_per_second(self) -> float:
        """Over a whole cycle."""
        return self.batch * len(self.seconds) / sum(self.seconds)

    @property
    def flops_per_image(self) -> float:
        """Mean of a whole cycle."""
        return sum(self.flops) / len(self.flops) / self.batch


class Watch(pl.Callback):
    """Counts a cycle of steps in each phase, then times one.

    Args:
        budget: two cycles in each phase.
        clock: seconds.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float]) -> None:
        self._phases, self._clock, self._taken = budget.phases, clock, 0
        self.found = {phase.name: Stretch(phase.batch_size) for phase in budget.phases}

    @property
    def _counts(self) -> bool:
        return self._taken % (2 * CYCLE) < CYCLE

    def on_train_batch_start(self, trainer: Any, module: Any, *_: Any) -> None:
        """Before the step."""
        if self._counts:
            self._arithmetic = Arithmetic()
            self._arithmetic.__enter__()
        wait(module.device)
        self._started = self._clock()

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        """After it, before other callbacks."""
        wait(module.device)
        seconds = self._clock() - self._started
        stretch = self.found[self._phases[self._taken // (2 * CYCLE)].name]
        if self._counts:
            self._arithmetic.__exit__(None, None, None)
            stretch.flops.append(self._arithmetic.flops)
        else:
            stretch.seconds.append(seconds)
        self._taken += 1


def trained(words: list[str], options: argparse.Namespace) -> dict[str, Stretch]:
    """Train a method for two cycles in each phase of its budget; what every phase took."""
    settings = Composer(words).at(options.scale)
    method, data = build_method(settings["method"]), build_data(settings["data"])
    block = settings["method"]["budget"]
    rows = rows_of(method.make_budget(block))
    for row in rows:
        row["batch_size"] = options.batch or row["batch_size"]
        row["images"] = 2 * CYCLE * row["batch_size"]
    budget = method.make_budget({**block, "phases": rows})
    watch = Watch(budget, CLOCKS[options.clock])
    trainer = build_trainer(
        {"accelerator": "gpu" if options.device == "cuda" else "cpu", "devices": 1,
         "precision": options.precision},
        method, [], [watch, ImageCounter(budget)], "fit",
    )  # fmt: skip
    method.bind(TrainingContext(0, budget, len(data.required("train"))))
    method.train()
    trainer.fit(method, datamodule=data)
    return watch.found


def best_rate(options: argparse.Namespace) -> float:
    """FLOPs per second of a large matrix product, the best of several."""
    side = 8192 if options.device == "cuda" else 1024
    kind = torch.bfloat16 if "bf16" in options.precision else torch.float32
    a, b = (torch.rand(side, side, device=options.device, dtype=kind) for _ in range(2))
    clock, rates = CLOCKS[options.clock], []
    for _ in range(12):
        wait(a.device)
        started = clock()
        a @ b
        wait(a.device)
        rates.append(2 * side**3 / (clock() - started))
    return max(rates)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"of {', '.join(METHODS)}")
    parser.add_argument("--scale", default="slim", choices=["full", "slim", "smoke"])
    parser.add_argument("--hr-size", type=int, default=64)
    parser.add_argument("--batch", type=int, help="instead of the budget's")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="32-true", help="Lightning's: bf16-mixed")
    parser.add_argument(
        "--clock", default="wall", choices=list(CLOCKS), help="cpu: for a busy machine"
    )  # fmt: skip
    parser.add_argument("--profile", action="store_true", help="print the costliest operations")
    options = parser.parse_args()
    if unknown := set(options.methods) - set(METHODS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    start_logging(None, logging.WARNING)
    float32_means_float32()
    rate = best_rate(options)
    print(f"matrix product: {rate / 1e9:.1f} GFLOP/s ({torch.get_num_threads()} threads)")
    started = time.perf_counter()
    for name in options.methods or METHODS:
        words = [f"+method={name}", *FACES, f"data.hr_size={options.hr_size}", *METHODS[name]]
        profiler = torch.profiler.profile() if options.profile else nullcontext()
        with profiler as profile:
            found = trained(words, options)
        for phase, stretch in found.items():
            ours, bound = stretch.images_per_second, rate / stretch.flops_per_image
            what = f"{name} training step, {options.scale}, {phase}, batch {stretch.batch}"
            print(
                f"{what:<56}{ours:8.1f} images/s  {stretch.flops_per_image / 1e9:7.3f} GFLOP an image  "
                f"{ours / bound:4.0%} of the matrix product's rate", flush=True,
            )  # fmt: skip
            note(f"{what}, of the bound by arithmetic", "images/s", ours, bound, ours / bound)
        if profile is not None:
            order = f"self_{'cuda' if options.device == 'cuda' else 'cpu'}_time_total"
            print(profile.key_averages().table(sort_by=order, row_limit=20))
    print(f"{time.perf_counter() - started:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
