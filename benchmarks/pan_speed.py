"""Images per second of our PAN training step against the plain loop, step about, stage by stage.

    python benchmarks/pan_speed.py --scale slim                      # every stage of 16 -> 64
    python benchmarks/pan_speed.py --scale full --sides 64 --batch 4
    python benchmarks/pan_speed.py --memory                          # one 128 -> 1024 forward

Both see the same batches and noise from the same weights in one Lightning run: a step of ours (timed
from Lightning's batch start to its batch end), then a step of the plain loop, and so on; the median
of the pairs' ratios is printed. Each stage is measured without and within its fade-in. Ours draws its
noise and mirrors its images inside the clock, the plain loop is handed both.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from pan_plain import PlainPAN
from report import note
from step_about import CLOCKS, StepAbout, add_options, fit
from torch import Tensor

from facesr_bench.budget import Budget, Phase
from facesr_bench.config import build_method, plain, register_resolvers
from facesr_bench.cost import peak_memory, time_call
from facesr_bench.method import TrainingContext
from facesr_bench.methods.pan import PAN
from facesr_bench.methods.pan.noise import TrainingNoise
from facesr_bench.methods.pan.schedule import stage_at

CONFIG = Path(__file__).parents[1] / "conf" / "method" / "pan.yaml"


class Recorded:
    """Training noise that remembers its maps by layer, for the plain loop."""

    def __init__(self, noise: TrainingNoise) -> None:
        self._noise = noise
        self.maps: dict[str, Tensor] = {}

    def draw(self, method: PAN, side: int, batch: int) -> dict[str, Tensor]:
        """All maps of a stage."""
        for r in (r for r in method.G.sides if method.lr_side < r <= side):
            for layer in ("up", "conv"):
                like = torch.empty(batch, 1, r, r, device=method.device)
                self.maps[f"{r}.{layer}"] = self._noise(f"{r}.{layer}", like)
        return self.maps


def read(losses: Any) -> tuple[float, float]:
    """L_D and L_G, of ours or of the plain loop."""
    d, g = (losses.losses["D"], losses.losses["G"]) if isinstance(losses, PAN) else losses
    return d.item(), g.item()


def settings(scale: str, hr_size: int, factor: int) -> dict[str, Any]:
    """The method's YAML at one scale."""
    register_resolvers()
    config = OmegaConf.create({"scale": scale, "data": {"hr_size": hr_size, "factor": factor}})
    config.method = OmegaConf.load(CONFIG)
    found: dict[str, Any] = plain(config)["method"]
    return found


def run(
    scale: str,
    side: int,
    fading: bool,
    batch: int,
    steps: int,
    *,
    hr_size: int = 64,
    factor: int = 4,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
    plain_channels_last: bool = False,
    **arguments: Any,
) -> StepAbout:
    """Train both for ``steps`` steps of one stage from the same weights.

    In a fade alpha starts at 0.5, where both branches count.
    """
    method = settings(scale, hr_size, factor) | arguments
    torch.manual_seed(0)
    ours: PAN = build_method(method)
    with torch.no_grad():  # so that noise counts
        for name, p in ours.G.named_parameters():
            if "noise" in name:
                p.fill_(0.1)
    other = PlainPAN(
        ours.lr_side, ours.side, method["channel_base"], method["channel_max"],
        device, method["ema_half_life"],
    )  # fmt: skip
    assert ours.D is not None
    other.G.load_state_dict(ours.G.state_dict())
    other.D.load_state_dict(ours.D.state_dict())
    plain_format = torch.channels_last if plain_channels_last else torch.contiguous_format
    for network in (other.G, other.D):
        network.to(memory_format=plain_format)  # type: ignore[call-overload]

    facts = {"side": side, "fade": fading, "lr": 1e-3}
    done = batch * steps
    phases = [Phase("stage", 2 * done, batch, facts)]
    if side != ours.side:
        phases.append(Phase("end", 1, batch, {"side": ours.side, "fade": False, "lr": 1e-3}))
    ours.bind(TrainingContext(seed=0, budget=Budget(phases), train_images=done))
    ours.images_seen = done
    generator = torch.Generator().manual_seed(1)
    items = [
        {
            "hr": torch.rand(batch, 3, hr_size, hr_size, generator=generator),
            "lr": torch.rand(batch, 3, ours.lr_side, ours.lr_side, generator=generator),
        }
        for _ in range(steps)
    ]

    def prepare(module: PAN, batch: dict[str, Tensor]) -> tuple[Any, ...]:
        context = module.context
        stage = stage_at(*context.budget.phase_at(module.images_seen))
        x, y = module.stage_images(batch, stage)  # type: ignore[arg-type]
        x, y = (image.contiguous(memory_format=plain_format) for image in (x, y))
        maps = [
            Recorded(TrainingNoise(context.seed, f"pan-noise-{who}", module.images_seen)).draw(
                module, stage.side, len(x)
            )
            for who in "DG"
        ]
        return x, y, stage.side, stage.alpha, *maps

    return fit(ours, items, StepAbout(prepare, other.step, read, clock), device)


