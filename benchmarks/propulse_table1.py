"""Pro-PULSE's Table I: FID, NIQE, runtime, FLOPs and parameters beside PULSE's, on the same images.

    python benchmarks/propulse_table1.py RUN --images 100           # a finished run of +method=propulse
    python benchmarks/propulse_table1.py RUN --psp PSP_RUN          # and one of +method=psp
    python benchmarks/propulse_table1.py RUN --psp psp_sr           # or the authors' pSp
    python benchmarks/propulse_table1.py                            # untrained: runtime and FLOPs only

PULSE searches the run's own prior; all methods see the same LR faces on the same device, one at a time
in turns. Below the table stand three figures for the runtime: against a plain PULSE loop over images
(``pulse_plain.py``), against our PULSE, and what the FLOPs allow. FID needs its Inception file; without
it a Fréchet distance of SqueezeNet features stands in, under its own name. ``--out``: also as JSON.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import numpy as np
import torch
import yaml
from pulse_plain import PlainPULSE
from pulse_speed import plain_of
from report import note
from torch import Tensor

from facesr_bench.checkpoints import load_weights, read_checkpoint
from facesr_bench.config import build_data, build_method, plain
from facesr_bench.console import format_count, format_value
from facesr_bench.cost import count_both, count_parameters
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.images import UInt8Image, to_float, to_uint8, write_atomically
from facesr_bench.method import Method
from facesr_bench.metrics.base import Expected, ScoreBatch
from facesr_bench.metrics.choosing import compose_metrics
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.scoring import stack

Settings = dict[str, Any]
GOAL = 0.8
"""Share of the bound that the runtime ratio against our PULSE is to reach."""


def settings_of(run: Path | None, n_feats: int | None = None) -> Settings:
    """The configuration of a finished run, or of an untrained one on the embedded faces."""
    if run is not None:
        content: Settings = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        return content
    from hydra import compose, initialize_config_module

    from facesr_bench.config import register_resolvers

    register_resolvers()
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        words = ["+method=propulse", "+data=tiny", "scale=slim", "logger=none"]
        words += [] if n_feats is None else [f"method.n_feats={n_feats}"]
        return plain(compose("config", words))


def trained(run: Path) -> Method:
    """The method of a finished run with its weights."""
    method: Method = build_method(settings_of(run)["method"])
    path = run / "checkpoints" / "last.ckpt"
    load_weights(method, read_checkpoint(path), str(path))
    return method


def competitors(options: argparse.Namespace, settings: Settings) -> dict[str, Method]:
    """The methods of the table by name."""
    own = settings["method"]
    propulse = build_method(own) if options.run is None else trained(options.run)
    if options.run is None:  # as after training: E_W+ makes all codes
        propulse.nets.E_Wplus.trained_codes.fill_(propulse.nets.G_ds.num_codes)
    found: dict[str, Method] = {"Pro-PULSE": propulse}
    target = "facesr_bench.methods.pulse.PULSE"
    sizes = {"prior": own["prior"], "hr_size": own["hr_size"], "steps": options.steps}
    fit = 1_000_000 if options.run else 20_000
    found["PULSE"] = build_method({"_target_": target, **sizes, "fit_samples": fit})
    if options.psp is not None and Path(options.psp).is_dir():
        found["pSp"] = trained(Path(options.psp))
    elif options.psp is not None:
        sizes = {"hr_size": own["hr_size"], "factor": own["factor"], "weights": options.psp}
        none = {"body_weights": None, "lpips": None, "identity": None}
        found["pSp"] = build_method({"_target_": "facesr_bench.methods.psp.PSP", **sizes, **none})
    return {name: method.to(options.device).eval() for name, method in found.items()}


def in_turns(
    calls: Mapping[str, Callable[[int], object]],
    repeats: int,
    clock: Callable[[], float],
    wait: Any,
) -> dict[str, list[float]]:
    """Seconds of each call, one image after another, after one warm-up each."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(-1, repeats):
        for name, call in calls.items():
            wait()
            started = clock()
            call(max(repeat, 0))
            wait()
            if repeat >= 0:
                seconds[name].append(clock() - started)
    return seconds


