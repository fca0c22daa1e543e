"""``swd_<side>@SET`` and ``swd_mean@SET``: a distance between sets that needs no network.

Every random choice follows from a seed and a name: patch positions from (seed, role, key, level),
directions from (seed, level). Ranks and batches cannot move the value. The role matters: SR and its
own HR must not be cut at the same places, or equal sets would score 0, which is not the published
quantity. What equal sets do score is the floor, reported beside every value.
"""

import math
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from facesr_bench.errors import DataError
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.base import FaceMetric, Need, ScoreBatch, pixels
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.swd_distance import (
    JACKKNIFE_DIRECTIONS,
    sliced_distances,
    sliced_jackknife,
)
from facesr_bench.metrics.swd_patches import (
    DIMENSIONS,
    draw_patches,
    laplacian_pyramid,
    normalise,
    unit_directions,
)
from facesr_bench.metrics.value import MetricValue
from facesr_bench.seeding import numpy_rng

PATCHES_PER_IMAGE = 128
DIRECTIONS = 4 * 128


class SWD(FaceMetric):
    """Sliced Wasserstein distance of Laplacian patches, times 1000, per level and their mean.

    The reference set is the HR images of the same batches. While images come, patches wait in files; at
    the end one level is in memory, 225 kB an image, so 1.1 GB for the most images compared.

    Args:
        set_name: the reference set's name, the part of the key after "@"; filled by the harness.
        seed: of positions, directions and the choice of images; filled by the harness.
        smallest: short side in pixels of the coarsest level.
        max_images: from larger sets, this many images are chosen.
    """

    higher_is_better = False
    value_range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    needs: ClassVar[frozenset[Need]] = frozenset({"hr"})
    row_memory = 8 * 2**20  # there are three kinds of 75 kB an image for each level

    def __init__(
        self, set_name: str, seed: int = 2020, smallest: int = 16, max_images: int = 5000
    ) -> None:
        super().__init__()
        self.set_name = set_name
        self.seed = seed
        self.smallest = smallest
        self.max_images = max_images

    @property
    def keys(self) -> tuple[str, ...]:
        """One per level, once the images' size is known, and the mean."""
        levels = tuple(f"swd_{side}@{self.set_name}" for side in self.sides)
        return (*levels, f"swd_mean@{self.set_name}")

    @property
    def sides(self) -> list[int]:
        """Short sides of the levels, fine to coarse; empty before the first image."""
        names = (table.split("/") for table in self._tables)
        return sorted((int(side) for role, side in names if role == "sr"), reverse=True)

    def settings(self) -> dict[str, Any]:
        """Reference set, seed and counts."""
        return {
            "reference": self.set_name,
            "seed": self.seed,
            "patches": f"{PATCHES_PER_IMAGE} of 7x7 per image and level",
            "directions": DIRECTIONS,
            "jackknife_directions": JACKKNIFE_DIRECTIONS,
            "smallest": self.smallest,
            "max_images": self.max_images,
            "scale": 1000,
        }

    def update(self, batch: ScoreBatch) -> None:
        """Keep the patches of SR and HR."""
        pairs = zip(batch.keys, pixels(batch.sr), pixels(batch.require("hr")), strict=True)
        for key, sr, hr in pairs:
            self._describe(key, sr, {"sr": "sr"})
            # The floor is what SR would score if it were HR: the same image, cut where SR is cut.
            self._describe(key, hr, {"ref": "ref", "floor": "sr"})

    def _describe(self, key: str, image: UInt8Image, tables: dict[str, str]) -> None:
        """Keep patches of all levels; ``tables`` gives each kind of row the role of its places."""
        for level in laplacian_pyramid(image, self.smallest):
            side = min(level.shape[:2])
            for table, role in tables.items():
                rng = numpy_rng(self.seed, f"swd/{role}/{side}", key)
                patches = draw_patches(level, PATCHES_PER_IMAGE, rng)
                self.add(f"{table}/{side}", [key], patches[None])

    def results(self, intervals: Intervals) -> dict[str, MetricValue]:
        """Distances per level and their mean, with the floor beside each."""
        keys = self._chosen()
        labels = np.repeat(intervals.group_labels(len(keys)), PATCHES_PER_IMAGE)
        levels = {side: self._level(side, keys, labels) for side in self.sides}
        rows = {f"swd_{side}@{self.set_name}": level for side, level in levels.items()}
        means = [np.mean(np.stack(part), axis=0) for part in zip(*levels.values(), strict=True)]
        rows[f"swd_mean@{self.set_name}"] = (float(means[0]), float(means[1]), means[2])
        return {
            name: self._value(value, floor, replicates, len(keys), intervals)
            for name, (value, floor, replicates) in rows.items()
        }

    def _chosen(self) -> list[str]:
        """Keys of the images to compare: all, or a seeded choice from the sorted keys."""
        counts = {name: len(table) for name, table in self._tables.items()}
        if len(set(counts.values())) != 1:
            raise DataError(
                "The sliced Wasserstein distance needs images of one size, but its levels hold "
                f"different numbers of images ({counts})."
            )
        keys = next(iter(self._tables.values())).keys
        if len(keys) <= self.max_images:
            return keys
        rng = numpy_rng(self.seed, "swd/images", len(keys))
        return [keys[i] for i in np.sort(rng.choice(len(keys), self.max_images, replace=False))]

    def _level(
        self, side: int, keys: list[str], labels: NDArray[np.int64]
    ) -> tuple[float, float, NDArray[np.float64]]:
        """Value, floor and leave-one-group-out values of one level, the only one in memory."""
        rng = numpy_rng(self.seed, "swd/directions", side)
        directions = unit_directions(rng.standard_normal((DIMENSIONS, DIRECTIONS)))
        sr, reference = self._cloud("sr", side, keys), self._cloud("ref", side, keys)
        floor_cloud = self._cloud("floor", side, keys)
        value, floor = sliced_distances([sr, floor_cloud], reference, directions)
        if labels.max() < 1:  # one image, or values wanted without intervals
            return value, floor, np.empty(0)
        few = directions[:, :JACKKNIFE_DIRECTIONS]
        threads = torch.get_num_threads()
        near, replicates = sliced_jackknife(sr, reference, few, labels, threads)
        return value, floor, replicates + (value - near)  # centred where all directions put it

    def _cloud(self, table: str, side: int, keys: list[str]) -> NDArray[np.float32]:
        return normalise(self._tables[f"{table}/{side}"].take(keys).reshape(-1, DIMENSIONS))

    def _value(
        self,
        value: float,
        floor: float,
        replicates: NDArray[np.float64],
        number: int,
        intervals: Intervals,
    ) -> MetricValue:
        distance = MetricValue(
            value=value,
            higher_is_better=self.higher_is_better,
            n=number,
            settings=self.settings(),
            floor=floor,
            replicates=tuple(replicates.tolist()) or None,
        )
        return distance.within(intervals.jackknife(value, replicates))
