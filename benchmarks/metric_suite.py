"""The metric suite against the kept libraries run one after another, on the same image files.

    python benchmarks/metric_suite.py --pairs 1000 --side 64

Ours: PNG files are read and decoded once, then PSNR, SSIM (RGB and Y), LR consistency, SWD,
LPIPS-squeeze, fd_squeezenet and NIQE in one pass, with all intervals. "First": nothing is known of the
HR images. "Next": their features and NIQE were kept from the method before, as in every table.

Theirs: torchmetrics PSNR, SSIM (RGB and Y) and FID over SqueezeNet features, lpips, pyiqa NIQE, each a
loop of its own that reads the files again, without intervals. SWD and LR consistency have no kept
library; so ours is timed with and without SWD. SSIM is timed in float64 (equal to ours to 1e-6) and in
float32 (equal to 1e-4).

SqueezeNet and NIQE weights are drawn at random unless the real ones are imported: speed does not
depend on them. One thread, CPU time, both in one process: read the ratio, not the seconds.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip
import lpips
import numpy as np
import psutil
import torch
import torchmetrics.functional.image as functional
from fabricated_weights import fabricate
from hydra.utils import get_class
from PIL import Image
from report import note
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from facesr_bench.images import encode_png, read_rgb
from facesr_bench.metrics.base import Expected, ScoreBatch
from facesr_bench.metrics.choosing import compose_metrics
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.scoring import stack
from facesr_bench.weights.loading import load_state, locate

MEASURES = ["core", "lpips_squeeze", "fd_squeezenet", "niqe"]
BATCH = 32


def write_pairs(folder: Path, pairs: int, side: int) -> list[str]:
    """HR faces of synthface, their bicubic LR and its bicubic enlargement, as PNG."""
    render = get_class("facesr_bench.datasets.synthface.SynthFace")
    data = render(size=side, identities={"test": (pairs + 3) // 4}, photos={"test": 4})
    split = data.split("test")
    names = []
    for index in range(pairs):
        hr = split[index].hr
        lr = Image.fromarray(hr).resize((side // 4, side // 4), Image.Resampling.BICUBIC)
        sr = np.asarray(lr.resize((side, side), Image.Resampling.BICUBIC))
        name = f"{index:05d}.png"
        for kind, image in (("hr", hr), ("lr", np.asarray(lr)), ("sr", sr)):
            (folder / kind).mkdir(exist_ok=True)
            (folder / kind / name).write_bytes(encode_png(np.ascontiguousarray(image)))
        names.append(name)
    return names


def batches(folder: Path, names: list[str]) -> Iterator[dict[str, Tensor]]:
    """uint8 (B, 3, H, W) of SR and HR, read from disk."""
    for start in range(0, len(names), BATCH):
        chosen = names[start : start + BATCH]
        yield {
            kind: stack([read_rgb(folder / kind / name) for name in chosen])
            for kind in ("sr", "hr")
        }


def ours(folder: Path, names: list[str], *, swd: bool = True, hr_hash: str | None = None) -> float:
    """Everything in one pass; seconds of CPU."""
    config = {**compose_metrics(MEASURES), "allow_small": True}
    if not swd:
        del config["measures"]["swd"]
    suite = MetricSuite.from_config(config, "bench")
    began = time.process_time()

    def score_batches() -> Iterator[ScoreBatch]:
        for start in range(0, len(names), BATCH):
            chosen = names[start : start + BATCH]
            images = [stack([read_rgb(folder / k / n) for n in chosen]) for k in ("sr", "hr", "lr")]
            yield ScoreBatch(chosen, *images, [None] * len(chosen))

    scores = suite.score(score_batches(), Expected(len(names), hr_hash))
    if scores.failed:
        raise SystemExit(f"failed: {scores.failed}")
    return time.process_time() - began


class SqueezeFeatures(torch.nn.Module):
    """SqueezeNet features for torchmetrics' FID, as fd_squeezenet defines them."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        from torchvision.models import squeezenet1_1

        super().__init__()
        network = squeezenet1_1()
        network.load_state_dict(state)
        self.features = network.features[:8].eval()
        self.num_features = 256
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, H, W) to (B, 256)."""
        scaled = (images.float() / 255 - self.mean) / self.std
        found: Tensor = self.features(scaled).mean(dim=(2, 3))
        return found


def luma(images: Tensor) -> Tensor:
    """BT.601 studio swing on 0..1, (B, 1, H, W)."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=images.dtype)[:, None, None] / 255
    return (images * weights).sum(1, keepdim=True) + 16 / 255


