"""What has been trained so far, and what a stage needs before it may begin.

Each stage stands on the ones before it. Alone it takes them from ``init=``; without that it would
train, and even converge, on networks that are still noise.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from facesr_bench.errors import ConfigError

from .stages import Part, Stage
from .variants import Switches

_NAMES: dict[Part, str] = {
    "branches": "the branches of G_ds",
    "base": "the base encoder E_W",
    "scales": "the encoder E_W+",
}
_KEYS: dict[Part, str] = {
    "branches": "nets.G_ds.branches.",
    "base": "nets.E_W.",
    "scales": "nets.E_Wplus.",
}
_MARK = "propulse_trained"


class Progress:
    """The parts whose training has begun.

    Args:
        switches: of the variant.
        num_codes: of the prior.
        branches: whether there are any.
    """

    def __init__(self, switches: Switches, num_codes: int, *, branches: bool) -> None:
        self.switches, self.num_codes, self.branches = switches, num_codes, branches
        self.trained: set[Part] = set()

    def begin(self, stage: Stage) -> None:
        """Note that a stage's training starts.

        Raises:
            ConfigError: it stands on a part that nobody has trained.
        """
        if missing := sorted(self.needs(stage) - self.trained):
            raise ConfigError(
                f"Pro-PULSE: {stage.name} stands on {' and '.join(_NAMES[p] for p in missing)}, which "
                "nobody has trained. Start from a run that did (init=RUN/checkpoints/last.ckpt), or "
                "let this one (method.stages)."
            )
        self.trained.add(stage.part)
        if self.switches.e2e and self.branches:
            self.trained.add("branches")

    def needs(self, stage: Stage) -> set[Part]:
        """Parts whose output a stage's losses or codes are made of, its own aside."""
        if stage.part == "branches":
            return set()
        found: set[Part] = set()
        if self.branches and not self.switches.e2e and "rec" in self.switches.terms(stage):
            found.add("branches")
        if stage.part == "scales" and self.switches.trains("base") and stage.codes < self.num_codes:
            found.add("base")
        return found

    def require_branches(self, side: int) -> None:
        """Refuse an image of a branch that is still noise.

        Raises:
            ConfigError: it is.
        """
        if "branches" not in self.trained:
            raise ConfigError(
                f"Pro-PULSE: the side output of {side} pixels comes from a branch of G_ds, and in "
                "these weights the branches are untrained (an exported file holds none; use the run's "
                "last.ckpt)."
            )

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Into a checkpoint."""
        checkpoint[_MARK] = sorted(self.trained)

    def load(self, content: Mapping[str, Any], names: Iterable[str]) -> None:
        """From a checkpoint; a file without a mark has trained what it holds.

        Args:
            content: the checkpoint.
            names: of the tensors in it.
        """
        marked = content.get(_MARK)
        if marked is not None:
            self.trained = {part for part in _KEYS if part in marked}
            return
        keys = tuple(names)
        self.trained = {part for part, key in _KEYS.items() if any(n.startswith(key) for n in keys)}
