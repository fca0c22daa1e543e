"""Distances between the SR images and a reference set, from one pass of one network.

``fid@SET`` and ``kid@SET`` share the Inception, which is nearly all of their cost;
``fd_squeezenet@SET`` needs a network of 5 MB. Beside each Fréchet distance stands its
jackknife-corrected value, as ``fid_jk@SET``. SET is the test set, whose HR images are the reference,
or the name of a saved reference.

All of these fall with the number of images. With fewer than the network's minimum nothing is said,
or, where the user insists, under a name that carries the number: ``fid_n200@SET``.
"""

import math
from pathlib import Path
from typing import Any, ClassVar

import torch

from facesr_bench.errors import ConfigError, NotComputed
from facesr_bench.metrics import kid
from facesr_bench.metrics.base import Expected, FaceMetric, Need, ScoreBatch
from facesr_bench.metrics.distance_values import TwoSets, frechet_values, kernel_value
from facesr_bench.metrics.feature_cache import (
    KeyedFeatures,
    cache_path,
    complete,
    read_features,
    write_features,
)
from facesr_bench.metrics.feature_network import build_feature_network
from facesr_bench.metrics.gaussians import Statistics
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.reference_halves import halves
from facesr_bench.metrics.reference_store import read_origin, read_reference
from facesr_bench.metrics.rows import RowTable
from facesr_bench.metrics.value import MetricValue
from facesr_bench.weights.requirements import require

_NO_JACKKNIFE = (
    "the correction leaves out one group of images after the other, for which there must be at least "
    "three images on each side"
)