def timed(
    methods: Mapping[str, Method], lr: Tensor, keys: Sequence[str], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Seconds per image at batch 1, of the methods and of a plain PULSE loop."""
    pulse: Any = methods["PULSE"]
    loop: PlainPULSE = plain_of(pulse, shared_kernels=False)

    def plain_search(index: int) -> None:
        start = pulse.start([keys[index]], lr.device)
        loop.mses.clear()
        with torch.enable_grad():
            loop.search(lr[index : index + 1], start.latent, start.noise, len(start.searched) - 1)

    def one(method: Method) -> Callable[[int], object]:
        return lambda index: method.restore(lr[index : index + 1], [keys[index]])

    calls: dict[str, Callable[[int], object]] = {n: one(m) for n, m in methods.items()}
    calls["a plain PULSE loop"] = plain_search
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    wait = torch.cuda.synchronize if options.device == "cuda" else lambda: None
    return in_turns(calls, options.timed, clock, wait)


def lr_faces(images: Sequence[UInt8Image], device: str) -> Tensor:
    """As methods take them: float32 (B, 3, h, w) in [0, 1]."""
    return to_float(torch.from_numpy(np.stack(images))).to(device)


def scored(
    method: Method, data: FaceSRDataModule, metrics: Settings, count: int, device: str
) -> dict[str, Any]:
    """Metrics of the first ``count`` test images, by name; reasons where there is no value."""
    test_set = data.test_set
    suite = MetricSuite.from_config(
        metrics, f"{data.test_name}-test", data.downsample, data.degradation.settings()
    )
    lr = lr_faces(test_set.lr[:1], device)
    size = method.test_batch_size(lr, data.test_batch_size)
    suite.expect(Expected(count, None))
    for start in range(0, count, size):
        positions = range(start, min(start + size, count))
        keys = [test_set.keys[p] for p in positions]
        small = [test_set.lr[p] for p in positions]
        sr = to_uint8(method.restore(lr_faces(small, device), keys))
        samples = [test_set.sample(p) for p in positions]
        suite.update(
            ScoreBatch(
                keys=keys,
                sr=torch.from_numpy(sr).permute(0, 3, 1, 2).contiguous(),
                hr=stack([s.hr for s in samples if s.hr is not None]) if test_set.has_hr else None,
                lr=stack(small),
                identities=[test_set.identities[p] for p in positions],
                landmarks=[s.landmarks for s in samples],
                attributes=[s.attributes for s in samples],
            )
        )
    scores = suite.finish()
    for name, reason in {**scores.skipped, **scores.failed}.items():
        print(f"no {name}: {reason.splitlines()[0]}")
    return {name: value.to_json() for name, value in scores.values.items()}


def show(rows: Mapping[str, Settings]) -> None:
    """The table as Markdown; a column for every metric that any row has."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row["metrics"]))
    head = ["method", *names, "runtime [s], mean", "FLOPs", "flops_paper_rule", "parameters"]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for label, row in rows.items():
        values = [format_value(row["metrics"].get(name) or {}) for name in names]
        seconds = f"{row['seconds']:.4g}"
        counts = [format_count(row[n]) for n in ("flops", "flops_paper_rule", "params")]
        cells = [label, *values, seconds, *counts]
        print("| " + " | ".join(cells) + " |")


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?", help="finished run of +method=propulse")
    parser.add_argument("--psp", help="a finished run of +method=psp, or registered weights")
    parser.add_argument("--n-feats", type=int, help="of an untrained one, instead of slim's")
    parser.add_argument("--images", type=int, default=0, help="to score; 0: none")
    parser.add_argument("--timed", type=int, help="images to time; a run's whole test set, else 5")
    parser.add_argument("--steps", type=int, default=100, help="of PULSE")
    parser.add_argument("--metrics", nargs="+", default=["fid_kid", "fd_squeezenet", "niqe"])
    parser.add_argument("--clock", default="wall", choices=["wall", "cpu"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = False
    settings = settings_of(options.run, options.n_feats)
    data, methods = build_data(settings["data"]), competitors(options, settings)
    test_set = data.test_set
    timed_images = options.timed or (5 if options.run is None else len(test_set))
    options.timed = min(timed_images, len(test_set))
    lr = lr_faces(test_set.lr[: options.timed], options.device)
    print(f"{vars(options)}  threads={torch.get_num_threads()}")
    seconds = timed(methods, lr, test_set.keys, options)
    count = min(options.images, len(test_set))
    metrics = compose_metrics(options.metrics, (), settings["data"]) if count else {}
    metrics |= {"on_missing": "skip", "allow_small": True}
    rows: dict[str, Settings] = {}
    for name, method in methods.items():
        flops, by_paper_rule = count_both(lambda method=method: method.super_resolve(lr[:1]))
        rows[name] = {
            "metrics": scored(method, data, metrics, count, options.device) if count else {},
            "seconds": statistics.fmean(seconds[name]),
            "flops": flops,
            "flops_paper_rule": by_paper_rule,
            "params": count_parameters(method),
        }
    show(rows)
    ours = seconds["Pro-PULSE"]
    ratios = {
        name: statistics.median(t / o for t, o in zip(seconds[name], ours, strict=True))
        for name in seconds
        if name != "Pro-PULSE"
    }
    bound = rows["PULSE"]["flops"] / rows["Pro-PULSE"]["flops"]
    share = ratios["PULSE"] / bound
    print(f"runtime of a plain PULSE loop over Pro-PULSE's: {ratios['a plain PULSE loop']:.1f}")
    print(
        f"runtime of our PULSE over Pro-PULSE's: {ratios['PULSE']:.1f}, {share:.2f} of what the FLOPs "
        f"allow (goal {GOAL})"
    )
    print(f"FLOPs of PULSE over Pro-PULSE's, the bound: {bound:.1f}")
    for name, ratio in ratios.items():
        theirs = statistics.median(seconds[name])
        note(f"Pro-PULSE against {name}, one face", "s", statistics.median(ours), theirs, ratio)
    if "pSp" in ratios:
        print(f"runtime of pSp over Pro-PULSE's: {ratios['pSp']:.2f}")
    if options.out is not None:
        content = {"rows": rows, "ratios": ratios, "bound": bound, "images": count}
        write_atomically(options.out, (json.dumps(content, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
