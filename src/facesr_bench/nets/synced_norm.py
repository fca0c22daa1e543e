"""BatchNorm over the batch of all processes, on any device.

PyTorch's ``SyncBatchNorm`` refuses the CPU, where tests compare it with one process. This one needs two
small sums a layer, and no kernel of its own.
"""

from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce  # with gradients


class _Synced:
    """Replaces ``forward`` of a BatchNorm; every process must hold equally many samples."""

    def forward(self, x: Tensor) -> Tensor:
        norm = cast(nn.BatchNorm2d, self)
        ranks = dist.get_world_size() if dist.is_initialized() else 1
        if ranks == 1 or not (norm.training or norm.running_mean is None):
            return cast(Tensor, super().forward(x))  # type: ignore[misc]
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        with torch.autocast(x.device.type, enabled=False):
            wide = x if x.dtype == torch.float64 else x.float()
            mean: Tensor = all_reduce(wide.mean(axes)) / ranks
            centred = wide - mean.view(shape)
            variance: Tensor = all_reduce(centred.square().mean(axes)) / ranks
            y = centred * (variance + norm.eps).rsqrt().view(shape)
            if norm.affine:
                y = y * norm.weight.view(shape) + norm.bias.view(shape)
        _track(norm, mean.detach(), variance.detach(), ranks * x.numel() // x.shape[1])
        return y.to(x.dtype)


class SyncedBatchNorm1d(_Synced, nn.BatchNorm1d):
    """Of (N, C) or (N, C, L)."""


class SyncedBatchNorm2d(_Synced, nn.BatchNorm2d):
    """Of (N, C, H, W)."""


_SYNCED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: SyncedBatchNorm1d,
    nn.BatchNorm2d: SyncedBatchNorm2d,
}


def sync_batch_norms(model: nn.Module) -> int:
    """Make every BatchNorm of a model see the batch of all processes; returns how many there are.

    In place: networks that share layers hold one under several names, and optimizers hold its weights.
    """
    return _swap(model, _SYNCED)


def unsync_batch_norms(model: nn.Module) -> int:
    """Take :func:`sync_batch_norms` back."""
    return _swap(model, {synced: plain for plain, synced in _SYNCED.items()})


def _swap(model: nn.Module, classes: dict[type[nn.Module], type[nn.Module]]) -> int:
    found = [module for module in model.modules() if type(module) in classes]
    for module in found:
        module.__class__ = classes[type(module)]
    return len(found)


@torch.no_grad()
def _track(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, number: int) -> None:
    """Running statistics as BatchNorm keeps them, of ``number`` values a channel."""
    if norm.running_mean is None or norm.running_var is None:
        return
    momentum = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if momentum is None:
            momentum = 1 / float(norm.num_batches_tracked)
    unbiased = variance * (number / max(1, number - 1))
    for running, new in ((norm.running_mean, mean), (norm.running_var, unbiased)):
        running.lerp_(new.to(running.dtype), 0.0 if momentum is None else momentum)
