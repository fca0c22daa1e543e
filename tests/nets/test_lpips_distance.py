"""LPIPS as a loss: the package's values, gradients to the image, and none that are nan."""

import pytest
import torch
from torch import nn

from facesr_bench.errors import ConfigError, MissingRequirement
from facesr_bench.metrics.lpips_distance import LPIPS
from facesr_bench.nets.lpips_distance import HEADS, SMALLEST, WEIGHTS, lpips_distance
from metrics.fabricated import FabricatedWeights
from metrics.test_lpips import fabricate


@pytest.fixture
def weights(tmp_path, monkeypatch):
    return FabricatedWeights(tmp_path, monkeypatch)


def put(weights, net, state=None):
    state = fabricate(net) if state is None else state
    weights.put(WEIGHTS[net], lambda path: torch.save(state, path))


@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
def test_values_and_gradients_are_the_packages(weights, net):
    put(weights, net)
    loss = lpips_distance(net)
    rng = torch.Generator().manual_seed(0)
    images, truth = (torch.rand(2, 3, 48, 40, generator=rng) for _ in range(2))
    images.requires_grad_()
    ours = loss(images, truth)
    assert ours.shape == (2,) and float(loss(truth, truth).abs().max()) == 0
    theirs = loss.network.forward(images, truth, normalize=True).flatten()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    (one,) = torch.autograd.grad(ours.sum(), images)
    (other,) = torch.autograd.grad(theirs.sum(), images)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6 * float(other.abs().max()) + 1e-9)
    assert float(one.abs().amax(dim=(1, 2, 3)).min()) > 0
    # And it is what the metric measures, whose images are 8-bit.
    eight = (images.detach() * 255).round()
    scored = LPIPS(net).distance(eight.to(torch.uint8), (truth * 255).round().to(torch.uint8))
    with torch.no_grad():
        again = loss(eight / 255, (truth * 255).round() / 255)
    torch.testing.assert_close(again, scored.flatten(), rtol=1e-4, atol=1e-6)


def test_where_no_feature_answers_the_gradient_is_zero_and_not_nan(weights):
    state = fabricate("alex")
    for name, tensor in state.items():
        if name.startswith("features") and name.endswith("bias"):
            state[name] = torch.full(tensor.shape, -50.0)  # no feature answers anywhere
    put(weights, "alex", state)
    loss = lpips_distance("alex")
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    truth = torch.rand(1, 3, 64, 64)
    loss(images, truth).sum().backward()
    # Features are divided by their length, here 0, where a square root has no derivative.
    assert images.grad is not None and float(images.grad.abs().max()) == 0


def test_it_is_frozen_in_eval_mode_and_not_saved(weights):
    put(weights, "squeeze")
    method = nn.Module()
    method.loss = lpips_distance("squeeze")
    method.train()
    assert not any(module.training for module in method.loss.network.modules())  # its dropout!
    assert not any(p.requires_grad for p in method.loss.network.parameters())
    assert not method.state_dict() and not list(method.parameters())
    assert method.loss.weights["weights"] == "squeezenet1_1"


def test_what_cannot_be_is_a_sentence(weights):
    with pytest.raises(ConfigError, match=r"no backbone 'resnet'; choose alex, vgg, squeeze"):
        lpips_distance("resnet")
    with pytest.raises(MissingRequirement, match=r"weights 'alexnet' are missing .*psp \(LPIPS"):
        lpips_distance("alex")
    put(weights, "squeeze")
    with pytest.raises(ConfigError, match=r"at least 17x17 pixels, not 16x20"):
        lpips_distance("squeeze")(torch.rand(1, 3, 16, 20), torch.rand(1, 3, 16, 20))
    assert HEADS.keys() == WEIGHTS.keys() == SMALLEST.keys()
