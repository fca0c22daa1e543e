"""BatchNorm over several processes, without starting any: the others hold what this one holds."""

import copy

import pytest
import torch
from torch import Tensor, nn

from facesr_bench.nets import synced_norm
from facesr_bench.nets.synced_norm import sync_batch_norms


@pytest.mark.parametrize("momentum", [0.1, None])
def test_two_processes_keep_the_statistics_of_one_with_both_batches(
    momentum: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synced_norm.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(synced_norm.dist, "get_world_size", lambda: 2)

    def both(value: Tensor) -> Tensor:
        return value * 2

    monkeypatch.setattr(synced_norm, "all_reduce", both)
    one = nn.BatchNorm2d(3, momentum=momentum)
    nn.init.uniform_(one.weight)
    nn.init.uniform_(one.bias)
    shared = nn.Sequential(copy.deepcopy(one))
    sync_batch_norms(shared)
    for _ in range(2):
        x = torch.randn(2, 3, 2, 2) + 1  # few values a channel: 16 of both, so n - 1 is seen
        expected = one(torch.cat([x, x]))
        torch.testing.assert_close(shared(x), expected[:2])
    torch.testing.assert_close(dict(shared[0].named_buffers()), dict(one.named_buffers()))
