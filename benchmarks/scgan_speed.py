"""Images per second of our SCGAN training step against the plain loop, step about.

    python benchmarks/scgan_speed.py --scale slim --batch 16
    python benchmarks/scgan_speed.py --scale full --batch 2 --precision bf16-mixed --channels-last

Both see the same batches from the same weights in one Lightning run: a step of ours (timed from
Lightning's batch start to its batch end), then a step of the plain loop, and so on; the medians
make the ratio. The plain loop is always fp32 (or TF32 with --tf32, which then holds for both), so a
ratio under another precision says what that precision buys, and is printed as such.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from scgan_plain import PlainSCGAN, Widths
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from facesr_bench.budget import Budget
from facesr_bench.config import build_method, plain, register_resolvers
from facesr_bench.method import TrainingContext
from facesr_bench.methods.scgan import SCGAN

CONFIG = Path(__file__).parents[1] / "conf" / "method" / "scgan.yaml"


class Batches(IterableDataset[dict[str, Tensor]]):
    """Random batches, made before anything is timed."""

    def __init__(self, batch: int, steps: int) -> None:
        generator = torch.Generator().manual_seed(1)
        self._batches = [
            {
                "hr": torch.rand(batch, 3, 64, 64, generator=generator),
                "lr": torch.rand(batch, 3, 16, 16, generator=generator),
            }
            for _ in range(steps)
        ]

    def __iter__(self) -> Any:
        return iter(self._batches)


@dataclass
class StepAbout(pl.Callback):
    """After each step of ours, the same step by the plain loop."""

    plain: PlainSCGAN
    clock: Callable[[], float] = time.perf_counter
    plain_format: torch.memory_format = torch.contiguous_format
    ours_seconds: list[float] = field(default_factory=list)
    plain_seconds: list[float] = field(default_factory=list)
    ours_losses: list[dict[str, float]] = field(default_factory=list)
    plain_losses: list[dict[str, float]] = field(default_factory=list)

    def on_train_batch_start(self, trainer: Any, module: SCGAN, batch: Any, _: int) -> None:
        """Prepare the plain loop's inputs outside the clock, then start it."""
        h, lr = (
            module.to_network(batch[key]).contiguous(memory_format=self.plain_format)
            for key in ("hr", "lr")
        )
        z = module.noise("z", len(h), *module.nets.noise_shape)
        self._inputs = h, lr, z
        _wait(h.device)
        self._started = self.clock()

    def on_train_batch_end(self, trainer: Any, module: SCGAN, _o: Any, batch: Any, _: int) -> None:
        """Stop the clock on ours, time the plain step."""
        device = self._inputs[0].device
        _wait(device)
        self.ours_seconds.append(self.clock() - self._started)
        module.images_seen += len(batch["hr"])
        started = self.clock()
        losses = self.plain.step(*self._inputs)
        _wait(device)
        self.plain_seconds.append(self.clock() - started)
        names = ("D_L1", "D_H1", "D_L2", "D_H2", "D_HL", "R_LS", "D_SL")
        self.plain_losses.append(dict(zip(names, (x.item() for x in losses), strict=True)))
        self.ours_losses.append({name: module.losses[name].float().item() for name in names})


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def run(
    scale: str,
    batch: int,
    steps: int,
    *,
    device: str = "cpu",
    precision: str = "32-true",
    clock: Callable[[], float] = time.perf_counter,
    plain_channels_last: bool = False,
    **arguments: Any,
) -> StepAbout:
    """Train both for ``steps`` steps from the same weights."""
    register_resolvers()
    config = OmegaConf.create({"scale": scale, "data": {"hr_size": 64, "factor": 4}})
    config.method = OmegaConf.load(CONFIG)
    settings = plain(config)["method"] | arguments
    torch.manual_seed(0)
    ours: SCGAN = build_method(settings)
    other = PlainSCGAN(
        Widths(
            restore=settings["restore_widths"],
            depths=settings["restore_depths"],
            degrade=settings["degrade_widths"],
            head=settings["degrade_head"],
            critic=settings["critic_widths"],
            hidden=settings["critic_hidden"],
            noise=settings["noise_dim"],
        ),
        device,
        settings["lr"],
    )
    for name in ("D_HL", "R_LS", "D_SL"):
        getattr(other, name).load_state_dict(ours.nets.get_submodule(name).state_dict())
    for name, critic in ours.nets.critics.items():
        getattr(other, f"D_{name}").load_state_dict(critic.state_dict())

    plain_format = torch.channels_last if plain_channels_last else torch.contiguous_format
    for network in (*other.generators, *other.critics):
        network.to(memory_format=plain_format)  # type: ignore[call-overload]

    budget = Budget.from_config({"images": batch * steps, "batch_size": batch})
    ours.bind(TrainingContext(seed=0, budget=budget, train_images=batch * steps))
    step_about = StepAbout(other, clock, plain_format)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision=precision,  # type: ignore[arg-type]
            max_epochs=1,
            callbacks=[step_about],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(ours, DataLoader(Batches(batch, steps), batch_size=None))
    return step_about


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", default="slim", choices=["full", "slim", "smoke"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument(
        "--clock",
        default="wall",
        choices=["wall", "cpu"],
        help="cpu: this process's CPU time, for a busy machine and OMP_NUM_THREADS=1",
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--plain-channels-last", action="store_true", help="a stronger baseline")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--critic-concat", action="store_true")
    parser.add_argument("--tf32", action="store_true", help="for both, on CUDA")
    options = parser.parse_args()
    if options.tf32:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    else:
        torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True  # for both

    found = run(
        options.scale,
        options.batch,
        options.warm_up + options.steps,
        device=options.device,
        precision=options.precision,
        clock=time.process_time if options.clock == "cpu" else time.perf_counter,
        plain_channels_last=options.plain_channels_last,
        channels_last=options.channels_last,
        compile=options.compile,
        critic_concat=options.critic_concat,
    )
    ours = found.ours_seconds[options.warm_up :]
    plain_ = found.plain_seconds[options.warm_up :]
    losses = zip(found.ours_losses, found.plain_losses, strict=True)
    apart = [max(abs(a[name] - b[name]) for name in a) for a, b in losses]
    ratio = statistics.median(p / o for o, p in zip(ours, plain_, strict=True))
    print(f"{vars(options)}  threads={torch.get_num_threads()}")
    print(f"ours  {options.batch / statistics.median(ours):9.2f} images/s")
    print(f"plain {options.batch / statistics.median(plain_):9.2f} images/s (fp32)")
    print(
        f"ratio {ratio:9.3f}  (median of {len(ours)} pairs; "
        f"losses apart by {apart[0]:.1e} in step 1, {apart[2]:.1e} in step 3)"
    )


if __name__ == "__main__":
    main()
