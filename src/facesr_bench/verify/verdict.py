"""What verification found, in words and for the record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facesr_bench.verify.comparing import SAME_DEVICE, Tolerance

HOLDS, DIFFERS = "verified", "differs"


@dataclass
class Verdict:
    """Grows while the run is looked at.

    Attributes:
        share, seed: which images were made again.
        tolerance: what may differ.
        findings: a sentence for each thing that differs; empty when the record holds.
        notes: what could not be compared, and why.
        images: numbers about the images made again.
        scores: names whose values were compared.
        sr_hash: whether all stored images hash to what the record says; None where there are none.
        weights: "equal", "differ" or "not recorded".
    """

    share: float
    seed: int
    tolerance: Tolerance
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    images: dict[str, Any] = field(default_factory=dict)
    scores: list[str] = field(default_factory=list)
    sr_hash: bool | None = None
    weights: str = "not recorded"

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.findings

    @property
    def same_device(self) -> bool:
        """Whether bits were compared."""
        return self.tolerance == SAME_DEVICE

    def to_json(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """One entry of the record's ``verified``.

        Args:
            facts: when, versions, git state and device of the verification.
        """
        return {
            "verdict": HOLDS if self.holds else DIFFERS,
            "share": self.share,
            "seed": self.seed,
            "same_device": self.same_device,
            "tolerance": self.tolerance.to_json(),
            "images": dict(self.images),
            "sr_hash": self.sr_hash,
            "weights": self.weights,
            "scores": list(self.scores),
            "findings": list(self.findings),
            "notes": list(self.notes),
            **facts,
        }

    def text(self) -> str:
        """For the terminal."""
        count = self.images.get("images", 0)
        how = "to the bit" if self.same_device else "within the tolerance between devices"
        if self.holds:
            head = f"verified: {count} images made again, equal {how} (seed {self.seed})"
        else:
            head = f"DIFFERS ({count} images made again, seed {self.seed}):"
        lines = [head, *(f"  - {finding}" for finding in self.findings)]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])