@torch.no_grad()
def theirs(folder: Path, names: list[str], ssim_dtype: torch.dtype) -> dict[str, float]:
    """One library after another; seconds of CPU by name."""
    state = load_state(locate("squeezenet1_1"))
    perceptual = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).eval()
    fid = FrechetInceptionDistance(feature=SqueezeFeatures(state), normalize=False)
    niqe = pyiqa_niqe()

    def ssim(x: Tensor, y: Tensor) -> Tensor:
        return functional.structural_similarity_index_measure(
            x, y, data_range=1.0, reduction="none"
        )

    def psnr(x: Tensor, y: Tensor) -> Tensor:
        return functional.peak_signal_noise_ratio(x, y, data_range=1.0, dim=(1, 2, 3))

    def scaled(batch: dict[str, Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        return batch["sr"].to(dtype) / 255, batch["hr"].to(dtype) / 255

    def fid_step(batch: dict[str, Tensor]) -> None:
        fid.update(batch["sr"], real=False)
        fid.update(batch["hr"], real=True)

    steps: dict[str, Callable[[dict[str, Tensor]], Any]] = {
        "psnr_rgb": lambda b: psnr(*scaled(b, torch.float32)),
        "psnr_y": lambda b: psnr(*map(luma, scaled(b, torch.float32))),
        "ssim_rgb": lambda b: ssim(*scaled(b, ssim_dtype)),
        "ssim_y": lambda b: ssim(*map(luma, scaled(b, ssim_dtype))),
        "lpips": lambda b: perceptual(*scaled(b, torch.float32), normalize=True),
        "fid": fid_step,
        "niqe": lambda b: [niqe(up192(image[None])) for image in b["sr"]],
    }
    spent = {}
    for name, step in steps.items():
        start = time.process_time()
        for batch in batches(folder, names):
            step(batch)
        if name == "fid":
            fid.compute()
        spent[name] = time.process_time() - start
    return spent


def up192(images: Tensor) -> Tensor:
    """What pyiqa has to be fed below 192 pixels."""
    array = images[0].permute(1, 2, 0).numpy()
    factor = 192 / min(array.shape[:2])
    if factor <= 1:
        return images.float() / 255
    size = (round(array.shape[1] * factor), round(array.shape[0] * factor))
    large = np.array(Image.fromarray(array).resize(size, Image.Resampling.BICUBIC))
    return torch.from_numpy(large).permute(2, 0, 1)[None].float() / 255


def pyiqa_niqe() -> Any:
    """NIQE of pyiqa with the model the suite uses, without a download."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import pyiqa

    return pyiqa.create_metric("niqe", pretrained_model_path=str(locate("niqe").path), device="cpu")


def main() -> None:
    """Measure both and print seconds and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--side", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fabricate(root, ("squeezenet1_1", "niqe"))
        names = write_pairs(root, arguments.pairs, arguments.side)
        process = psutil.Process()
        ours(root, names[: 2 * BATCH])  # imports and caches
        quarter = memory_growth(process, lambda: ours(root, names[: len(names) // 4]))
        whole = memory_growth(process, lambda: ours(root, names))
        os.environ["FACESR_CACHE"] = str(root / "cache")
        mine = {
            "everything, first method": ours(root, names, hr_hash="hr"),
            "everything, next method": ours(root, names, hr_hash="hr"),
            "without SWD, first method": ours(root, names, swd=False, hr_hash="other"),
            "without SWD, next method": ours(root, names, swd=False, hr_hash="other"),
        }
        slow = theirs(root, names, torch.float64)
        fast = theirs(root, names, torch.float32)
    print(f"libraries, one after another, {arguments.pairs} pairs, seconds of CPU:")
    for name, seconds in slow.items():
        print(f"  {name:10s} {seconds:8.1f}   (float32: {fast[name]:.1f})")
    exact, single = sum(slow.values()), sum(fast.values())
    print(f"  in all     {exact:8.1f}   (float32: {single:.1f})")
    for name, seconds in mine.items():
        ratios = f"{exact / seconds:.1f} (SSIM in float32: {single / seconds:.1f})"
        print(f"ours, {name}: {seconds:.1f} s, ratio {ratios}")
        rates = [arguments.pairs / spent for spent in (seconds, exact)]
        note(f"metrics, {name}, against the libraries", "images/s", *rates, exact / seconds)
    print(f"memory growth: {quarter / 1e6:.0f} MB for a quarter, {whole / 1e6:.0f} MB for all")


def memory_growth(process: psutil.Process, call: Callable[[], Any]) -> int:
    """Bytes by which resident memory peaked above where it began, sampled."""
    import threading

    before = process.memory_info().rss
    peak, done = before, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    call()
    done.set()
    watcher.join()
    return peak - before


if __name__ == "__main__":
    main()
