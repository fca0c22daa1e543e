"""From the name of a strategy to what it does to a method."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from facesr_bench.adaptation.contract import AdaptsItself, Exemplars
from facesr_bench.adaptation.fine_tuning import fine_tune
from facesr_bench.adaptation.settings import AdaptationSettings, Strategy
from facesr_bench.adaptation.source_faces import SourceFaces
from facesr_bench.adaptation.style_training import fingerprint_of, trained_stylist
from facesr_bench.adaptation.stylist import Stylist
from facesr_bench.adaptation.tasks import task_of
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import ConfigError
from facesr_bench.method import Method

SUFFIX: dict[Strategy, str] = {
    "own": "",
    "none": " (source only)",
    "direct": " + direct fine-tuning",
    "adain": " + style transfer",
    "asm": " + ASM (our reading)",
}
"""What tables add to a method's label: nobody may take our reading of RAIN for its authors' code."""


@dataclass(frozen=True)
class Adapter:
    """Adapts one method by one strategy.

    Attributes:
        method: changed in place, on its device.
        settings: of the protocol.
        source: faces of the source domain.
        stylist: trained, for strategies that restyle.
        seed: the run's; with the cell's it makes the seed of all draws.
    """

    method: Method
    settings: AdaptationSettings
    source: SourceFaces
    stylist: Stylist | None
    seed: int

    @property
    def steps(self) -> int:
        """How often ``done`` is called."""
        if self.settings.strategy == "none":
            return 0
        if self.settings.strategy == "own" and isinstance(self.method, AdaptsItself):
            return self.method.adaptation_steps
        return self.settings.fine_tuning.steps

    def adapt(self, exemplars: Exemplars, seed: int, done: Callable[[], None]) -> dict[str, float]:
        """Change the method; returns numbers for the record."""
        strategy, method = self.settings.strategy, self.method
        if strategy == "none":
            return {}
        if strategy == "own" and isinstance(method, AdaptsItself):
            # Its synthetic faces get their LR as restyled ones do, and as the test images did.
            return method.adapt(replace(exemplars, degrade=self.source.lr_of), seed, done)
        tuning = self.settings.fine_tuning
        task = task_of(method, self.source, seed, tuning.search)
        found = fine_tune(method, task, exemplars, self.stylist, tuning, seed, done)
        tell_prior_changed(method)
        return found

    def facts(self) -> dict[str, Any]:
        """Plain values for the record."""
        own = {"synthetic_lr": "protocol"} if self.settings.strategy == "own" else {}
        return {
            **own,
            "strategy": self.settings.strategy,
            "stylist": None if self.stylist is None else fingerprint_of(self.stylist),
            "style_features": None if self.stylist is None else self.settings.style_net.features,
        }


def tell_prior_changed(method: Method) -> None:
    """Let a method that keeps constants made of its prior make them anew (``prior_changed()``)."""
    refresh = getattr(method, "prior_changed", None)
    if refresh is not None:
        refresh()


def make_adapter(
    method: Method,
    settings: AdaptationSettings,
    data: FaceSRDataModule,
    folder: Path,
    device: torch.device,
    seed: int,
    bar: Callable[[str, int, str], Any],
) -> Adapter:
    """The adapter of a run; a strategy that restyles trains its network now, or finds it in ``folder``.

    Raises:
        ConfigError: the method has no algorithm of its own.
        MissingRequirement: weights of the restyling network's features are not here.
    """
    if settings.strategy == "own" and not isinstance(method, AdaptsItself):
        raise ConfigError(
            f"{type(method).__name__} has no adaptation of its own; choose adaptation.strategy=direct, "
            "adain or asm, or none for what it does without."
        )
    source = SourceFaces(data, seed, device)
    stylist: Stylist | None = None
    if settings.strategy in ("adain", "asm"):
        coded = settings.strategy == "asm"
        name = f"{data.name}@{data.version}, seed {seed}"
        stylist = trained_stylist(
            folder / f"stylist_{settings.strategy}.ckpt", settings.style_net, source, name, device,
            seed, coded=coded, bar=bar,
        )  # fmt: skip
    return Adapter(method, settings, source, stylist, seed)