class FeatureDistance(FaceMetric):
    """The distances one network's features give.

    Args:
        network: a name of :mod:`facesr_bench.metrics.feature_network`.
        set_name: the test set's name, the part of the keys after "@"; filled by the harness.
        seed: of KID's subsets; filled by the harness.
        allow_small: fewer images than the minimum are compared all the same, under a name that says
            so; filled by the harness.
        reference: a saved or imported reference instead of the HR images. No HR is needed then, the
            numbers of images may differ, and its name follows the "@". Statistics alone give no KID.

    Raises:
        ConfigError: no such network, or a reference of another make or with the test set's name.
        MissingRequirement: the reference, the weights or a package are missing, all in one message.
    """

    higher_is_better = False
    value_range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)  # KID may fall below 0
    # A plain attribute: with a named reference an instance needs no HR images.
    needs: frozenset[Need] = frozenset({"hr"})  # type: ignore[misc]

    def __init__(
        self,
        network: str,
        set_name: str,
        seed: int = kid.SEED,
        allow_small: bool = False,
        reference: str | None = None,
    ) -> None:
        super().__init__()
        if reference == set_name:
            raise ConfigError(
                f"The reference {reference!r} is called like the test set, so that "
                f"'@{reference}' would mean two things: distances to the test set's own HR images, and "
                "to the reference. Save it under another name, or give the test set another "
                "(evaluate: --set-name)."
            )
        self._origin, self._network = require(
            lambda: None if reference is None else read_origin(reference),
            lambda: build_feature_network(network),
        )
        if self._origin is not None and reference is not None:
            self._origin.require(reference, network, self._network.settings)
            self.needs = frozenset()
        self.features = self._network.frozen
        self.set_name = reference or set_name
        self.seed = seed
        self.allow_small = allow_small
        self.minimum_images = self._network.minimum_images
        self._expected: int | None = None
        self._hr_file: Path | None = None
        self._hr_known: frozenset[str] = frozenset()
        self._omitted: dict[str, str] = {}

    # -- names and settings -----------------------------------------------------------------------

    @property
    def keys(self) -> tuple[str, ...]:
        """The Fréchet distance, its corrected value, and the kernel distance where there is one."""
        count = len(self._tables["sr"]) if "sr" in self._tables else self._expected
        names = [self._network.frechet, f"{self._network.frechet}_jk"]
        if self._with_kernel and self._network.kernel is not None:
            names.append(self._network.kernel)
        return tuple(self._key(name, self._smaller(count)) for name in names)

    @property
    def _with_kernel(self) -> bool:
        features = self._origin is None or self._origin.kind == "features"
        return self._network.kernel is not None and features

    def _key(self, name: str, count: int | None) -> str:
        few = self.allow_small and count is not None and count < self.minimum_images
        return f"{name}_n{count}@{self.set_name}" if few else f"{name}@{self.set_name}"

    def _smaller(self, count: int | None) -> int | None:
        """Images of the smaller set, as far as it is known."""
        own = None if self._origin is None else self._origin.count
        counts = [n for n in (count, own) if n is not None]
        return min(counts) if counts else None

    def settings(self) -> dict[str, Any]:
        """Network, reference and statistics; the numbers of images come with the results."""
        reference: dict[str, Any] = {"reference": self.set_name}
        if self._origin is None:
            reference["reference_kind"] = "HR images of the same samples"
        else:
            unknown = "not stated by the imported file"
            saved = self._origin.kind == "features"
            reference["reference_kind"] = "saved features" if saved else "imported statistics"
            reference["reference_sha256"] = self._origin.sha256
            reference["reference_weights_sha256"] = self._origin.weights_sha256 or unknown
            reference["reference_resize"] = self._origin.resize or unknown
        return {**self._network.settings, **reference}

    # -- before and while images come -------------------------------------------------------------

    def expect(self, expected: Expected) -> None:
        """Refuse sets that are too small, and look for the HR images' features of an earlier run."""
        self._expected = expected.images
        self._check_count(self._smaller(expected.images))
        if self._origin is None and expected.hr_hash is not None:
            device = next(self.features.parameters()).device.type
            self._hr_file = cache_path(expected.hr_hash, self._network.settings, device)
            known = read_features(self._hr_file, self._network.dimensions)
            self._hr_known = frozenset() if known is None else frozenset(known.keys)

    def _check_count(self, count: int | None) -> None:
        fewest = kid.FEWEST if self._with_kernel else 2
        least = fewest if self.allow_small else max(fewest, self.minimum_images)
        if count is None or count >= least:
            return
        hint = (
            ""
            if self.allow_small or count < fewest
            else " (metrics.allow_small=true, or evaluate --allow-small, computes it under a name "
            "that says so)"
        )
        raise NotComputed(
            f"a distance between sets needs at least {least} images on each side, but there "
            f"{'is' if count == 1 else 'are'} {count}{hint}"
        )

    def update(self, batch: ScoreBatch) -> None:
        """Keep the features of SR, and of HR images that are not known yet."""
        images = [batch.sr]
        fresh: list[int] = []
        if self._origin is None:
            fresh = [i for i, key in enumerate(batch.keys) if key not in self._hr_known]
            images.append(batch.require("hr")[fresh])
        rows = self.features(torch.cat(images)).numpy()  # in one go: fewer chunks to fill up
        number = len(batch.keys)
        self.add("sr", batch.keys, rows[:number])
        if fresh:
            self.add("hr", [batch.keys[i] for i in fresh], rows[number:])

    def reset(self) -> None:
        """Forget all rows and what was expected."""
        super().reset()
        self._expected, self._hr_file, self._hr_known = None, None, frozenset()
        self._omitted = {}

    # -- reducing ---------------------------------------------------------------------------------

    def results(self, intervals: Intervals) -> dict[str, MetricValue]:
        """The distances, with the jackknife's interval and the floor."""
        keys = self._tables["sr"].keys
        smaller = self._smaller(len(keys))
        self._check_count(smaller)
        sets = self._two_sets(keys, intervals)
        values = frechet_values(sets, self._network.frechet, intervals)
        kernel = self._network.kernel
        if kernel is not None and not isinstance(sets.reference, Statistics):
            values[kernel] = kernel_value(sets, sets.reference, self.seed)
        named = {self._key(name, smaller): value for name, value in values.items()}
        self._omitted = dict.fromkeys((key for key in self.keys if key not in named), _NO_JACKKNIFE)
        return named

    def omitted(self) -> dict[str, str]:
        """The corrected value, where the last :meth:`results` could not give it."""
        return dict(self._omitted)

    def _two_sets(self, keys: list[str], intervals: Intervals) -> TwoSets:
        people: Intervals | None = intervals
        if self._origin is None:
            reference: KeyedFeatures | Statistics = self._hr_features(keys)
        else:
            reference = read_reference(self.set_name)
            people = None  # the run knows who is on its own images only
        sr = self._tables["sr"].take(keys)
        settings = self.settings() | {"n_sr": len(keys)}
        if isinstance(reference, Statistics):
            return TwoSets(sr, reference, None, settings | {"n_reference": reference.count})
        parts = halves(reference.keys, intervals.seed, people)
        return TwoSets(sr, reference.rows, parts, settings | {"n_reference": len(reference.keys)})

    def _hr_features(self, keys: list[str]) -> KeyedFeatures:
        """Features of the HR images with these keys, from this run or an earlier one."""
        computed = self._tables.get("hr", RowTable())
        if len(computed) < len(keys):
            known = self._hr_file and read_features(self._hr_file, self._network.dimensions)
            return complete(keys, computed, known or None)
        features = KeyedFeatures(keys, computed.take(keys))
        if self._hr_file is not None and len(keys) == self._expected:
            write_features(self._hr_file, features)
        return features
