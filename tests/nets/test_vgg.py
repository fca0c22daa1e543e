"""VGG features: every layer is torchvision's, and nothing but the images gets a gradient."""

from functools import partial
from typing import get_args

import pytest
import torch
from torch import nn
from torchvision import models, transforms

from facesr_bench.errors import ConfigError, MissingRequirement, WeightsError
from facesr_bench.nets.vgg import Name, VGGFeatures, layer_names, vgg_features
from metrics.fabricated import FabricatedWeights

PLANS = {"vgg16": "D", "vgg19": "E"}


def torchvision_features(name, seed=3):
    """Torchvision's layers with He-normal weights and small biases."""
    layers = models.vgg.make_layers(models.vgg.cfgs[PLANS[name]])
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in layers.parameters():
            scale = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.05
            tensor.copy_(torch.randn(tensor.shape, generator=rng) * scale)
    return layers


def file_of(layers, name):
    """The whole classifier's state dict; the part that features do not need takes no space."""
    with torch.device("meta"):
        shapes = getattr(models, name)(weights=None).state_dict()
    state = {f"features.{key}": tensor for key, tensor in layers.state_dict().items()}
    rest = {k: torch.zeros(1).expand(v.shape) for k, v in shapes.items() if k not in state}
    return state | rest


@pytest.mark.parametrize("name", get_args(Name))
def test_every_layer_is_torchvisions(name, tmp_path, monkeypatch):
    theirs = torchvision_features(name)
    state = file_of(theirs, name)
    FabricatedWeights(tmp_path, monkeypatch).put(name, partial(torch.save, state))
    before = torch.get_rng_state()
    ours = vgg_features(name, layer_names(name))
    assert torch.equal(torch.get_rng_state(), before), "building it moved the random generator"
    assert ours.weights["weights"] == name and len(ours.weights["weights_sha256"]) == 16
    images = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    found = ours(images)
    x = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(images)
    assert list(found) == layer_names(name) and len(found) == len(theirs)
    with torch.no_grad():
        for (layer, value), module in zip(found.items(), theirs, strict=True):
            # torchvision's ReLU works in place; x of the step before is not looked at again.
            x = module(x.clone())
            kinds = {nn.Conv2d: "conv", nn.ReLU: "relu", nn.MaxPool2d: "pool"}
            assert layer.startswith(kinds[type(module)])
            torch.testing.assert_close(value, x, rtol=1e-5, atol=1e-5)


def test_names_are_torchvisions_numbers():
    """Pro-PULSE: VGG-16 conv4_2 is features[19]; DAP-FSR: VGG-19 relu1_1..4_1 are 1, 6, 11, 20."""
    assert layer_names("vgg16").index("conv4_2") == 19
    nineteen = layer_names("vgg19")
    assert [nineteen.index(f"relu{block}_1") for block in (1, 2, 3, 4)] == [1, 6, 11, 20]
    assert (len(layer_names("vgg16")), len(nineteen)) == (31, 37)


@pytest.fixture(scope="module")
def state():
    return file_of(torchvision_features("vgg16"), "vgg16")


def test_only_what_is_asked_for_is_built_and_comes_out(state):
    network = VGGFeatures("vgg16", ["conv2_2", "relu1_1"], state)
    assert len(network.network) == layer_names("vgg16").index("conv2_2") + 1
    found = network(torch.rand(1, 3, 16, 16))
    assert list(found) == ["conv2_2", "relu1_1"]
    assert float(found["conv2_2"].detach().min()) < 0 <= float(found["relu1_1"].detach().min())


def test_images_get_gradients_and_the_network_none(state):
    network = VGGFeatures("vgg16", ["conv2_2"], state)
    images = torch.rand(1, 3, 16, 16, requires_grad=True)
    network(images)["conv2_2"].square().mean().backward()
    assert images.grad is not None and float(images.grad.abs().min()) > 0
    assert not any(p.requires_grad or p.grad is not None for p in network.network.parameters())
    assert not network(torch.rand(1, 3, 16, 16))["conv2_2"].requires_grad


def test_a_method_neither_trains_saves_nor_counts_it_but_takes_it_along(state):
    method = nn.Module()
    method.features = VGGFeatures("vgg16", ["relu1_1"], state)
    method.own = nn.Linear(1, 1)
    method.train()
    assert not method.features.network.training
    assert set(method.state_dict()) == {"own.weight", "own.bias"}
    assert sum(p.numel() for p in method.parameters()) == 2
    method.load_state_dict(method.state_dict(), strict=True)
    method.to(torch.float64)
    assert {p.dtype for p in method.features.network.parameters()} == {torch.float64}
    assert method.features(torch.rand(1, 3, 8, 8).double())["relu1_1"].dtype == torch.float64


def test_what_cannot_be_is_a_sentence(state, tmp_path, monkeypatch):
    FabricatedWeights(tmp_path, monkeypatch)
    with pytest.raises(ConfigError, match=r"vgg16 has no layer 'conv3_4'; it has conv1_1, relu1_1"):
        vgg_features("vgg16", ["conv3_4"])
    with pytest.raises(ConfigError, match="vgg19 was asked for no layer"):
        vgg_features("vgg19", [])
    with pytest.raises(ConfigError, match="There is no 'vgg11'; choose vgg16, vgg19"):
        vgg_features("vgg11", ["relu1_1"])
    with pytest.raises(MissingRequirement, match="weights 'vgg19' are missing"):
        vgg_features("vgg19", ["relu1_1"])
    wrong = {**state, "features.2.weight": torch.zeros(64, 3, 3, 3)}
    with pytest.raises(WeightsError, match=r"'features\.2\.weight' should be of shape \(64, 64, 3"):
        VGGFeatures("vgg16", ["relu1_2"], wrong)
    with pytest.raises(ConfigError, match=r"up to pool2 need images of at least 4x4 .* not 3x8"):
        VGGFeatures("vgg16", ["pool2"], state)(torch.rand(1, 3, 3, 8))
