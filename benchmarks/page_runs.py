"""Finished runs made up for pages: right in form, their numbers drawn from a seed and worth nothing.

For ``page_load.py`` and the tests of the leaderboard's pages.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.image_attributes import write_attributes
from facesr_bench.images import UInt8Image, encode_png
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.scores import PerImage, write_per_image
from facesr_bench.results import REQUIRED, SCHEMA, write_record
from facesr_bench.store import SRStore

METRICS = {"psnr_rgb": (20.0, True), "ssim_rgb": (0.55, True), "lpips_alex": (0.3, False),
           "niqe": (6.0, False), "identity_cos@net-own": (0.5, True)}  # fmt: skip
"""Name to a typical value and whether higher is better."""


def face(number: int, side: int, shift: float = 0.0) -> UInt8Image:
    """A coloured oval, darker or lighter by ``shift`` (in 0..255)."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    inside = (x / rng.uniform(0.4, 0.7)) ** 2 + (y / rng.uniform(0.6, 0.9)) ** 2 < 1
    colours = rng.integers(90, 256, 3), rng.integers(0, 90, 3)
    image = np.where(inside[..., None], *colours) + 12 * np.sin(7 * x + number)[..., None] + shift
    return np.clip(image, 0, 255).astype(np.uint8)


def keys_of(images: int) -> list[str]:
    """Two images of a person: "0000/0.png", "0000/1.png" ..."""
    return [f"{number // 2:04d}/{number % 2}.png" for number in range(images)]


def make_runs(
    root: Path,
    labels: Sequence[str],
    images: int,
    side: int = 64,
    config: dict[str, Any] | None = None,
    protocol_hash: str = "a" * 64,
    write_sr: bool = True,
    replicates: int = 500,
) -> list[Path]:
    """Write one run folder per label, all of one protocol.

    Args:
        root: each run is a folder in it, named by its number.
        labels: of the runs.
        images: of the test set.
        side: of the SR images in pixels.
        config: the resolved configuration every record shows.
        protocol_hash: of the inputs.
        write_sr: whether the runs keep their SR images.
        replicates: of the intervals.
    """
    keys = keys_of(images)
    people = {key: key.split("/")[0] for key in keys}
    rng = np.random.default_rng(7)
    attributes = [
        {"glasses": float(rng.random() < 0.3), "age": float(rng.uniform(18, 80))} for _ in keys
    ]
    domains = ["indoors" if rng.random() < 0.5 else "outdoors" for _ in keys]
    hardness = rng.normal(0, 0.1, images)
    intervals = Intervals(replicates=replicates, identities=people)
    folders = []
    for number, label in enumerate(labels):
        folder = root / str(number)
        folder.mkdir(parents=True)
        per_image: PerImage = {}
        metrics: dict[str, Any] = {}
        for name, (typical, higher) in METRICS.items():
            sign = 1 if higher else -1
            drawn = hardness + rng.normal(0.03 * number, 0.08, images)
            values = typical * (1 + sign * drawn)
            per_image[name] = dict(zip(keys, values.tolist(), strict=True))
            made = intervals.mean(keys, values)
            metrics[name] = {
                "value": float(values.mean()), "higher_is_better": higher, "n": images,
                "settings": {"made_up": 1}, "per_image": True,
                "ci95": None if made is None else list(made.ci95),
                "ci_kind": None if made is None else made.kind,
                "ci_units": None if made is None else made.units,
            }  # fmt: skip
        write_per_image(folder / "per_image.csv", per_image, people)
        write_attributes(folder / "attributes.csv", keys, domains, attributes)
        if write_sr:
            store = SRStore(folder / "sr")
            for index, key in enumerate(keys):
                path = store.path(key)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode_png(face(index, side, shift=4.0 * number)))
        record: dict[str, Any] = dict.fromkeys(REQUIRED) | {
            "schema": SCHEMA, "method": f"method{number}", "label": label, "scale": "full",
            "data": "ovals", "protocol": {"name": "ovals", "version": 1, "hash": protocol_hash},
            "lr_hash": "b" * 64, "sr_hash": "c" * 64, "n_images": images, "metrics": metrics,
            "cost": {"params": 10**number * 1000 if number else 0, "flops": 3 * 10 ** (number + 6),
                     "seconds_per_image": 0.002 * 2.2**number, "peak_memory_bytes": 10**8},
            "config": config or {"method": {"name": label}, "data": {"_target_": "elsewhere.Data"}},
            "weights": [], "trained_on": [{"data": "ovals", "images": 1000 * number}],
            "budget": {"images": 100, "declared": 100}, "origin": "trained here", "versions": {},
            "device": {"type": "cpu", "name": "made up"}, "started": f"2026-01-{number + 1:02d}",
            "seconds": 1.0,
        }  # fmt: skip
        write_record(folder / "result.json", record)
        folders.append(folder)
    return folders
