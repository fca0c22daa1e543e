"""``attribute_diff@CLASSIFIER``: does SR keep what the face shows (glasses, smile, age ...)?

A classifier predicts the probability of each of A attributes on SR and on HR. The value of an image is
the mean over the attributes of ``|p_SR - p_HR|``; the value of a set is the mean over its images. That
is Pro-PULSE's "average absolute difference of attribute scores to GT" (its figure 8b, 40 attributes of
CelebA; ``each`` adds figure 8a, a value per attribute), with probabilities as scores. Of side outputs
the figure compares with the full-size truth: ``truth="full"``; by default they are compared with truth
of their own side, like everything else. What is compared is two predictions, never SR with a label:
the classifier's own error, which travels in the settings, says how far the value can be trusted.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facesr_bench.errors import ConfigError
from facesr_bench.metrics.base import Need, PerImageMetric, ScoreBatch
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.value import MetricValue

Truth = Literal["reduced", "full"]

_PRESENT = 0.5
"""A stored attribute counts as present from here on."""


class AttributeClassifier(nn.Module, ABC):
    """What a plug-in provides; networks in it are submodules, so that they move to the device.

    Attributes:
        name: the part of the key after "@".
        attributes: names of the A attributes.
        error: share of wrong answers (at 0.5) on held-out labelled images, by attribute.
        group_error: mean of the same over the images of one group ("male", "not_male"), as far as it
            was measured: a classifier that errs more on one group makes differences there.
    """

    name: str
    attributes: tuple[str, ...]
    error: Mapping[str, float]
    group_error: Mapping[str, float]

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (B, A) on the CPU of uint8 (B, 3, H, W); each image's alone."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Network, weights, crop and size, as plain JSON."""


