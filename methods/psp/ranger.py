"""Ranger, pSp's optimizer: RAdam on centralised gradients, with Lookahead.

Liu et al. 2020 (RAdam), Yong et al. 2020 (gradient centralisation), Zhang et al. 2019 (Lookahead), put
together by L. Wright; pSp uses it with betas (0.95, 0.999) and eps 1e-5.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import RAdam

_EVERY, _SHARE = 6, 0.5
"""Lookahead: after so many steps slow weights go this share of the way, and the fast ones follow."""


class Ranger(RAdam):
    """See the module.

    Args:
        params: what is trained.
        lr: learning rate.
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-4) -> None:
        super().__init__(params, lr=lr, betas=(0.95, 0.999), eps=1e-5)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One step; with a closure it is called first, with gradients on."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            trained = [p for g in self.param_groups for p in g["params"] if p.grad is not None]
            new = {p: p.clone() for p in trained if not self.state[p]}
            for p in trained:
                if p.ndim > 1:
                    p.grad.sub_(p.grad.mean(tuple(range(1, p.ndim)), keepdim=True))
            super().step()
            for p in trained:
                state = self.state[p]
                if p in new:
                    state["slow"] = new[p]
                if int(state["step"]) % _EVERY == 0:
                    state["slow"].lerp_(p, _SHARE)
                    p.copy_(state["slow"])
        return loss
