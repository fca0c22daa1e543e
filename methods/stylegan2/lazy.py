"""Lazy regularisation: a penalty every few steps, and the Adam that makes up for it."""

from dataclasses import dataclass

from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import nn
from torch.optim import Adam


@dataclass(frozen=True)
class Lazy:
    """A penalty that is due every ``interval`` steps, from the first on, and weighs that much more."""

    interval: int

    def due(self, step: int) -> bool:
        """Whether step number ``step``, from 0, has it."""
        return step % self.interval == 0

    @property
    def correction(self) -> float:
        """What Adam's rate is multiplied by and its betas are raised to.

        The penalty's own step makes ``interval + 1`` updates where there would have been ``interval``.
        """
        return self.interval / (self.interval + 1)


def lazy_adam(network: nn.Module, lr: float, penalty: Lazy | None, fused: bool) -> Adam:
    """Adam with betas (0, 0.99), corrected (StyleGAN2, appendix B)."""
    power = 1.0 if penalty is None else penalty.correction
    betas = (0.0, 0.99**power)  # 0 to any power stays 0
    return Adam(network.parameters(), lr=lr * power, betas=betas, eps=1e-8, fused=fused)


def set_rate(adam: Adam | LightningOptimizer, lr: float, penalty: Lazy | None) -> None:
    """Give an Adam of :func:`lazy_adam` another rate, corrected in the same way."""
    for group in adam.param_groups:
        group["lr"] = lr * (1.0 if penalty is None else penalty.correction)
