"""Images per second that loading gives to training: prepared data against a plain Dataset.

    OMP_NUM_THREADS=1 python benchmarks/loader_throughput.py
    OMP_NUM_THREADS=1 python benchmarks/loader_throughput.py --faces DIR --pairs 16/64 --workers 0 1 2

Ours is what a run uses: a folder ``facesr-bench prepare`` wrote, ``TrainingStream``, ``DataLoader``;
uint8, as batches cross to the device. "Float" is the same with the conversion that then follows there.
Plain is what most repositories have: a Dataset that opens one file with Pillow, resizes it to LR and
calls ``ToTensor`` on both; from the very same PNG files, and from JPEG (quality 95) of the same pixels.
All make antialiased bicubic LR in every item. They take turns in one process on one core, the page
cache warm; times are CPU time, medians of the rounds are printed.

Memory (Linux) is the proportional set size, which counts a shared page once, summed over a fresh main
process and its workers, beyond what the same loader takes for images of zeros. A pack is mapped, so
it may show once, whatever the number of workers.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import numpy as np
import psutil
import torch
from PIL import Image
from report import note
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from facesr_bench.datasets.prepared import Prepared
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.images import to_float
from facesr_bench.prepare.opening import Call
from facesr_bench.prepare.recipe import Plan, Raw, Recipe
from facesr_bench.prepare.sources import SourceSet
from facesr_bench.prepare.writer import Options, prepare
from facesr_bench.stream import TrainingStream

BATCH = 32


class Pictures(Recipe):
    """Faces of a folder, or smooth noise with grain, which packs about as photos do."""

    name = title = licence = where = disk = "pictures"
    expected = ()
    enlarge = True
    stretch = True

    def __init__(self, count: int, size: int) -> None:
        self.count, self.side = count, size

    def plan(self, sources: SourceSet) -> Plan:
        """One item for each picture, reusing files when there are too few."""
        files = [*sources.find("*.jpg"), *sources.find("*.png")]
        items = []
        for number in range(self.count):
            read = partial(self._draw, number)
            if files:
                read = partial(self._open, files[number % len(files)])
            items.append(Raw(f"{number:06d}.png", "train", read, "pictures"))
        return Plan(items)

    def _open(self, entry: Any) -> np.ndarray:
        from facesr_bench.images import read_rgb

        return read_rgb(entry.read(), orientation="stored")

    def _draw(self, number: int) -> np.ndarray:
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((self.side, self.side), Image.Resampling.BICUBIC))
        grain = rng.normal(0.0, 2.0, smooth.shape)
        return np.clip(smooth + grain, 0, 255).astype(np.uint8)


class PlainDataset(Dataset[dict[str, torch.Tensor]]):
    """The Dataset of most repositories."""

    def __init__(self, files: Sequence[Path], lr_size: int) -> None:
        self.files = files
        self.to_tensor = transforms.ToTensor()
        self.to_lr = transforms.Resize(lr_size, transforms.InterpolationMode.BICUBIC)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        with Image.open(self.files[index]) as file:
            image = file.convert("RGB")
        return {"hr": self.to_tensor(image), "lr": self.to_tensor(self.to_lr(image))}


class Nothing(Dataset[dict[str, torch.Tensor]]):
    """What a loader costs by itself: an item that reads no image."""

    def __init__(self, lr_size: int, hr_size: int) -> None:
        self.shapes = {"hr": (hr_size, hr_size, 3), "lr": (lr_size, lr_size, 3)}

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {name: torch.zeros(shape, dtype=torch.uint8) for name, shape in self.shapes.items()}


@dataclass
class Contest:
    """One pair of sizes, its files written."""

    lr_size: int
    hr_size: int
    images: int
    root: Path
    sources: Sequence[Path]

    def __post_init__(self) -> None:
        folder = self.root / "prepared"
        recipe = Pictures(self.images, self.hr_size)
        call = Call("pictures", "benchmark", 1, {}, self.hr_size, "bicubic")
        prepare(recipe, call, self.sources, folder, Options(landmarks="no"))
        self.png = sorted((folder / "images").glob("*.png"))
        self.jpeg = []
        (self.root / "jpeg").mkdir()
        for path in self.png:
            with Image.open(path) as image:
                self.jpeg.append(self.root / "jpeg" / f"{path.stem}.jpg")
                image.save(self.jpeg[-1], quality=95)
        self.stream, self.cheap = self._open()

    def _open(self) -> tuple[TrainingStream, bool]:
        split = Prepared(self.root / "prepared", train={}).split("train")
        assert split is not None
        degradation = Downscale(self.hr_size // self.lr_size)
        stream = TrainingStream(
            split, None, degradation, "paired", 1, 2020, self.hr_size, self.lr_size
        )
        return stream, split.cheap

    def __getstate__(self) -> dict[str, Any]:
        """Another process opens the folder itself, as another run would."""
        return {name: value for name, value in self.__dict__.items() if name != "stream"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.stream, _ = self._open()

    def ours(self, workers: int = 0) -> Iterator[dict[str, torch.Tensor]]:
        """An epoch of batches as they go to the device."""
        yield from self._loader(self.stream, workers)

    def nothing(self, workers: int = 0) -> Iterator[dict[str, torch.Tensor]]:
        """As many batches of zeros."""
        yield from self._loader(Nothing(self.lr_size, self.hr_size), workers)

    def plain(self, files: Sequence[Path], workers: int = 0) -> Iterable[dict[str, torch.Tensor]]:
        """An epoch of the plain Dataset."""
        data = PlainDataset(files, self.lr_size)
        return DataLoader(data, BATCH, shuffle=True, num_workers=workers)

    def _loader(self, dataset: Dataset[Any], workers: int) -> DataLoader[Any]:
        batches = [
            list(range(first, min(first + BATCH, self.images)))
            for first in range(0, self.images, BATCH)
        ]
        return DataLoader(dataset, batch_sampler=batches, num_workers=workers)


def as_float(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the data module does once a batch is on the device."""
    return {name: to_float(value) for name, value in batch.items()}


