"""What goes into a run record, gathered from the objects of a finished run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facesr_bench.attempt import hash_of_weights, summary
from facesr_bench.cost import Cost
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.method import Method
from facesr_bench.metrics.scores import PerImage, Scores
from facesr_bench.priors import LoadedPrior
from facesr_bench.results import SCHEMA, device_facts, git_state, package_versions
from facesr_bench.seen_images import overlap
from facesr_bench.starting_weights import StartingWeights
from facesr_bench.training import Fitted


@dataclass(frozen=True)
class Outcome:
    """Everything a finished test stage knows."""

    method: Method
    data: FaceSRDataModule
    scores: Scores
    cost: Cost | None
    weights: StartingWeights
    fitted: Fitted | None
    sr_hash: str
    findings: PerImage = field(default_factory=dict)
    side_outputs: Mapping[str, Any] = field(default_factory=dict)


def make_record(
    settings: Mapping[str, Any], outcome: Outcome, device: str, started: str, seconds: float
) -> dict[str, Any]:
    """The content of ``result.json``; its keys are documented in the README."""
    test_set, method = outcome.data.test_set, outcome.method
    return {
        "schema": SCHEMA,
        "method": settings["method"]["name"],
        "label": settings["label"] or settings["method"]["name"],
        "scale": settings["scale"],
        "paper": method.paper,
        "data": outcome.data.test_name,
        "data_sources": outcome.data.source.provenance(),
        "protocol": {
            "name": test_set.name,
            "version": test_set.version,
            "hash": test_set.hash,
        },
        "lr_hash": test_set.lr_hash,
        "hr_hash": test_set.hr_hash,
        "sr_hash": outcome.sr_hash,
        "side_outputs": dict(outcome.side_outputs),
        "n_images": len(test_set),
        "metrics": {key: value.to_json() for key, value in outcome.scores.values.items()},
        "metrics_skipped": dict(outcome.scores.skipped),
        "metrics_failed": dict(outcome.scores.failed),
        "findings": summary(outcome.findings),
        "cost": {} if outcome.cost is None else outcome.cost.to_json(),
        "config": dict(settings),
        "weights": [*outcome.weights.files, *method.weight_files],
        "weights_hash": hash_of_weights(method),
        "trained_on": method.provenance(),
        "test_overlap": overlap(method.image_digests, outcome.data.source, test_set.keys),
        "prior": _prior(method),
        "budget": _budget(settings, outcome),
        "origin": outcome.weights.origin,
        "loss_networks": list(method.loss_networks) if method.computes else None,
        "versions": package_versions(),
        "git": git_state(),
        "device": device_facts(device),
        "started": started,
        "seconds": round(seconds, 3),
    }


def _prior(method: Method) -> dict[str, Any] | None:
    """The generator a method stands on, if it holds one as ``prior``."""
    prior = getattr(method, "prior", None)
    return prior.facts() if isinstance(prior, LoadedPrior) else None


def _budget(settings: Mapping[str, Any], outcome: Outcome) -> dict[str, Any] | None:
    """Images trained on beside the method's own budget at this scale: what tables mark by."""
    declared = settings["method"].get("budget")
    if not outcome.method.trainable or declared is None:
        return None
    fitted = outcome.fitted
    # Nobody has kept what the attempts before a resumed one took: no number rather than a part of it.
    whole = fitted is not None and outcome.weights.resume_from is None
    return {
        "images": outcome.method.images_seen,
        "declared": outcome.method.make_budget(declared).images,
        "fit_seconds": round(fitted.seconds, 3) if fitted is not None and whole else None,
    }
