"""Images per second of our SCGAN training step against the plain loop, step about.

    python benchmarks/scgan_speed.py --scale slim --batch 16
    python benchmarks/scgan_speed.py --scale full --batch 2 --precision bf16-mixed --channels-last

Both see the same batches from the same weights in one Lightning run: a step of ours (timed from
Lightning's batch start to its batch end), then a step of the plain loop, and so on; the medians
make the ratio. The plain loop is always fp32 (or TF32 with --tf32, which then holds for both), so a
ratio under another precision says what that precision buys, and is printed as such.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from report import note
from scgan_plain import PlainSCGAN, Widths
from step_about import CLOCKS, StepAbout, add_options, fit
from torch import Tensor

from facesr_bench.budget import Budget
from facesr_bench.config import build_method, plain, register_resolvers
from facesr_bench.method import TrainingContext
from facesr_bench.methods.scgan import SCGAN

CONFIG = Path(__file__).parents[1] / "conf" / "method" / "scgan.yaml"


LOSSES = ("D_L1", "D_H1", "D_L2", "D_H2", "D_HL", "R_LS", "D_SL")


def batches(batch: int, steps: int) -> list[dict[str, Tensor]]:
    """Random ones."""
    generator = torch.Generator().manual_seed(1)
    return [
        {
            "hr": torch.rand(batch, 3, 64, 64, generator=generator),
            "lr": torch.rand(batch, 3, 16, 16, generator=generator),
        }
        for _ in range(steps)
    ]


def read(losses: Any) -> dict[str, float]:
    """By name, of ours or of the plain loop."""
    values = [losses.losses[n] for n in LOSSES] if isinstance(losses, SCGAN) else losses
    return {name: value.float().item() for name, value in zip(LOSSES, values, strict=True)}


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

    def prepare(module: SCGAN, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        h, lr = (
            module.to_network(batch[key]).contiguous(memory_format=plain_format)
            for key in ("hr", "lr")
        )
        return h, lr, module.noise("z", len(h), *module.nets.noise_shape)

    step_about = StepAbout(prepare, other.step, read, clock)
    return fit(ours, batches(batch, steps), step_about, device, precision)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", default="slim", choices=["full", "slim", "smoke"])
    parser.add_argument("--batch", type=int, default=16)
    add_options(parser, steps=12)
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
        clock=CLOCKS[options.clock],
        plain_channels_last=options.plain_channels_last,
        channels_last=options.channels_last,
        compile=options.compile,
        critic_concat=options.critic_concat,
    )
    said = found.summary(options.batch, options.warm_up)
    print(f"{vars(options)}  threads={torch.get_num_threads()}")
    print(f"ours  {said['ours']:9.2f} images/s")
    print(f"plain {said['plain']:9.2f} images/s (fp32)")
    print(
        f"ratio {said['ratio']:9.3f}  (median of {options.steps} pairs; "
        f"losses apart by {said['apart_1']:.1e} in step 1, {said['apart_3']:.1e} in step 3)"
    )
    note(
        f"SCGAN training step, {options.scale}, batch {options.batch}",
        "images/s", said["ours"], said["plain"], said["ratio"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
