"""Milliseconds per image of our NIQE against pyiqa's, one thread, turn about.

    python benchmarks/niqe_speed.py
    python benchmarks/niqe_speed.py --model niqe_modelparameters.mat --repeats 9

Lines:
    128 enlarged   128 px images as we score them, enlarged to 192. pyiqa gets the enlarged pixels,
                   so its time is without the enlarging, ours with it.
    128 native     one block, without the enlarging; pyiqa scores it, we do not (a block has no
                   covariance), so this line only compares the computing.
    512            as it is.

Both get images in memory: ours uint8, pyiqa float32 tensors prepared outside the clock. Without
--model a made-up pristine model serves; the time does not depend on its numbers. Times are CPU time,
so that a busy machine does not spoil them.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import note

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before torchmetrics and pyiqa)
import cv2
import numpy as np
import torch
from scipy.io import loadmat, savemat

from facesr_bench.datasets.synthface import render_face
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.niqe import enlarged, niqe
from facesr_bench.metrics.niqe_features import block_features, grey
from facesr_bench.metrics.niqe_model import PristineModel

BATCHES = {128: 16, 512: 4}


def one_block(image: UInt8Image, model: PristineModel) -> float:
    """NIQE of a single block, its covariance taken as zero, as pyiqa does."""
    return model.distance(block_features(grey(image)), fewest=1)


def turn_about(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int
) -> tuple[float, float]:
    """Median CPU seconds of two calls, which take turns so that both see the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 2):
        for call, seconds in zip((ours, theirs), times, strict=True):
            start = time.process_time()
            call()
            if repeat >= 2:
                seconds.append(time.process_time() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def made_up_model(path: Path) -> None:
    """A pristine model in the release's layout."""
    mean = np.tile([2.7, 0.8, *[0.8, 0.1, 0.2, 0.3] * 4], 2)[None]
    savemat(path, {"mu_prisparam": mean, "cov_prisparam": np.diag(np.geomspace(1e-2, 10, 36))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, help="the release's .mat file")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or Path(folder) / "model.mat"
        if options.model is None:
            made_up_model(path)
        # Before pyiqa is imported: it must not look for, or fetch, anything.
        os.environ.update(HF_HUB_OFFLINE="1", TORCH_HOME=folder)
        from pyiqa.archs.niqe_arch import NIQE as PyiqaNIQE  # noqa: N811

        network = PyiqaNIQE(pretrained_model_path=str(path))
        content = loadmat(str(path))
        model = PristineModel(content["mu_prisparam"].ravel(), content["cov_prisparam"])

    lines: list[tuple[str, int, Callable[[UInt8Image, PristineModel], float], bool]] = [
        ("128 enlarged", 128, niqe, True),
        ("128 native", 128, one_block, False),
        ("512", 512, niqe, False),
    ]
    print(f"{'':14} {'batch':>5} {'ours ms':>8} {'pyiqa ms':>9} {'ratio':>6} {'largest gap':>12}")
    for label, side, score, enlarge in lines:
        images = [render_face(2020, i, 0, side).image for i in range(BATCHES[side])]
        theirs = np.stack([enlarged(image) if enlarge else image for image in images])
        tensors = torch.from_numpy(theirs).permute(0, 3, 1, 2).contiguous().float() / 255
        for batch in (1, len(images)):

            def ours(batch: int = batch, images: list[UInt8Image] = images) -> list[float]:
                return [score(image, model) for image in images[:batch]]  # noqa: B023

            def pyiqa(batch: int = batch, tensors: torch.Tensor = tensors) -> list[float]:
                return network(tensors[:batch]).reshape(-1).tolist()

            gap = max(abs(a - b) for a, b in zip(ours(), pyiqa(), strict=True))
            a, b = (1000 * t / batch for t in turn_about(ours, pyiqa, options.repeats))
            print(f"{label:14} {batch:>5} {a:>8.2f} {b:>9.2f} {b / a:>6.1f} {gap:>12.1e}")
            note(f"NIQE of an image, {label} px, batch {batch}, against pyiqa", "ms", a, b, b / a)


if __name__ == "__main__":
    main()
