"""Toys that break a promise in a second way, for ``tests/check/test_further_faults.py``."""

import random
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn import functional as F

from check_toys import Toy
from facesr_bench.method import Batch


class NoMethod:
    def __init__(self, factor: int = 2) -> None: ...


class Greedy(Toy):
    def __init__(self, factor: int = 2, **others: Any) -> None:
        super().__init__(factor)


class Needy(Toy):
    def __init__(self, depth: int, factor: int = 2) -> None:
        super().__init__(factor)


class Nameless(Toy):
    paper = "  "


class Untyped(Toy):
    def __init__(self, factor: int = 2, depth=1) -> None:  # type: ignore[no-untyped-def]
        super().__init__(factor)


class Configured(Toy):
    def __init__(self, factor: int = 2, noted: "DictConfig | None" = None) -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__(factor)


class Keeping(Toy):
    def __init__(self, factor: int = 2) -> None:
        super().__init__(factor)
        self.kept = OmegaConf.create({"a": 1})


class Mislabelled(Toy):
    def __init__(self, factor: int = 2) -> None:
        super().__init__(factor)
        self.factor = 4

    def check_sizes(self, lr: Any, hr: Any) -> None:
        """Whatever size: the factor itself is wrong."""

    def enlarge(self, lr: Tensor) -> Tensor:
        return F.interpolate(lr, scale_factor=2, mode="nearest")


class Negative(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        return super().super_resolve(lr) - 0.5


class Double(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        return super().super_resolve(lr).double()


class OnBlack(Toy):
    """Not a number for a black image alone."""

    def super_resolve(self, lr: Tensor) -> Tensor:
        return super().super_resolve(lr) * (lr.amax() / lr.amax())


class DrawingNumpy(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        np.random.rand()
        return super().super_resolve(lr)


class DrawingPython(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        random.random()
        return super().super_resolve(lr)


class Seeded(Toy):
    """Draws nothing, but another global seed is another image."""

    def super_resolve(self, lr: Tensor) -> Tensor:
        return super().super_resolve(lr) * (1 - 0.1 * (torch.initial_seed() % 2))


class Ordered(Toy):
    """Each image alone comes out as in its batch, but not in a batch turned round."""

    def restore(self, lr: Tensor, keys: list[str]) -> Tensor:
        return super().restore(lr, keys) * (0.9 if keys[0] > keys[-1] else 1.0)


class EvenOnly(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        height, width = lr.shape[2] // 2, lr.shape[3] // 2
        return super().super_resolve(lr.reshape(len(lr), 3, height * 2, width * 2))


class Backward(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        with torch.enable_grad():
            super().super_resolve(lr).sum().backward()
        return super().super_resolve(lr)


class Switching(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        self.train()
        return super().super_resolve(lr)


class Enabling(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        sr = super().super_resolve(lr)
        torch.set_grad_enabled(True)
        return sr


class Learning(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        self.conv.bias.data += 0.01  # type: ignore[union-attr]
        return super().super_resolve(lr)


class Untraceable(Toy):
    def super_resolve(self, lr: Tensor) -> Tensor:
        if torch.jit.is_tracing():  # type: ignore[no-untyped-call]
            raise RuntimeError("a search")
        return super().super_resolve(lr)


class NotANumber(Toy):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.log_losses({"pixel": loss, "critic": loss * float("inf")})
        return loss


class Failing(Toy):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        raise RuntimeError("no step")


class Twice(Toy):
    def configure_optimizers(self) -> Any:
        groups = [{"params": self.conv.parameters()}, {"params": [self.conv.bias], "lr": 0.1}]
        optimizer = torch.optim.Adam([groups[0]], lr=self.lr)
        optimizer.param_groups.append({**optimizer.param_groups[0], **groups[1]})
        return optimizer


class Stray(Toy):
    def configure_optimizers(self) -> torch.optim.Optimizer:
        stray = nn.Parameter(torch.zeros(1))
        return torch.optim.Adam([*self.parameters(), stray], lr=self.lr)


class Idle(Toy):
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)
