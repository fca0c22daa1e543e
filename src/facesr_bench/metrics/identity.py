"""Whose face is it? One pass of an identity network over SR and HR, and all that follows from it.

Three counterparts, named in the keys: ``-own`` compares SR with its own HR image, ``-other`` with
another HR photo of the same person, ``-lr`` with the enlarged LR where there is no HR. ``-own`` also
rewards whatever a photo shares with its copy (light, pose, blur); ``-other`` is the honest figure
wherever people have more than one photo.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facesr_bench.errors import ConfigError, NotComputed
from facesr_bench.faces.alignment import aligned
from facesr_bench.faces.recognition import open_network, recogniser
from facesr_bench.faces.yunet import MEASURING, Detector, YuNet, face_above
from facesr_bench.images import UInt8Image
from facesr_bench.metrics.base import FaceMetric, Landmarks, ScoreBatch, pixels
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.metrics.identity_scores import Columns, against_hr, against_lr, verified
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.landmarks import LandmarkSource, Origin, stand_in
from facesr_bench.metrics.means import mean_value
from facesr_bench.metrics.value import MetricValue
from facesr_bench.metrics.verification import unit
from facesr_bench.weights.requirements import require

_SHOWN = {"hr": "HR", "lr": "the enlarged LR"}


class Identity(FaceMetric):
    """``identity_cos@NET-...``, ``deg@NET-own``, ``tar_far1e-3@NET-...`` and ``verification_acc@NET``.

    The cosine of the two embeddings; their angle in degrees; the share of images whose cosine lies
    above the threshold at which 1 of 1000 pairs of different people (HR, of this test set, at least
    10,000 pairs) would be accepted; and, with ``verification_distance``, the share of images whose
    embedding lies nearer than that to their own HR's. Both images of a pair are cut out with the same
    landmarks. An image without landmarks, and for ``-other`` one without another photo, is not scored.

    Args:
        network: see :data:`facesr_bench.faces.recognition.RECOGNISERS`.
        landmarks: where landmarks come from; see
            :class:`facesr_bench.metrics.landmarks.LandmarkSource`.
        verification_distance: Euclidean distance of unit vectors below which two photos count as one
            person (1.1 is FaceNet's); None leaves ``verification_acc`` out.
        verification_detected: with True a pair is verified only if YuNet finds a face in both.
        seed: of the choice of impostors in large sets; filled by the harness.
        detector: YuNet with the registered weights when not given.

    Raises:
        ConfigError: no such network, or a distance outside 0..2.
        MissingRequirement: weights that are not here, the network's and YuNet's in one message.
    """

    higher_is_better = True
    value_range: ClassVar[tuple[float, float]] = (-1.0, 180.0)

    def __init__(
        self,
        network: str,
        landmarks: Origin = "auto",
        verification_distance: float | None = None,
        verification_detected: bool = False,
        seed: int = 2020,
        detector: Detector | None = None,
    ) -> None:
        super().__init__()
        if verification_distance is not None and not 0 < verification_distance <= 2:
            raise ConfigError(
                f"verification_distance={verification_distance} is no distance of unit vectors; "
                "give one above 0 and up to 2."
            )
        self.known = recogniser(network)
        verifies = verification_distance is not None and verification_detected
        (opened, self.weights), (self.source, self.detector) = require(
            lambda: open_network(self.known),
            lambda: _detection(landmarks, detector, verifies),
        )
        self.network = FrozenNetwork(opened, self.known.prepare)
        self.verification_distance = verification_distance
        self.seed = seed
        self._columns: dict[str, dict[str, float]] = {}
        self._omitted: dict[str, str] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """With HR all but ``-lr``, without HR (known after the first image) only that."""
        names = ["identity_cos@{}-lr", "deg@{}-lr"]
        if "hr" in self._tables or "lr" not in self._tables:
            names = [
                "identity_cos@{}-own",
                "identity_cos@{}-other",
                "deg@{}-own",
                "tar_far1e-3@{}-own",
                "tar_far1e-3@{}-other",
            ]
            if self.verification_distance is not None:
                names.append("verification_acc@{}")
        return tuple(name.format(self.known.name) for name in names)

    def settings(self) -> dict[str, Any]:
        """Network, crop and weights; :meth:`results` adds landmarks, counterpart and threshold."""
        return {
            **self.known.settings,
            **self.weights,
            "images": "uint8, rgb",
            "reduction": "mean of images",
        }

    # -- one batch --------------------------------------------------------------------------------

    def update(self, batch: ScoreBatch) -> None:
        """Keep the embeddings of SR and of what it is compared with."""
        role, truth = ("hr", batch.hr) if batch.hr is not None else ("lr", stand_in(batch))
        if truth is None:
            raise NotComputed("needs HR or LR images, of which this set has neither")
        points, origins = self.source.find(batch, truth)
        self.add("origin", batch.keys, origins)
        self.add("sr", batch.keys, self._embed(batch.sr, points))
        self.add(role, batch.keys, self._embed(truth, points))
        if self.detector is not None:
            pairs = zip(pixels(batch.sr), pixels(truth), strict=True)
            seen = [all(_visible(self.detector, image) for image in pair) for pair in pairs]
            self.add("seen", batch.keys, np.array(seen))

    def _embed(self, images: Tensor, points: list[Landmarks | None]) -> NDArray[np.float32]:
        """Unit vectors (B, d); nan where there are no landmarks."""
        crops, positions = aligned(images, points, self.known.size)
        rows = np.full((len(images), self.known.length), np.nan, dtype=np.float32)
        if positions:
            rows[positions] = self.network(crops).numpy()
        return rows

    # -- all images -------------------------------------------------------------------------------

    def results(self, intervals: Intervals) -> dict[str, MetricValue]:
        """Everything these images allow; :meth:`omitted` tells the rest."""
        self._columns, self._omitted = {}, {}
        values: dict[str, MetricValue] = {}
        for role in ("hr", "lr"):
            if role in self._tables:
                values |= self._reduce(role, intervals)
        return values

    def _reduce(self, role: str, intervals: Intervals) -> dict[str, MetricValue]:
        keys = self._tables[role].keys
        origins = self.source.describe(self._tables["origin"].take(keys), _SHOWN[role])
        values = {}
        for form, column in self._scored(role, keys, intervals).items():
            name = form.format(self.known.name)
            if isinstance(column, str):
                self._omitted[name] = column
                continue
            value = mean_value(
                keys,
                column.scores,
                intervals,
                self.settings() | origins | column.settings,
                higher_is_better=column.higher_is_better,
                perfect=column.perfect,
            )
            values[name] = value
            self._columns[name] = dict(zip(keys, column.scores.tolist(), strict=True))
        return values

    def _scored(self, role: str, keys: list[str], intervals: Intervals) -> Columns:
        sr, truth = (unit(self._tables[name].take(keys)) for name in ("sr", role))
        if not np.isfinite(truth).any():
            raise NotComputed(f"no image has landmarks: {self.source.lacking(_SHOWN[role])}")
        if role == "lr":
            return against_lr(sr, truth)
        columns = against_hr(keys, sr, truth, intervals.identities, self.seed)
        if self.verification_distance is not None:
            seen = None if self.detector is None else self._tables["seen"].take(keys)
            column = verified(sr, truth, self.verification_distance, seen)
            if self.detector is not None:
                rule = {**self.detector.settings, "score_above": MEASURING}
                column.settings["face_found_in_both"] = rule
            columns["verification_acc@{}"] = column
        return columns

    def omitted(self) -> dict[str, str]:
        """Names that :meth:`results` left out for these images, with the reason."""
        return dict(self._omitted)

    def per_image(self) -> dict[str, dict[str, float]]:
        """The scores behind every value of the last :meth:`results`."""
        return self._columns

    def reset(self) -> None:
        """Forget all rows and what came of them."""
        super().reset()
        self._columns, self._omitted = {}, {}


def _detection(
    landmarks: Origin, detector: Detector | None, verifies: bool
) -> tuple[LandmarkSource, Detector | None]:
    """Where landmarks come from, and what says of a pair whether both show a face."""
    verifier = (detector or YuNet()) if verifies else None
    return LandmarkSource(landmarks, verifier or detector), verifier


def _visible(detector: Detector, image: UInt8Image) -> bool:
    return face_above(detector.best(image), MEASURING) is not None
