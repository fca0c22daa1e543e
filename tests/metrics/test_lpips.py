"""LPIPS against the lpips package itself, with backbones fabricated in torchvision's layout."""

import os
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import lpips
import numpy as np
import pytest
import torch
from torchvision import models

from facesr_bench.errors import ConfigError, MissingRequirement, NotComputed, WeightsError
from facesr_bench.metrics import lpips_distance
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.lpips_distance import LPIPS, WEIGHTS, prepare
from metrics.fabricated import FabricatedWeights, random_batch
from metrics.sharding import assert_shards_agree

BUILDERS = {"alex": models.alexnet, "vgg": models.vgg16, "squeeze": models.squeezenet1_1}
REAL = os.environ.get("FACESR_TEST_WEIGHTS")


def fabricate(net, seed=1):
    """A state dict of torchvision's shapes; the classifier, which LPIPS ignores, takes no space."""
    with torch.device("meta"):
        shapes = BUILDERS[net](weights=None).state_dict()
    rng = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in shapes.items():
        if name.startswith("features"):
            fan_in = max(1, tensor[0].numel())
            state[name] = torch.randn(tensor.shape, generator=rng) * (2 / fan_in) ** 0.5
        else:
            state[name] = torch.zeros(1).expand(tensor.shape)
    return state


def official(net, state):
    """The package's own metric, with its own heads, its backbone filled in the plainest way."""
    with pytest.MonkeyPatch.context() as patch:
        # The 124 million numbers of VGG's classifier take seconds to draw, and LPIPS drops them.
        vgg = SimpleNamespace(features=models.vgg.make_layers(models.vgg.cfgs["D"]))
        patch.setattr(models, "vgg16", lambda pretrained: vgg)
        metric = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    for index, layer in (
        (n.split(".", 1)[1], m) for n, m in metric.net.named_modules() if "." in n
    ):
        own = {k.removeprefix(f"features.{index}."): v for k, v in state.items()
               if k.startswith(f"features.{index}.")}  # fmt: skip
        if own:
            layer.load_state_dict(own)
    return metric


@pytest.fixture
def weights(tmp_path, monkeypatch):
    return FabricatedWeights(tmp_path, monkeypatch)


@pytest.fixture
def squeeze(weights):
    state = fabricate("squeeze")
    weights.put("squeezenet1_1", partial(torch.save, state))
    return state


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
def test_equals_the_package(weights, net):
    state = fabricate(net)
    weights.put(WEIGHTS[net], lambda path: torch.save(state, path))
    batch = random_batch(2, 64)
    before = torch.get_rng_state()
    metric = LPIPS(net)
    assert torch.equal(torch.get_rng_state(), before), "building it moved the random generator"
    ours = metric.score(batch)[f"lpips_{net}"]
    theirs = official(net, state)
    with torch.no_grad():
        expected = theirs(batch.sr / 255 * 2 - 1, batch.hr / 255 * 2 - 1).flatten().numpy()
        unscaled = theirs(batch.sr / 255, batch.hr / 255).flatten().numpy()
    assert ours[0] == 0.0 and ours[1] > 1e-2  # the first image is its HR image
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)
    assert abs(unscaled[1] - ours[1]) > 0.05 * ours[1]  # [0, 1] by mistake would show


def test_shards_agree(squeeze):
    assert_shards_agree(partial(LPIPS, "squeeze"), random_batch(5, 32))


def test_settings_name_network_and_files(squeeze):
    settings = LPIPS("squeeze").settings()
    assert settings["network"] == "lpips v0.1, squeeze" and settings["range"] == "[-1, 1]"
    assert settings["weights"] == "squeezenet1_1" and len(settings["weights_sha256"]) == 16
    assert settings["heads_sha256"] == "4a5350f23600cb79"


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_missing_weights_are_told_with_the_command(weights, net):
    with pytest.raises(MissingRequirement, match=f"weights import FILE --as {WEIGHTS[net]}"):
        LPIPS(net)