def rate(epoch: Callable[[], Iterable[dict[str, torch.Tensor]]]) -> float:
    """Images per second of CPU time, so that a busy machine does not spoil it."""
    start, images = time.process_time(), 0
    for batch in epoch():
        images += len(batch["hr"])
    return images / (time.process_time() - start)


def memory(contest: Contest, real: bool, workers: int) -> float:
    """The highest megabytes of this process and its workers together."""
    multiprocessing.set_start_method("fork", force=True)  # the default a run on Linux would have
    highest = 0.0
    loader = contest.ours(workers) if real else contest.nothing(workers)
    for number, _ in enumerate(loader):
        if number % 8 == 0 or number >= len(contest.png) // BATCH - 1:
            me = psutil.Process()
            family = [me, *me.children(recursive=True)]
            highest = max(highest, sum(p.memory_full_info().pss for p in family) / 1e6)
    return highest


def measured(contest: Contest, real: bool, workers: int) -> float:
    """:func:`memory` in a fresh process, so that nothing earlier counts."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(memory, contest, real, workers).result()


def print_rates(contest: Contest, rounds: int) -> None:
    """Ours and both plain loaders, by turns."""
    entrants = {
        "ours": contest.ours,
        "float": lambda: map(as_float, contest.ours()),
        "PNG": lambda: contest.plain(contest.png),
        "JPEG": lambda: contest.plain(contest.jpeg),
    }
    rates: dict[str, list[float]] = {name: [] for name in entrants}
    for number in range(rounds + 1):
        for name, epoch in entrants.items():
            measured_rate = rate(epoch)
            if number:  # the first round warms the page cache
                rates[name].append(measured_rate)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    print(
        f"{contest.lr_size:>4}/{contest.hr_size:<5} {'packed' if contest.cheap else 'files':<7}"
        + "".join(f"{middle[name]:>9,.0f}" for name in entrants)
        + "".join(f"{middle['ours'] / middle[name]:>10.2f}x" for name in ("PNG", "JPEG"))
    )
    for name in ("PNG", "JPEG"):
        what = f"loader {contest.lr_size}/{contest.hr_size}, against decoding {name}"
        note(what, "images/s", middle["ours"], middle[name], middle["ours"] / middle[name])


def print_memory(contest: Contest, workers: Sequence[int]) -> None:
    """Ours beyond a loader of nothing, for each number of workers."""
    pixels = contest.images * contest.hr_size**2 * 3 / 1e6
    kind = "packed" if contest.cheap else "in files"
    print(f"\nmemory of {contest.lr_size}/{contest.hr_size}: {pixels:,.0f} MB of pixels, {kind}")
    print(f"{'workers':>8}{'all, MB':>10}{'for images, MB':>16}")
    for count in workers:
        base, ours = (measured(contest, real, count) for real in (False, True))
        print(f"{count:>8}{ours:>10,.0f}{ours - base:>16,.0f}")


def main() -> None:
    """Print images per second per core for each pair, then memory by workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", nargs="+", default=["16/64", "16/128", "128/1024"])
    parser.add_argument("--images", type=int, default=2048, help="at 128 px or less; fewer above")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2, 4], help="for memory")
    parser.add_argument("--faces", type=Path, help="a folder of real photos (default: made up)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"images/s {'ours':>17} {'float':>8} {'PNG':>8} {'JPEG':>8} {'over PNG':>10} {'JPEG':>10}"
    )
    with tempfile.TemporaryDirectory() as folder:
        contests = []
        for pair in options.pairs:
            low, high = (int(side) for side in pair.split("/"))
            root = Path(folder) / pair.replace("/", "-")
            images = options.images if high <= 128 else max(32, options.images * 128**2 // high**2)
            sources = [options.faces] if options.faces else []
            contests.append(Contest(low, high, images, root, sources))
            print_rates(contests[-1], options.rounds)
        if Path("/proc/self/smaps_rollup").exists() and options.workers:
            for contest in contests:
                print_memory(contest, options.workers)


if __name__ == "__main__":
    main()
