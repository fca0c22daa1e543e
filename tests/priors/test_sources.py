"""Priors from a run, a file, and registered weights in each official layout."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from facesr_bench.errors import ConfigError, MissingRequirement, WeightsError
from facesr_bench.nets.stylegan1.generator import StyleGAN1
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.nets.stylegan2.keys import ada_to_basicsr, ada_to_rosinality
from facesr_bench.priors import LoadedPrior
from facesr_bench.priors.shapes import stylegan2_sizes
from facesr_bench.priors.shipping import ship
from facesr_bench.priors.sources import from_file, shipped, stylegan1, stylegan2
from facesr_bench.priors.statistics import code_statistics

SIZES = {
    "resolution": 16, "z_dim": 12, "w_dim": 10, "map_layers": 3, "channel_base": 128, "channel_max": 24,
}  # fmt: skip


@pytest.fixture
def network() -> StyleGAN2:
    torch.manual_seed(1)
    network = StyleGAN2(**SIZES)
    network.mapping.w_avg.normal_()
    return network


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a file into the weights folder under a name of the test's own registry."""
    weights, conf = tmp_path / "weights", tmp_path / "conf"
    (conf / "weights").mkdir(parents=True)
    weights.mkdir()
    monkeypatch.setenv("FACESR_WEIGHTS", str(weights))
    monkeypatch.setenv("FACESR_CONF", str(conf))

    def register(name: str, content: Any, inside: list[str] | None = None) -> None:
        import hashlib

        path = weights / f"{name}.pt"
        torch.save(content, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entry = {
            "what": name, "files": [{"file": path.name, "sha256": digest}],
            "layout": {"kind": "torch", "inside": inside or []},
            "url": "https://example.org/", "licence": "none", "size_mb": 1, "needed_by": [],
        }  # fmt: skip
        (conf / "weights" / f"{name}.yaml").write_text(json.dumps(entry))

    return register


def same(prior: LoadedPrior, network: StyleGAN2 | StyleGAN1, tolerance: float = 0.0) -> bool:
    ws = torch.randn(2, network.num_codes, network.w_dim)
    z = torch.randn(2, network.z_dim)
    with torch.no_grad():
        ours, theirs = prior.network.synthesis(ws, "none"), network.synthesis(ws, "none")
        codes = prior.network.mapping(z), network.mapping(z)
    return all(
        torch.allclose(a, b, atol=tolerance, rtol=tolerance) for a, b in ((ours, theirs), codes)
    )


def test_sizes_are_read_from_shapes(network: StyleGAN2) -> None:
    assert stylegan2_sizes(network.state_dict(), "x") == SIZES
    flat = StyleGAN2(16, 12, 10, 3, channel_base=10_000, channel_max=8)
    sizes = stylegan2_sizes(flat.state_dict(), "x")
    assert StyleGAN2(**sizes).state_dict().keys() == flat.state_dict().keys()


def test_channels_that_follow_no_rule_are_refused(network: StyleGAN2) -> None:
    state = network.state_dict()
    state["synthesis.b8.conv1.weight"] = torch.zeros(17, 24, 3, 3)
    with pytest.raises(WeightsError, match="channels"):
        stylegan2_sizes(state, "the file")


def test_a_checkpoint_of_training_gives_its_average(network: StyleGAN2, tmp_path: Path) -> None:
    state = {f"average.{k}": v for k, v in network.state_dict().items()}
    state |= {f"generator.{k}": torch.zeros_like(v) for k, v in network.state_dict().items()}
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    torch.save({"state_dict": state, "trained_on": [{"data": "tiny", "images": 5}]}, path)
    prior = from_file(str(path))
    assert same(prior, network)
    assert prior.name == "run"
    assert prior.facts()["trained_on"] == [{"data": "tiny", "images": 5}]
    assert not any(p.requires_grad for p in prior.network.parameters())
    assert not prior.network.training


def test_shipping_halves_and_loads_back(network: StyleGAN2, tmp_path: Path) -> None:
    original = LoadedPrior("mine", network, [{"data": "tiny", "images": 7}])
    card = ship(original, tmp_path / "mine.safetensors")
    prior = from_file(str(tmp_path / "mine.safetensors"))
    assert same(prior, network, 1e-2)
    assert prior.name == "mine"
    assert list(prior.trained_on) == [{"data": "tiny", "images": 7}]
    assert prior.files[0]["sha256"] == card["sha256"]
    assert all(p.dtype == torch.float32 for p in prior.network.parameters())


def test_a_file_that_is_no_generator_is_named(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "x.ckpt")
    with pytest.raises(WeightsError, match=r"x\.ckpt holds no StyleGAN2 generator"):
        from_file(str(tmp_path / "x.ckpt"))


def test_an_unknown_shipped_prior_names_those_there_are() -> None:
    with pytest.raises(WeightsError, match="No prior 'nobody'"):
        shipped("nobody")


@pytest.mark.parametrize("layout", ["ada", "rosinality", "basicsr"])
def test_registered_files_of_every_layout(layout: str, network: StyleGAN2, registered: Any) -> None:
    state = network.state_dict()
    content = {
        "ada": lambda: state,
        "rosinality": lambda: ada_to_rosinality(state),
        "basicsr": lambda: ada_to_basicsr(state),
    }[layout]()
    registered("fabricated", content)
    prior = stylegan2("theirs", "fabricated", layout, "nothing")
    assert same(prior, network, 1e-6)
    assert prior.files[0]["file"] == "fabricated.pt"
    if layout == "basicsr":  # no average in the file: the mean of mapped codes
        mean, _ = code_statistics(network, 10_000)
        torch.testing.assert_close(prior.network.mapping.w_avg, mean)
    else:
        assert torch.equal(prior.network.mapping.w_avg, network.mapping.w_avg)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ConfigError, match="ada, rosinality, basicsr"):
        stylegan2("x", "stylegan2_ffhq_ada", "mine", "")


def test_pulse_pairs(registered: Any) -> None:
    torch.manual_seed(0)
    network = StyleGAN1(8, fmap_base=32)  # narrow would not be the official file's sizes
    full = StyleGAN1(8)
    registered("synthesis_part", full.synthesis.state_dict())
    registered("mapping_part", full.mapping.state_dict())
    registered("narrow_part", network.synthesis.state_dict())
    prior = stylegan1("pulse", "synthesis_part", "mapping_part", "FFHQ")
    assert prior.family == "stylegan1"
    assert same(prior, full)
    assert len(prior.files) == 2
    with pytest.raises(WeightsError, match="do not fit"):
        stylegan1("pulse", "narrow_part", "mapping_part", "FFHQ")


def test_both_missing_files_are_named_at_once(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingRequirement) as caught:
        stylegan1("pulse", "pulse_synthesis", "pulse_mapping", "FFHQ")
    assert "synthesis.pt" in str(caught.value)
    assert "mapping.pt" in str(caught.value)


def test_statistics_are_those_of_all_codes_at_once(network: StyleGAN2) -> None:
    mean, std = code_statistics(network, 25_000, seed=3)
    generator = torch.Generator().manual_seed(3)
    z = torch.cat([torch.randn(n, 12, generator=generator) for n in (10_000, 10_000, 5_000)])
    with torch.no_grad():
        codes = network.mapping(z).double()
    torch.testing.assert_close(mean, codes.mean(0).float())
    torch.testing.assert_close(std, codes.std(0).float())
