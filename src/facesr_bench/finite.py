"""Training whose numbers broke down stops at once, and its last good checkpoint stays the last."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from facesr_bench.budget import Budget
from facesr_bench.errors import TrainingError


class FiniteGuard:
    """Raises where a loss or a weight is nan or infinite.

    Args:
        budget: tells which step it was.
        checkpoint: the file that is saved while all is well, for the message.
    """

    def __init__(self, budget: Budget, checkpoint: Path) -> None:
        self._budget, self._checkpoint = budget, checkpoint

    def check_losses(self, losses: Mapping[str, float], images_seen: int) -> None:
        """Raise TrainingError naming the losses, all of them, and the step just done."""
        broken = [name for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            values = ", ".join(f"{name}={value:.4g}" for name, value in losses.items())
            self._stop(f"the loss {', '.join(broken)} is not finite ({values})", images_seen)

    @torch.no_grad()
    def check_weights(self, module: nn.Module, images_seen: int) -> None:
        """Raise TrainingError naming the first weight; a loss shows it only a step later."""
        named = dict(module.named_parameters())
        if not named:
            return
        finite = torch.stack([torch.isfinite(value).all() for value in named.values()]).tolist()
        broken = [name for name, fine in zip(named, finite, strict=True) if not fine]
        if broken:
            self._stop(
                f"{len(broken)} of {len(named)} weights are not finite (first {broken[0]})",
                images_seen,
            )

    def _stop(self, what: str, images_seen: int) -> None:
        if self._checkpoint.is_file():
            kept = f"The last good checkpoint is {self._checkpoint}; go on from it by ckpt= with"
        else:
            kept = "No checkpoint was written yet; start again with"
        raise TrainingError(
            f"Training stopped at step {self._budget.step_at(images_seen)}, after {images_seen} "
            f"images: {what}. {kept} a lower learning rate, or in float32 (trainer.precision=32-true) "
            "if this was bf16."
        )