class AttributeDiff(PerImageMetric):
    """Mean absolute difference of predicted attribute probabilities; lower is better, 0 to 1.

    Args:
        classifier: an :class:`AttributeClassifier`, or ``_target_`` with arguments of what builds one.
        groups: stored attributes of the images. For each, the images that have it (0.5 and more) and
            those that have it not get a mean of their own: ``attribute_diff@NAME/male`` and
            ``attribute_diff@NAME/not_male``. Images of which it is not known are in neither; a group
            without images has no value.
        each: also a value for every attribute, ``attribute_diff@NAME:Smiling``.
        truth: what side outputs are compared with: "reduced" is truth of their side, "full" truth at
            its own size, as in the paper's figure; the name says so (``attribute_diff_full@NAME``).

    Raises:
        ConfigError: no classifier, one without attributes, or another truth.
        MissingRequirement: its weights are missing.
    """

    higher_is_better = False
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs: ClassVar[frozenset[Need]] = frozenset({"hr"})

    def __init__(
        self,
        classifier: AttributeClassifier | Mapping[str, Any],
        groups: Sequence[str] = (),
        each: bool = False,
        truth: Truth = "reduced",
    ) -> None:
        super().__init__()
        if truth not in get_args(Truth):
            raise ConfigError(
                f"attribute_diff: truth={truth} does not exist; choose {' or '.join(get_args(Truth))}."
            )
        self.compares_whole_hr = truth == "full"
        self.classifier = _built(classifier)
        self.groups = tuple(groups)
        self.each = each

    @property
    def keys(self) -> tuple[str, ...]:
        """The mean over all images, then one for each attribute, then two for each group."""
        sides = (name for group in self.groups for name in (group, f"not_{group}"))
        return (self._key, *self._single, *(f"{self._key}/{side}" for side in sides))

    @property
    def _key(self) -> str:
        stem = "attribute_diff_full" if self.compares_whole_hr else "attribute_diff"
        return f"{stem}@{self.classifier.name}"

    @property
    def _single(self) -> dict[str, str]:
        """Key of a single attribute's value to the attribute."""
        return {f"{self._key}:{a}": a for a in self.classifier.attributes} if self.each else {}

    def score(self, batch: ScoreBatch) -> dict[str, NDArray[np.float64]]:
        """Difference of each image."""
        sr = self.classifier(batch.sr).double().numpy()
        truth = batch.require("hr")
        if self.compares_whole_hr and batch.whole_hr is not None:
            truth = batch.whole_hr
        hr = self.classifier(truth).double().numpy()
        apart = np.abs(sr - hr)
        return {self._key: apart.mean(axis=1)} | dict(zip(self._single, apart.T, strict=False))

    def update(self, batch: ScoreBatch) -> None:
        """Score a batch; keep with each image what is stored of the groups."""
        super().update(batch)
        for group in self.groups:
            stored = [float(facts.get(group, np.nan)) for facts in batch.attributes]
            self.add(f"group/{group}", batch.keys, np.array(stored))

    def results(self, intervals: Intervals) -> dict[str, MetricValue]:
        """The mean over all images, of each attribute, and over each group that has any images."""
        tables = dict(self._tables)
        try:
            self._tables = {key: tables[key] for key in (self._key, *self._single)}
            values = super().results(intervals)
        finally:
            self._tables = tables
        for key, attribute in self._single.items():
            about = {
                "definition": "|p(SR) - p(HR)| of one attribute",
                "attributes": [attribute],
                "classifier_error": self.classifier.error.get(attribute),
            }
            values[key] = replace(values[key], settings=values[key].settings | about)
        keys = tables[self._key].keys
        scores = tables[self._key].take(keys)
        for group in self.groups:
            stored = tables[f"group/{group}"].take(keys)
            sides = {group: stored >= _PRESENT, f"not_{group}": stored < _PRESENT}
            for side, members in sides.items():
                if np.isfinite(scores[members]).any():
                    value = self._group(side, group, keys, scores, members, intervals)
                    values[f"{self._key}/{side}"] = value
        return values

    def _group(
        self,
        side: str,
        group: str,
        keys: list[str],
        scores: NDArray[np.float64],
        members: NDArray[np.bool_],
        intervals: Intervals,
    ) -> MetricValue:
        counted = np.where(members, scores, np.nan)  # the others' draws count for nothing
        finite = counted[np.isfinite(counted)]
        mean = MetricValue(
            value=float(np.mean(finite)),
            higher_is_better=self.higher_is_better,
            n=len(finite),
            settings=self.settings()
            | {
                "images": f"stored {group!r} {'>=' if side == group else '<'} {_PRESENT}",
                "classifier_error": self.classifier.group_error.get(side),
            },
            not_scored=int(members.sum()) - len(finite),
        )
        return mean.within(intervals.mean(keys, counted))

    def per_image(self) -> dict[str, dict[str, float]]:
        """Every image's differences; groups are means of the same column."""
        columns, kept = super().per_image(), {self._key, *self._single}
        return {name: column for name, column in columns.items() if name in kept}

    def settings(self) -> dict[str, Any]:
        """Definition, classifier, and its own error on labelled images."""
        classifier = self.classifier
        errors = {name: classifier.error.get(name) for name in classifier.attributes}
        known = [error for error in errors.values() if error is not None]
        return {
            "definition": "mean over attributes of |p(SR) - p(HR)|",
            "classifier": classifier.name,
            **classifier.settings(),
            "images": "all",
            "attributes": list(classifier.attributes),
            "classifier_error": float(np.mean(known)) if known else None,
            "classifier_error_by_attribute": errors,
            "reduction": "mean of images",
        } | ({"truth": "full size"} if self.compares_whole_hr else {})


def _built(classifier: AttributeClassifier | Mapping[str, Any]) -> AttributeClassifier:
    if isinstance(classifier, Mapping):
        from hydra.utils import get_object

        arguments = dict(classifier)
        target = arguments.pop("_target_", None)
        if target is None:
            raise ConfigError(
                "attribute_diff needs classifier._target_, which builds an AttributeClassifier."
            )
        # Not hydra's instantiate: it would wrap "weights are missing" into an error of its own.
        classifier = get_object(target)(**arguments)
    if not isinstance(classifier, AttributeClassifier) or not classifier.attributes:
        raise ConfigError(f"{classifier!r} is no AttributeClassifier with at least one attribute.")
    with torch.no_grad():
        for parameter in classifier.parameters():
            parameter.requires_grad_(False)
    return classifier
