"""What DAP-FSR costs: a face against PULSE's search on the same prior, one adaptation, one step of E.

    python benchmarks/dap_fsr_speed.py --scale slim            the 64 px size of the shipped prior
    python benchmarks/dap_fsr_speed.py --scale full --device cuda --batch 16

Speed does not depend on what weights say, so all are random. PULSE's hundred steps run G forward and
backward, DAP-FSR runs E and G once: by FLOPs it can be 2 * steps * G / (G + E) times faster, which is
printed beside the measured ratio, as is the ratio against the plain loop of ``pulse_plain.py``. The
step of E is timed against a plain loop over the same networks with stock Adam and nothing else, step
about.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import torch
from omegaconf import OmegaConf
from pulse_speed import plain_of
from report import note
from torch import Tensor
from torch.nn.functional import mse_loss

from facesr_bench.adaptation.contract import Exemplars
from facesr_bench.adaptation.features import open_features
from facesr_bench.config import plain, register_resolvers
from facesr_bench.cost import count_flops, time_call
from facesr_bench.methods.dap_fsr import DAPFSR
from facesr_bench.methods.pulse import PULSE
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.nets.stylegan2.folded import unfold
from facesr_bench.priors.loaded import LoadedPrior

CONF = Path(__file__).parents[1] / "conf" / "method"
CLOCK = [time.perf_counter]
PRIORS = {
    "full": {"resolution": 128},
    "slim": {"resolution": 64, "z_dim": 128, "w_dim": 128, "map_layers": 4,
             "channel_base": 2048, "channel_max": 256},
    "smoke": {"resolution": 64, "z_dim": 16, "w_dim": 16, "map_layers": 2,
              "channel_base": 256, "channel_max": 16},
}  # fmt: skip
HARNESS = ("name", "budget", "shipped", "defaults", "_target_", "prior")


def settings(name: str, scale: str, side: int) -> dict[str, Any]:
    """A method's YAML at a scale."""
    register_resolvers()
    config = OmegaConf.create(
        {"scale": scale, "seed": 0, "data": {"hr_size": side, "factor": side // 16}}
    )
    config.method = OmegaConf.load(CONF / f"{name}.yaml")
    return {k: v for k, v in plain(config)["method"].items() if k not in HARNESS}


def prior(scale: str) -> LoadedPrior:
    """A random one of the size a scale goes with."""
    torch.manual_seed(0)
    return LoadedPrior("random", StyleGAN2(**PRIORS[scale]))  # type: ignore[arg-type]


def against_pulse(
    method: DAPFSR, scale: str, side: int, device: torch.device, batch: int, rounds: int
) -> None:
    """Seconds a face in turns with our PULSE's; the ratio, its bound, and a plain loop's.

    Work is counted on the networks as the paper has them, whatever we make of them.
    """
    search = PULSE(prior=prior(scale), **{**settings("pulse", scale, side), "fit_samples": 20_000})
    search.to(device).eval()
    lr = torch.rand(batch, 3, 16, 16, device=device)
    encoder, synthesis = method.nets.E, method.nets.G
    plain_synthesis = copy.deepcopy(synthesis)
    unfold(plain_synthesis)
    ws = torch.zeros(batch, encoder.codes, encoder.w_dim, device=device)
    small = method.to_network(lr)
    calls: dict[str, Callable[[], object]] = {
        "face": lambda: method.super_resolve(lr),
        "E": lambda: method.nets.codes(small),
        "G": lambda: method.nets.images(ws),
        "E unfolded": lambda: encoder(small),
        "G unfolded": lambda: plain_synthesis(ws),
        "PULSE": lambda: search.super_resolve(lr),
    }
    with torch.no_grad():
        work = {name: count_flops(calls[f"{name} unfolded"]) / batch for name in ("E", "G")}
        each = {name: seconds / batch for name, seconds in in_turns(calls, device, rounds).items()}
    steps, both = search.recipe.steps, sum(work.values())
    bound, ratio = 2 * steps * work["G"] / both, each["PULSE"] / each["face"]
    print(f"batch {batch}: a face, CPU or GPU milliseconds and GFLOP/s")
    for name, gflop in {
        "face": both,
        **work,
        "E unfolded": work["E"],
        "G unfolded": work["G"],
    }.items():
        print(f"  {name:<11}{each[name] * 1e3:9.2f} ms  {gflop / each[name] / 1e9:7.1f}")
    rate = 2 * steps * work["G"] / each["PULSE"] / 1e9
    print(f"  {'PULSE':<11}{each['PULSE'] * 1e3:9.2f} ms  {rate:7.1f}   {steps} steps, same prior")
    before = each["PULSE"] / (each["E unfolded"] + each["G unfolded"])
    print(f"  ratio {ratio:.1f}, bound {bound:.1f} by FLOPs, {ratio / bound:.2f} of it; "
          f"with nothing folded {before / bound:.2f}")  # fmt: skip
    note(
        f"DAP-FSR, a face against PULSE's search, {scale}, batch {batch}", "images/s",
        1 / each["face"], 1 / each["PULSE"], ratio,
    )  # fmt: skip
    if batch > 1:
        return
    official = plain_of(search, shared_kernels=False)

    def loop() -> Tensor:
        start = search.start(["one"], device)
        return official.search(lr, start.latent, start.noise, len(start.searched) - 1)

    with torch.enable_grad():
        slower = time_call(loop, device, 10.0, CLOCK[0])
    print(f"  PULSE as a plain loop {slower * 1e3:.0f} ms, {slower / each['face']:.0f} times ours")


def in_turns(
    calls: dict[str, Callable[[], object]], device: torch.device, rounds: int
) -> dict[str, float]:
    """Median seconds of each, one after another; a short call is the median of several each time."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            limit = 1e-9 if name == "PULSE" else 3.0
            found[name].append(time_call(call, device, limit, CLOCK[0]))
    return {name: statistics.median(each) for name, each in found.items()}


def one_adaptation(method: DAPFSR, side: int, device: torch.device, steps: int) -> None:
    """Seconds of an inner iteration, and of all of them."""
    generator = torch.Generator().manual_seed(1)
    hr = torch.rand(1, 3, side, side, generator=generator).to(device)
    lr = torch.rand(1, 3, 16, 16, generator=generator).to(device)
    marks: list[float] = []

    def done() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        marks.append(CLOCK[0]())
        if len(marks) >= steps:
            raise StopIteration

    before = copy.deepcopy(method.nets.G.state_dict())
    with suppress(StopIteration):
        method.adapt(Exemplars(("one",), lr, hr), 0, done)
    method.nets.G.load_state_dict(before)
    each = statistics.median(b - a for a, b in pairwise(marks))
    print(f"adapt     {each * 1e3:10.2f} ms   an inner iteration; "
          f"{each * method.adaptation_steps:.1f} s for {method.adaptation_steps}")  # fmt: skip


def step_about(method: DAPFSR, batch: int, side: int, device: torch.device, steps: int) -> None:
    """A step of E as the method makes it, and the same by a plain loop."""
    generator = torch.Generator().manual_seed(2)
    data = {
        "hr": torch.rand(batch, 3, side, side, generator=generator).to(device),
        "lr": torch.rand(batch, 3, 16, 16, generator=generator).to(device),
    }
    nets, features = copy.deepcopy(method.nets).train(), open_features("vgg19_random")
    assert features is not None
    features.to(device)
    plain_adam = torch.optim.Adam(nets.E.parameters(), lr=1e-4)
    our_adam = method.configure_optimizers()
    method.train()

    def ours() -> Tensor:
        loss, _ = method._loss(method.to_network(data["lr"]), method.to_network(data["hr"]))
        our_adam.zero_grad()
        loss.backward()
        our_adam.step()
        return loss.detach()

    def loop() -> Tensor:
        lr, hr = data["lr"] * 2 - 1, data["hr"] * 2 - 1
        made = nets.G(nets.rule.mu + nets.E(lr) * nets.rule.sigma)
        loss = mse_loss(made, hr)
        with torch.no_grad():
            target = features((hr + 1) / 2)
        for name, x in features((made + 1) / 2).items():
            loss = loss + mse_loss(x, target[name])
        plain_adam.zero_grad()
        loss.backward()
        plain_adam.step()
        return loss.detach()

    def seconds(step: Callable[[], Tensor]) -> tuple[float, float]:
        started = CLOCK[0]()
        value = float(step())  # waits for a GPU
        return CLOCK[0]() - started, value

    pairs = [(seconds(ours), seconds(loop)) for _ in range(steps + 2)]
    (_, first), (_, theirs) = pairs[0]
    ratio = statistics.median(b[0] / a[0] for a, b in pairs[2:])
    ours_each = statistics.median(a[0] for a, _ in pairs[2:])
    rate = batch / ours_each
    note(f"DAP-FSR training step, batch {batch}", "images/s", rate, rate / ratio, ratio)
    print(f"step of E {ours_each * 1e3:10.2f} ms   batch {batch}; plain loop over ours {ratio:.3f}, "
          f"losses apart by {abs(first - theirs):.1e}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", default="slim", choices=list(PRIORS))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument(
        "--faces", type=int, nargs="+", default=[1, 8], help="batches against PULSE"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns against PULSE")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--only", default="all", choices=["all", "pulse", "adapt", "step"])
    parser.add_argument(
        "--clock",
        default="wall",
        choices=["wall", "cpu"],
        help="cpu: this process's CPU time, for a busy machine and OMP_NUM_THREADS=1",
    )
    options = parser.parse_args()
    if options.clock == "cpu":
        CLOCK[0] = time.process_time
    device, scale = torch.device(options.device), options.scale
    side = PRIORS[scale]["resolution"]
    arguments = settings("dap_fsr", scale, side) | {
        "features": "vgg19_random", "backbone_weights": None,
        "channels_last": options.channels_last, "statistics_samples": 2000,
    }  # fmt: skip
    method = DAPFSR(prior=prior(scale), **arguments).to(device).eval()
    method._open_features()
    print(f"{vars(options)}  threads={torch.get_num_threads()}")
    if options.only in ("all", "pulse"):
        for faces in options.faces:
            against_pulse(method, scale, side, device, faces, options.rounds)
    if options.only in ("all", "adapt"):
        one_adaptation(method, side, device, options.steps + 1)
    if options.only in ("all", "step"):
        step_about(method, options.batch, side, device, options.steps)


if __name__ == "__main__":
    main()
