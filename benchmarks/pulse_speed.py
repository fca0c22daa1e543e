"""Images per second of our PULSE against a plain loop over images, search about.

    python benchmarks/pulse_speed.py                       # the shipped prior, batches 1 and 16
    python benchmarks/pulse_speed.py --batch 8 --plain-shared

Both search for the same images from the same starts with the same weights: ours a batch, then the
plain loop one image, and so on; medians make the ratio. LR images come from the prior itself. It also
says how far the two are apart (three steps, and the LR-MSE of the last image), what bounds the step,
and the peak memory. The plain loop is always fp32.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import torch
from pulse_plain import PlainPULSE, PlainSynthesis
from report import note
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from facesr_bench.cost import peak_memory
from facesr_bench.methods.pulse import PULSE
from facesr_bench.methods.pulse.losses import Loss, mean_square
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors import LoadedPrior
from facesr_bench.priors.sources import from_file, shipped

LR_SIDE = 16


def random_prior() -> LoadedPrior:
    """A generator of the shipped prior's size with random weights: the same arithmetic."""
    torch.manual_seed(0)
    network = StyleGAN2(64, 128, 128, 4, 2048, 256)
    for name, value in network.named_parameters():
        if name.endswith("noise_strength"):
            value.data.fill_(0.1)
    return LoadedPrior("random64", network)


def plain_of(method: PULSE, shared_kernels: bool) -> PlainPULSE:
    """The plain loop with the same weights."""
    widths = {s: int(b.conv1.weight.shape[0]) for s, b in _blocks(method.synthesis)}
    synthesis = PlainSynthesis(widths, method.synthesis.w_dim, shared_kernels)
    synthesis.load_state_dict(method.synthesis.state_dict())
    device = next(method.parameters()).device
    steps, factor = method.recipe.steps, method.prior.resolution // LR_SIDE
    fit = method.latent_map
    return PlainPULSE(synthesis.to(device), fit.mean, fit.std, factor, steps)


def _blocks(synthesis: Any) -> list[tuple[int, Any]]:
    return list(zip(synthesis.sides, synthesis.blocks, strict=True))


@dataclass
class Recorder:
    """A loss that remembers the LR-MSE of every step."""

    loss: Loss
    mses: list[Tensor] = field(default_factory=list)

    @property
    def eps(self) -> float:
        """Of the loss."""
        return self.loss.eps

    def __call__(self, y: Tensor, x: Tensor, codes: Tensor) -> Tensor:
        """The loss itself."""
        self.mses.append(mean_square(y, x).detach())
        return self.loss(y, x, codes)


def lr_images(method: PULSE, count: int, device: torch.device) -> Tensor:
    """Faces of the prior, reduced."""
    generator = torch.Generator().manual_seed(1)
    network = method.prior.network
    z = torch.randn(count, network.z_dim, generator=generator)
    codes = network.mapping.cpu()(z)[:, None].expand(-1, network.num_codes, -1).to(device)
    noise = [torch.zeros(1, 1, *shape, device=device) for shape in network.noise_shapes]
    images = (method.synthesis(codes, noise) + 1) / 2
    return method._reduction(LR_SIDE, device)(images.clamp(0, 1)).clamp(0, 1)


def compare(method: PULSE, plain: PlainPULSE, batch: int, repeats: int, clock: Any) -> None:
    """Print one batch size's line."""
    device = next(method.parameters()).device
    lr = lr_images(method, batch, device)
    keys = [str(index) for index in range(batch)]

    def ours() -> None:
        method.restore(lr, keys)

    def theirs(index: int) -> None:
        start = method.start([keys[index]], device)
        plain.mses.clear()
        plain.search(lr[index : index + 1], start.latent, start.noise, len(start.searched) - 1)

    our_seconds, plain_seconds = [], []
    with torch.no_grad():
        peak, kind = peak_memory(ours, device)  # warms up, too
        with torch.enable_grad():
            theirs(0)
        for repeat in range(repeats):
            our_seconds.append(_time(ours, clock, device) / batch)
            with torch.enable_grad():
                index = repeat % batch
                plain_seconds.append(_time(lambda index=index: theirs(index), clock, device))
        recipe, recorder = method.recipe, Recorder(method.recipe.loss)
        method.recipe = replace(recipe, loss=recorder)  # type: ignore[arg-type]
        ours()
        method.recipe = recipe
    mses = torch.stack(recorder.mses).cpu()[:, index]
    early = max(abs(a / b - 1) for a, b in zip(mses[:3].tolist(), plain.mses[:3], strict=True))
    ratio = statistics.median(p / o for o, p in zip(our_seconds, plain_seconds, strict=True))
    print(
        f"batch {batch:3d}: ours {1 / statistics.median(our_seconds):7.3f} images/s, plain "
        f"{1 / statistics.median(plain_seconds):7.3f}, ratio {ratio:5.2f} (median of {repeats}); "
        f"LR-MSE of 3 steps apart by {early:.1e}, of the last by "
        f"{abs(mses[-1].item() / plain.mses[-1] - 1):.1e}; peak {peak / 2**20:.0f} MiB ({kind})"
    )
    speeds = [1 / statistics.median(seconds) for seconds in (our_seconds, plain_seconds)]
    note(f"PULSE, {method.recipe.steps} steps, batch {batch}", "images/s", *speeds, ratio)
    note(f"peak memory of PULSE, batch {batch} ({kind})", "MiB", peak / 2**20)


def bound(method: PULSE, batch: int, clock: Any) -> None:
    """What bounds a search: its FLOPs at the speed of a large matrix product."""
    device = next(method.parameters()).device
    lr = torch.rand(1, 3, LR_SIDE, LR_SIDE, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        method.super_resolve(lr)
    flops = counter.get_total_flops()
    a = torch.randn(2048, 2048, device=device)
    seconds = min(_time(lambda: a @ a, clock, device) for _ in range(5))
    speed = 2 * 2048**3 / seconds
    print(
        f"one image is {flops / 1e9:.1f} GFLOP; a matrix product runs at {speed / 1e9:.0f} GFLOP/s, so "
        f"no more than {speed / flops:.2f} images/s in fp32"
    )


def _time(call: Callable[[], object], clock: Any, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return float(clock() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prior", default="shipped", help="shipped, random, or a file")
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clock", default="wall", choices=["wall", "cpu"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--plain-shared", action="store_true", help="a stronger baseline")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = False
    sources = {"shipped": lambda: shipped("synthface64"), "random": random_prior}
    prior = sources.get(options.prior, lambda: from_file(options.prior))()
    method = PULSE(
        prior=prior,
        steps=options.steps,
        fit_samples=20_000,
        channels_last=options.channels_last,
        bf16=options.bf16,
        compile=options.compile,
    )
    method.to(options.device).eval()
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    plain = plain_of(method, options.plain_shared)
    print(f"{vars(options)}  threads={torch.get_num_threads()}")
    bound(method, 1, clock)
    for batch in options.batch:
        compare(method, plain, batch, options.repeats, clock)


if __name__ == "__main__":
    main()