def test_a_missing_package_is_told(squeeze, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lpips", None)
    with pytest.raises(MissingRequirement, match="pip install lpips"):
        LPIPS("squeeze")


def test_package_and_weights_are_told_together(weights, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lpips", None)
    with pytest.raises(MissingRequirement, match=r"pip install lpips; and .* --as squeezenet1_1$"):
        LPIPS("squeeze")


def test_another_layout_is_refused(weights):
    renamed = {
        name.replace("features.12", "features.13"): v for name, v in fabricate("squeeze").items()
    }
    weights.put("squeezenet1_1", partial(torch.save, renamed))
    with pytest.raises(WeightsError, match="layout"):
        LPIPS("squeeze")


def test_a_layer_the_registry_does_not_list_is_checked_too(weights):
    state = fabricate("squeeze")
    state["features.3.squeeze.weight"] = torch.zeros(16, 65, 1, 1)
    weights.put("squeezenet1_1", partial(torch.save, state))
    with pytest.raises(WeightsError, match=r"features\.3\.squeeze\.weight.*\(16, 64, 1, 1\)"):
        LPIPS("squeeze")


def test_other_heads_are_refused(squeeze, monkeypatch, tmp_path):
    copied = tmp_path / "lpips"
    (copied / "weights" / "v0.1").mkdir(parents=True)
    shutil.copy(
        Path(lpips.__file__).parent / "weights" / "v0.0" / "squeeze.pth",
        copied / "weights" / "v0.1" / "squeeze.pth",
    )
    monkeypatch.setattr(lpips, "__file__", str(copied / "__init__.py"))
    with pytest.raises(WeightsError, match=r"LPIPS v0\.1"):
        LPIPS("squeeze")


def test_images_too_small_are_not_scored(squeeze):
    metric = LPIPS("squeeze")
    assert np.isfinite(metric.score(random_batch(1, 17))["lpips_squeeze"]).all()
    with pytest.raises(NotComputed, match="17x17"):
        metric.score(random_batch(1, 16))


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ConfigError, match="alex, vgg, squeeze"):
        LPIPS("resnet")


@pytest.mark.skipif(REAL is None, reason="FACESR_TEST_WEIGHTS is not set")
def test_real_squeezenet_gives_the_values_torchmetrics_documents(monkeypatch):
    """torchmetrics prints 0.1005 for ten noise pairs and 0.1024, 0.0938 for two (seed 42 each)."""
    monkeypatch.setenv("FACESR_WEIGHTS", REAL)
    network = LPIPS("squeeze").distance.network
    rng = torch.Generator().manual_seed(42)
    two = [torch.rand(2, 3, 100, 100, generator=rng) * 2 - 1 for _ in range(2)]
    rng.manual_seed(42)
    ten = [torch.rand(10, 3, 100, 100, generator=rng) * 2 - 1 for _ in range(2)]
    with torch.no_grad():
        assert network(*two).flatten().tolist() == pytest.approx([0.1024, 0.0938], abs=5e-5)
        assert network(*ten).mean().item() == pytest.approx(0.1005, abs=5e-5)


@pytest.mark.skipif(REAL is None, reason="FACESR_TEST_WEIGHTS is not set")
def test_real_squeezenet_orders_damage(monkeypatch):
    monkeypatch.setenv("FACESR_WEIGHTS", REAL)
    batch = random_batch(4, 64)
    scores = LPIPS("squeeze").score(ScoreBatch(batch.keys, batch.sr, batch.hr, None, [None] * 4))
    assert scores["lpips_squeeze"][0] == 0 and (np.diff(scores["lpips_squeeze"]) > 0).all()


def test_prepare_spans_the_range():
    assert prepare(torch.tensor([0.0, 255.0])).tolist() == [-1.0, 1.0]
    assert lpips_distance.HEADS.keys() == WEIGHTS.keys()