def measure_1024(fused: bool) -> None:
    """Seconds and peak memory of one 128 -> 1024 forward at full width."""
    method = build_method(settings("full", 1024, 8) | {"fused": fused, "objective": "l1"}).eval()
    lr = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        peak, kind = peak_memory(lambda: method.super_resolve(lr), lr.device)
        seconds = time_call(lambda: method.super_resolve(lr), lr.device, 5.0)
    weights = sum(p.numel() for p in method.G_ema.parameters()) * 4
    print(f"128 -> 1024, fused={fused}: {seconds:.2f} s, {peak / 2**20:.0f} MiB ({kind}), ", end="")
    print(f"weights {weights / 2**20:.0f} MiB, threads={torch.get_num_threads()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", default="slim", choices=["full", "slim", "smoke"])
    parser.add_argument("--hr-size", type=int, default=64)
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--sides", type=int, nargs="*", help="stages; all of them if not given")
    parser.add_argument("--batch", type=int, help="the recipe's for one GPU if not given")
    add_options(parser, steps=8)
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--plain-channels-last", action="store_true", help="a stronger baseline")
    parser.add_argument("--fused", action="store_true", help="ours with 4x4 kernels, too")
    parser.add_argument("--memory", action="store_true", help="128 -> 1024, one forward")
    options = parser.parse_args()
    if options.memory:
        return measure_1024(options.fused)
    torch.backends.cudnn.benchmark = True  # for both
    budget = settings(options.scale, options.hr_size, options.factor)["budget"]
    sides = [1 << k for k in range(3, options.hr_size.bit_length())]
    print(f"{vars(options)}  threads={torch.get_num_threads()}")
    for side in options.sides or sides:
        table = {r: size for r, size in budget["batch_per_gpu"].items() if r <= side}
        batch = options.batch or table[max(table)]
        for fading in (False, True) if side > sides[0] else (False,):
            found = run(
                options.scale,
                side,
                fading,
                batch,
                options.warm_up + options.steps,
                hr_size=options.hr_size,
                factor=options.factor,
                device=options.device,
                clock=CLOCKS[options.clock],
                plain_channels_last=options.plain_channels_last,
                channels_last=options.channels_last,
                fused=options.fused,
            )
            said = found.summary(batch, options.warm_up)
            what = f"{side:5} px{' fade' if fading else '     '} batch {batch:3}"
            print(
                f"{what}: ours {said['ours']:8.2f} images/s, plain {said['plain']:8.2f}, ratio "
                f"{said['ratio']:.2f} (losses apart by {said['apart_1']:.1e}, "
                f"{said['apart_3']:.1e} in steps 1, 3)",
                flush=True,
            )
            note(
                f"PAN training step, {options.scale}, {' '.join(what.split())}",
                "images/s", said["ours"], said["plain"], said["ratio"],
            )  # fmt: skip
    return None


if __name__ == "__main__":
    main()
