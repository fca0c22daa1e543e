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

from facesr_bench.errors import ConfigError, NotComputed
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.base import Expected, FaceMetric, Need, ScoreBatch, pixels
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.swd_distance import (
    JACKKNIFE_DIRECTIONS,
    sliced_distances,
    sliced_jackknife,
)
from facesr_bench.metrics.swd_patches import (
    DIMENSIONS,
    PATCH,
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
        max_images: from larger sets, this many images are chosen by their keys.

    Raises:
        ConfigError: levels smaller than a patch.
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
        self._share = 1.0
        if smallest < PATCH:
            raise ConfigError(f"SWD's smallest={smallest} is less than a patch of {PATCH} pixels.")

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

    def expect(self, expected: Expected) -> None:
        """Of larger sets, keep only images that can be among the chosen."""
        super().expect(expected)
        wanted = self.max_images + 8 * math.sqrt(self.max_images)  # eight deviations: never too few
        self._share = min(1.0, wanted / max(1, expected.images))

    def reset(self) -> None:
        """Forget all rows and what was expected."""
        super().reset()
        self._share = 1.0

    def update(self, batch: ScoreBatch) -> None:
        """Keep the patches of SR and HR.

        Raises:
            NotComputed: images too small for one patch.
        """
        if min(batch.sr.shape[2:]) < self.smallest:
            raise NotComputed(
                f"the sliced Wasserstein distance needs images of at least {self.smallest} pixels, not "
                f"{batch.sr.shape[2]}x{batch.sr.shape[3]}"
            )
        pairs = zip(batch.keys, pixels(batch.sr), pixels(batch.require("hr")), strict=True)
        for key, sr, hr in pairs:
            if self._share < 1.0 and self._rank(key) >= self._share:
                continue
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
        settings = self.settings() | {
            "images": len(keys),
            "jackknife": {"groups": min(intervals.groups, len(keys)), "seed": intervals.seed},
        }
        return {
            name: self._value(value, floor, replicates, settings, intervals)
            for name, (value, floor, replicates) in rows.items()
        }

    def _chosen(self) -> list[str]:
        """Keys of the images to compare: all, or those that rank lowest."""
        if not self._sizes_agree():
            raise NotComputed(
                "the sliced Wasserstein distance needs images of one size, but this set has several"
            )
        keys = next(iter(self._tables.values())).keys
        if len(keys) <= self.max_images:
            return keys
        return sorted(sorted(keys, key=self._rank)[: self.max_images])

    def _sizes_agree(self) -> bool:
        """Whether every level has as many images as every other."""
        return len({len(table) for table in self._tables.values()}) == 1

    def _rank(self, key: str) -> float:
        """A number in [0, 1) that follows from the key: who is compared when not all can be."""
        return float(numpy_rng(self.seed, "swd/images", key).random())

    def _level(
        self, side: int, keys: list[str], labels: NDArray[np.int64]
    ) -> tuple[float, float, NDArray[np.float64]]:
        """Value, floor and leave-one-group-out values of one level, the only one in memory."""
        rng = numpy_rng(self.seed, "swd/directions", side)
        directions = unit_directions(rng.standard_normal((DIMENSIONS, DIRECTIONS)))
        sr, reference = self._cloud("sr", side, keys), self._cloud("ref", side, keys)
        floor_cloud = self._cloud("floor", side, keys)
        threads = torch.get_num_threads()
        value, floor = sliced_distances([sr, floor_cloud], reference, directions, threads)
        if labels.max() < 1:  # one image, or values wanted without intervals
            return value, floor, np.empty(0)
        few = directions[:, :JACKKNIFE_DIRECTIONS]
        near, replicates = sliced_jackknife(sr, reference, few, labels, threads)
        return value, floor, replicates + (value - near)  # centred where all directions put it

    def _cloud(self, table: str, side: int, keys: list[str]) -> NDArray[np.float32]:
        return normalise(self._tables[f"{table}/{side}"].take(keys).reshape(-1, DIMENSIONS))

    def _value(
        self,
        value: float,
        floor: float,
        replicates: NDArray[np.float64],
        settings: dict[str, Any],
        intervals: Intervals,
    ) -> MetricValue:
        distance = MetricValue(
            value=value,
            higher_is_better=self.higher_is_better,
            n=int(settings["images"]),
            settings=settings,
            floor=floor,
            floor_is="HR against HR, with the patches of SR against those of the reference",
            replicates=tuple(replicates.tolist()) or None,
        )
        return distance.within(intervals.jackknife(value, replicates))
