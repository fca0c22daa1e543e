"""What one meets every day: how fast the command line answers, and an evaluation from end to end.

    python benchmarks/everyday.py --images 1000

CPU seconds of the commands themselves, in processes of their own. Help is compared with importing what
a training needs, which it must not; an evaluation with decoding its images and nothing else.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from report import note

SIDE = 64
ENGINE = "from facesr_bench import torchvision_ops; import torch, pytorch_lightning, torchmetrics"
MEASURES = "psnr_rgb,psnr_y,ssim_rgb,ssim_y,swd"


def cpu_seconds(*words: str, module: bool = True) -> float:
    """Of a Python process and its children."""
    command = [sys.executable, *(["-m", "facesr_bench"] if module else ["-c"]), *words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def best(seconds: list[float]) -> float:
    """The least disturbed."""
    return min(seconds)


def write_pairs(root: Path, images: int) -> None:
    """Smooth HR and SR a little apart, as PNG."""
    rng = np.random.default_rng(0)
    for name in ("hr", "sr"):
        (root / name).mkdir()
    for index in range(images):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        hr = coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        noise = rng.integers(-8, 9, (SIDE, SIDE, 3))
        sr = Image.fromarray((np.asarray(hr) + noise).clip(0, 255).astype(np.uint8))
        for name, image in (("hr", hr), ("sr", sr)):
            image.save(root / name / f"{index:05d}.png", compress_level=1)


def decode(root: Path) -> float:
    """CPU seconds to read all of them."""
    started = time.process_time()
    for path in root.rglob("*.png"):
        with Image.open(path) as image:
            np.asarray(image.convert("RGB"))
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    repeats = range(options.repeats)
    engine = best([cpu_seconds(ENGINE, module=False) for _ in repeats])
    answer = best([cpu_seconds("--help") for _ in repeats])
    print(f"--help: {answer:.2f} s of CPU; importing the engine: {engine:.2f} s")
    note("facesr-bench --help, against importing the engine", "s", answer, engine, engine / answer)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_pairs(root, options.images)
        decode(root)
        plain = best([decode(root) for _ in repeats])
        words = ["evaluate", str(root / "sr"), "--hr", str(root / "hr"), "--metrics", MEASURES]
        whole = cpu_seconds(*words, "--out", str(root / "out"))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rate = options.images / whole
    print(
        f"evaluate {options.images} pairs of {SIDE} px ({MEASURES}): {whole:.1f} s of CPU, ", end=""
    )
    print(f"{rate:.0f} images/s, peak {memory:.0f} MiB; decoding alone {plain:.2f} s")
    note(
        f"evaluate {options.images} images end to end, against decoding them", "images/s", rate,
        options.images / plain, plain / whole,
    )  # fmt: skip
    note(f"peak memory of evaluating {options.images} images", "MiB", memory)


if __name__ == "__main__":
    main()
