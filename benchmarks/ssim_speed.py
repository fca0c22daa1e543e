"""Milliseconds per image of our SSIM against float64 torchmetrics and pyiqa, one thread, turn about.

    python benchmarks/ssim_speed.py
    python benchmarks/ssim_speed.py --sides 64 128 --repeats 5

RGB, the mean of the channels (pyiqa calls that ssimc). Both others run in float64, because float32
loses the sixth digit; the gaps are the largest differences from our value. torchmetrics averages over
mirrored borders too (0.02 more at 64 px), so its map is cut to the windows inside the image; pyiqa
sets negative windows to zero, so the images have light noise, which leaves none. Times are CPU time,
so that a busy machine does not spoil them.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable

from report import note

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before torchmetrics and pyiqa)
import cv2
import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from facesr_bench.datasets.synthface import render_face
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.psnr_ssim import planes, ssim


def pair(number: int, side: int) -> tuple[UInt8Image, UInt8Image]:
    """A face with light noise, and the face."""
    hr = render_face(2020, number, 0, side).image
    noise = np.random.default_rng(number).normal(0, 6, hr.shape)
    return np.clip(np.round(hr + noise), 0, 255).astype(np.uint8), hr


def torchmetrics_ssim(sr: torch.Tensor, hr: torch.Tensor) -> float:
    """The mean over windows inside the image."""
    _, windows = structural_similarity_index_measure(
        sr, hr, data_range=255.0, return_full_image=True
    )
    return windows[:, :, 5:-5, 5:-5].mean().item()


def seconds_of(call: Callable[[], float]) -> float:
    """CPU seconds of one call; a quick one is repeated until there is something to measure."""
    start, calls = time.process_time(), 0
    while not calls or time.process_time() - start < 0.05:
        call()
        calls += 1
    return (time.process_time() - start) / calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(HF_HUB_OFFLINE="1", TORCH_HOME=folder)  # before pyiqa is imported
        from pyiqa.archs.ssim_arch import SSIM as PyiqaSSIM  # noqa: N811
    network = PyiqaSSIM(channels=3, test_y_channel=False)

    names = ("ours", "torchmetrics", "pyiqa")
    print(f"{'side':>5} " + " ".join(f"{name + ' ms':>16}" for name in names) + "   ratios, gaps")
    for side in options.sides:
        seconds: dict[str, list[float]] = {name: [] for name in names}
        gaps = dict.fromkeys(names[1:], 0.0)
        for repeat in range(options.repeats):
            sr, hr = pair(repeat, side)
            a, b = (
                torch.from_numpy(x).permute(2, 0, 1)[None].contiguous().double() for x in (sr, hr)
            )
            calls: dict[str, Callable[[], float]] = {
                "ours": lambda sr=sr, hr=hr: ssim(planes(sr, "rgb"), planes(hr, "rgb")),
                "torchmetrics": lambda a=a, b=b: torchmetrics_ssim(a, b),
                "pyiqa": lambda a=a / 255, b=b / 255: network(a, b).item(),
            }
            values = {name: call() for name, call in calls.items()}  # warms up, too
            for name, call in calls.items():
                seconds[name].append(seconds_of(call))
            gaps = {
                name: max(gap, abs(values[name] - values["ours"])) for name, gap in gaps.items()
            }
        medians = {name: 1000 * statistics.median(times) for name, times in seconds.items()}
        figures = " ".join(f"{medians[name]:>16.2f}" for name in names)
        beside = ", ".join(
            f"{name} {medians[name] / medians['ours']:.0f}x (gap {gaps[name]:.0e})" for name in gaps
        )
        print(f"{side:>5} {figures}   {beside}")
        for name in gaps:
            note(
                f"SSIM of a pair of {side} px, against {name}", "ms",
                medians["ours"], medians[name], medians[name] / medians["ours"],
            )  # fmt: skip


if __name__ == "__main__":
    main()
