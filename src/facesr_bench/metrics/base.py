"""The contract of a metric: rows by image go in, one value with its interval comes out.

A metric never keeps running sums. It keeps what it computed of every image (a score, a feature
vector) under the image's key; shards of several ranks are put together, ordered by key and reduced
once in float64. So the value is the same to the bit on any number of ranks, and padded samples, a
rank without images and uneven shards need no thought.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before torchmetrics, see there)
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from facesr_bench.errors import DataError, NotComputed
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.rows import RowTable
from facesr_bench.metrics.value import MetricValue

Need = Literal["hr", "lr"]
Landmarks = NDArray[np.float32]
"""(5, 2), x and y in HR pixels, in the order of :class:`facesr_bench.data.Sample`."""


@dataclass(frozen=True)
class ScoreBatch:
    """Images to score, exactly as they lie in the store: 8 bits.

    Attributes:
        keys: the samples' keys.
        sr: uint8 (B, 3, H, W), RGB.
        hr: uint8 (B, 3, H, W) of the same size, or None where no ground truth exists.
        lr: uint8 (B, 3, h, w), or None.
        identities: who each image shows, or None.
        landmarks: five points of each HR image as the data set stores them, or None where unknown.
        attributes: numbers by name of each image (age, glasses ...), as far as they are known.
        whole_hr: of side outputs the ground truth at its own size, uint8 (B, 3, H', W'), for metrics
            that compare with it (``hr`` is reduced to the side); None where ``hr`` is whole.

    Raises:
        DataError: a tensor that is not uint8 (B, 3, ., .), or sizes that do not belong together.
    """

    keys: list[str]
    sr: Tensor
    hr: Tensor | None
    lr: Tensor | None
    identities: list[str | None]
    landmarks: list[Landmarks | None] = field(default_factory=list)
    attributes: list[Mapping[str, float]] = field(default_factory=list)
    whole_hr: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.landmarks:
            object.__setattr__(self, "landmarks", [None] * len(self.keys))
        if not self.attributes:
            object.__setattr__(self, "attributes", [{} for _ in self.keys])
        every = {"sr": self.sr, "hr": self.hr, "lr": self.lr, "whole_hr": self.whole_hr}
        for name, images in every.items():
            if images is None:
                continue
            if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
                raise DataError(
                    f"{name} of a batch to score must be uint8 (B, 3, H, W), but is "
                    f"{images.dtype} {tuple(images.shape)}."
                )
            if len(images) != len(self.keys):
                raise DataError(f"{name} holds {len(images)} images for {len(self.keys)} keys.")
        for name in ("identities", "landmarks", "attributes"):
            if len(getattr(self, name)) != len(self.keys):
                raise DataError(f"{len(getattr(self, name))} {name} for {len(self.keys)} keys.")
        if self.hr is not None and self.hr.shape != self.sr.shape:
            raise DataError(
                f"SR images of {self.sr.shape[2]}x{self.sr.shape[3]} pixels cannot be compared "
                f"with HR images of {self.hr.shape[2]}x{self.hr.shape[3]}; the method's output "
                "size must be the test set's."
            )

    def require(self, need: Need) -> Tensor:
        """The HR or LR images, for a metric that cannot do without.

        Raises:
            DataError: the batch has none (a suite checks ``needs`` before it calls a metric).
        """
        images = self.hr if need == "hr" else self.lr
        if images is None:
            raise DataError(f"This metric needs {need.upper()} images, which the batch lacks.")
        return images

    @property
    def present(self) -> frozenset[Need]:
        """Which of the optional images this batch has."""
        there: set[Need] = set()
        if self.hr is not None:
            there.add("hr")
        if self.lr is not None:
            there.add("lr")
        return frozenset(there)


@dataclass(frozen=True)
class Expected:
    """What is known of a set of images before the first of them is scored.

    Attributes:
        images: how many there are, over all ranks.
        hr_hash: hash of the HR images, under which what was computed of them may be cached; None
            where there are none.
    """

    images: int
    hr_hash: str | None = None


def pixels(images: Tensor) -> Iterator[UInt8Image]:
    """The images of a uint8 (B, 3, H, W) batch as contiguous (H, W, 3) arrays, one by one."""
    yield from images.permute(0, 2, 3, 1).contiguous().cpu().numpy()


class FaceMetric(Metric, ABC):
    """Base of every metric.

    Subclasses give ``keys``, ``settings``, ``update`` (which calls ``add``) and ``results``; for
    one score per image derive from :class:`PerImageMetric` instead. Constructor arguments are plain
    values; those named ``set_name``, ``downsample``, ``seed`` or ``allow_small`` are filled in by the
    harness. A constructor that lacks weights or a package raises MissingRequirement, so that all
    that is missing is told before anything runs. Networks are submodules (see
    :class:`facesr_bench.metrics.frozen.FrozenNetwork`): the suite moves them to the run's device.
    """

    higher_is_better: bool
    value_range: ClassVar[tuple[float, float]]
    """Lowest and highest possible value; may be infinite."""
    needs: ClassVar[frozenset[Need]] = frozenset()
    """Which optional images a batch must have."""
    compares_whole_hr: bool = False
    """Whether side outputs must come with the ground truth at its own size, ``batch.whole_hr``."""
    minimum_images: int = 0
    """With fewer images the metric says nothing; an instance may lower it (``allow_small``)."""
    row_memory: ClassVar[int] = 64 * 2**20
    """Bytes of rows of one kind that stay in memory; what comes after goes to a temporary file."""
    full_state_update = False

    def __init__(self) -> None:
        super().__init__(sync_on_compute=False)  # rows are gathered once, by the suite
        self._tables: dict[str, RowTable] = {}

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """Names this metric yields; what is known of them before the first image."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything besides the images that the value depends on, as plain JSON values."""

    def expect(self, expected: Expected) -> None:
        """Called once before the first batch, on every rank alike.

        Raises:
            NotComputed: the metric cannot say anything about such a set.
        """
        if expected.images < self.minimum_images:
            raise NotComputed(
                f"needs at least {self.minimum_images} images, but there are {expected.images} "
                "(metrics.allow_small=true, or evaluate --allow-small, computes it under a name that "
                "says so)"
            )

    @abstractmethod
    def update(self, batch: ScoreBatch) -> None:
        """Compute and keep the rows of one batch, which has what ``needs`` names."""

    @abstractmethod
    def results(self, intervals: Intervals) -> dict[str, MetricValue]:
        """Reduce all rows in key order.

        Raises:
            NotComputed: no image could be scored.
            DataError: images that do not belong together, or values that are not finite.
        """

    def omitted(self) -> dict[str, str]:
        """Names that ``results`` left out for these images, with the reason; asked after it."""
        return {}

    def per_image(self) -> dict[str, dict[str, float]]:
        """Metric name to image key to value; empty for distances between sets."""
        return {}

    # -- rows -------------------------------------------------------------------------------------

    def add(self, table: str, keys: list[str], rows: NDArray[Any]) -> None:
        """Keep rows (B, ...) of one kind under their images' keys."""
        if table not in self._tables:
            self._tables[table] = RowTable(self.row_memory)
        self._tables[table].add(keys, rows)

    def rows(self) -> dict[str, RowTable]:
        """All rows of this rank, by kind."""
        return self._tables

    def load_rows(self, rows: Mapping[str, RowTable]) -> None:
        """Replace the rows, by those gathered from all ranks."""
        self._tables = dict(rows)

    # -- torchmetrics -----------------------------------------------------------------------------

    def compute(self) -> dict[str, Tensor]:
        """The values alone, as torchmetrics has it (float64 scalars)."""
        values = self.results(Intervals(replicates=0, groups=1)).items()
        return {key: torch.tensor(value.value, dtype=torch.float64) for key, value in values}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Not offered: it would reset the rows to make a batch value."""
        raise NotImplementedError("Call update(batch), and results(...) at the end.")

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._tables = {}


class PerImageMetric(FaceMetric):
    """A metric whose value is the mean of one score per image, with a bootstrap interval."""

    @abstractmethod
    def score(self, batch: ScoreBatch) -> dict[str, NDArray[np.float64]]:
        """Metric name to scores (B,); nan where an image cannot be scored (it is not counted)."""

    def update(self, batch: ScoreBatch) -> None:
        """Score a batch and keep its scores."""
        for key, scores in self.score(batch).items():
            self.add(key, batch.keys, np.asarray(scores, dtype=np.float64))

    def results(self, intervals: Intervals) -> dict[str, MetricValue]:
        """Means over the images with a finite score."""
        finished = {}
        for name, table in self._tables.items():
            keys = table.keys
            scores = table.take(keys)
            counted = scores[np.isfinite(scores)]
            if not len(counted):
                raise NotComputed(f"none of the {len(keys)} images could be scored")
            mean = MetricValue(
                value=float(np.mean(counted)),
                higher_is_better=bool(self.higher_is_better),
                n=len(counted),
                settings=self.settings(),
                per_image=True,
                not_scored=len(keys) - len(counted),
            )
            finished[name] = mean.within(intervals.mean(keys, scores))
        return finished

    def per_image(self) -> dict[str, dict[str, float]]:
        """Every image's score, also those that are not finite."""
        columns = {}
        for name, table in self._tables.items():
            keys = table.keys
            columns[name] = dict(zip(keys, table.take(keys).tolist(), strict=True))
        return columns
