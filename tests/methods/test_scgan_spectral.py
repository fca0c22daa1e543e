"""Our spectral norm against torch's: same weights, same u and v, same gradients, same keys."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm as torch_spectral_norm

from facesr_bench.methods.scgan.spectral import spectral_norm

LAYERS = {
    "conv3x3": (lambda: nn.Conv2d(6, 10, 3, padding=1, bias=False), (2, 6, 8, 8)),
    "conv1x1": (lambda: nn.Conv2d(6, 10, 1), (2, 6, 8, 8)),
    "one channel": (lambda: nn.Conv2d(1, 10, 3), (2, 1, 8, 8)),
    "linear": (lambda: nn.Linear(6, 10), (5, 6)),
    "one output": (lambda: nn.Linear(6, 1), (5, 6)),
}


def pair(name: str) -> tuple[nn.Module, nn.Module, Tensor]:
    torch.manual_seed(3)
    build, shape = LAYERS[name]
    layer = build()
    theirs, ours = torch_spectral_norm(copy.deepcopy(layer)), spectral_norm(layer)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours, torch.randn(shape)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_two_forwards_and_a_backward(name: str, channels_last: bool) -> None:
    """As in a critic's step: the second call moves u and v before the first one's backward."""
    theirs, ours, x = pair(name)
    if channels_last:
        ours.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for net in (theirs, ours):
        (net(x).square().mean() + net(x.flip(0) + 1).exp().mean()).backward()
    for (key, a), (other, b) in zip(
        theirs.state_dict().items(), ours.state_dict().items(), strict=True
    ):
        assert key == other
        assert torch.allclose(a, b, atol=1e-6), key
    for (key, a), b in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        assert a.grad is not None and b.grad is not None
        assert torch.allclose(a.grad, b.grad, rtol=1e-4, atol=1e-5), key


def test_eval_mode_does_not_iterate() -> None:
    theirs, ours, x = pair("conv3x3")
    theirs.eval(), ours.eval()
    before = ours.state_dict()["weight_u"].clone()
    assert torch.allclose(theirs(x), ours(x), atol=1e-6)
    assert torch.equal(before, ours.state_dict()["weight_u"])


def test_autocast_leaves_the_power_iteration_in_float32() -> None:
    _, ours, x = pair("conv3x3")
    twin = copy.deepcopy(ours)
    ours(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert twin(x).dtype == torch.bfloat16
    assert torch.equal(ours.state_dict()["weight_u"], twin.state_dict()["weight_u"])


def test_a_frozen_layer_still_passes_the_gradient_on() -> None:
    _, ours, x = pair("conv3x3")
    ours.requires_grad_(False)
    x.requires_grad_(True)
    ours(x).sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
