"""Fabricated files of the official layouts: through the door, converted, and on to our networks."""

import json

import pytest
import torch

from facesr_bench.errors import WeightsError
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.nets.stylegan2.keys import (
    ada_to_basicsr,
    ada_to_rosinality,
    basicsr_to_ada,
    rosinality_to_ada,
)
from facesr_bench.weights.__main__ import main
from facesr_bench.weights.converting import converted_path, read_converted, sidecar_path
from facesr_bench.weights.loading import load_state, locate
from facesr_bench.weights.psp import psp_parts
from metrics.fabricated import FabricatedWeights


@pytest.fixture
def weights(tmp_path, monkeypatch):
    return FabricatedWeights(tmp_path, monkeypatch)


def generator(resolution, channel_base, seed=0):
    """With numbers of a seed everywhere, also where networks start at zero."""
    with torch.device("meta"):
        network = StyleGAN2(resolution, channel_base=channel_base)
    rng = torch.Generator().manual_seed(seed)
    return {k: torch.randn(v.shape, generator=rng) for k, v in network.state_dict().items()}


def psp_content(resolution=1024, channel_base=2048):
    """As pSp's coach saves it; the decoder has fewer channels, the encoder fewer layers."""
    decoder = generator(resolution, channel_base)
    average = decoder.pop("mapping.w_avg")
    state = {f"decoder.{k}": v for k, v in ada_to_rosinality(decoder).items()}
    state["encoder.input_layer.0.weight"] = torch.randn(64, 3, 3, 3)
    state["encoder.styles.0.linear.weight"] = torch.randn(512, 512)
    opts = {"start_from_latent_avg": True, "resize_factors": "1,2,4,8,16,32"}
    codes = 2 * resolution.bit_length() - 4
    content = {"state_dict": state, "opts": opts, "latent_avg": average.repeat(codes, 1)}
    return content, decoder | {"mapping.w_avg": average}


def test_psp_comes_apart_before_and_after_conversion(weights):
    content, decoder = psp_content()
    weights.put("psp_sr", lambda path: torch.save(content, path))
    state = load_state(locate("psp_sr"))
    parts = psp_parts(state)
    assert set(parts.encoder) == {"input_layer.0.weight", "styles.0.linear.weight"}
    for name, tensor in parts.encoder.items():
        assert torch.equal(tensor, content["state_dict"][f"encoder.{name}"])
    assert parts.latent_avg.shape == (18, 512)
    assert torch.equal(parts.latent_avg, content["latent_avg"])
    assert parts.decoder.keys() == decoder.keys()
    assert all(torch.equal(parts.decoder[name], value) for name, value in decoder.items())
    with torch.device("meta"):
        network = StyleGAN2(1024, channel_base=2048)
    network.load_state_dict(parts.decoder, strict=True, assign=True)

    assert main(["convert", "psp_sr"]) == 0
    again = load_state(locate("psp_sr"))
    assert converted_path(locate("psp_sr").path).is_file() and again.keys() == state.keys()
    assert all(torch.equal(again[name], value) for name, value in state.items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda s: s.update({"discriminator.weight": torch.ones(1)}),
            "'discriminator.weight' belo",
        ),
        (lambda s: [s.pop(k) for k in list(s) if k.startswith("encoder.")], "lack the encoder"),
        (lambda s: s.pop("latent_avg"), "lack the latent_avg"),
        (lambda s: s.update(latent_avg=torch.ones(18, 512)), r"is \(18, 512\), but its .* 4 codes"),
        (lambda s: s.pop("decoder.conv1.noise.weight"), r"lack conv1\.noise\.weight"),
    ],
)
def test_another_thing_than_a_psp_is_a_sentence(change, said):
    content, _ = psp_content(8, 64)
    state = {**content["state_dict"], "latent_avg": content["latent_avg"]}
    assert psp_parts(state).latent_avg.shape == (4, 512)
    change(state)
    with pytest.raises(WeightsError, match=said):
        psp_parts(state)


@pytest.mark.parametrize(
    ("name", "resolution"),
    [
        ("stylegan2_ffhq_basicsr", 1024),
        ("stylegan2_cat_basicsr", 256),
        ("stylegan2_church_basicsr", 256),
        ("stylegan2_ffhq_rosinality", 1024),
    ],
)
def test_stylegan2_of_others_with_its_average_code(name, resolution, weights):
    with torch.device("meta"):
        shapes = StyleGAN2(resolution).state_dict()
    # Full size, but every tensor is one number: the file stays small.
    state = {k: torch.tensor(0.5).expand(v.shape) for k, v in shapes.items()}
    del state["mapping.w_avg"]
    average = torch.arange(512.0)
    if name.endswith("basicsr"):
        content, back = {"params_ema": ada_to_basicsr(state)}, basicsr_to_ada
    else:
        content, back = {"g_ema": ada_to_rosinality(state)}, rosinality_to_ada
    weights.put(name, lambda path: torch.save({**content, "latent_avg": average}, path))
    ours = back(load_state(locate(name)))
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in shapes.items()}
    assert torch.equal(ours["mapping.w_avg"], average)
    weights.put(name, lambda path: torch.save(content, path))
    with pytest.raises(WeightsError, match="no tensor 'latent_avg' beside"):
        load_state(locate(name))


def test_a_side_car_says_what_a_conversion_came_from(weights):
    state = ada_to_basicsr(generator(64, 1024))
    state = {k: v.half() for k, v in state.items()}
    (weights.conf / "small.yaml").write_text(
        "what: a small one\nfiles: [{file: small.pth, sha256: null}]\nurl: https://example.org/\n"
        "layout: {kind: torch, inside: [params_ema], beside: [latent_avg]}\nlicence: NC\nsize_mb: 1\n"
    )
    source = weights.folder.parent / "small.pth"
    torch.save({"params_ema": state, "latent_avg": torch.ones(512)}, source)
    assert main(["import", str(source)]) == 0
    file = locate("small")
    before = load_state(file)
    assert read_converted(file) is None  # a plain file is converted when asked for, not before
    assert main(["convert", "small"]) == 0
    card = json.loads(sidecar_path(file.path).read_text())
    assert card["source_file"] == "small.pth" and card["source_sha256"] == file.sha256
    assert card["tool_version"].startswith("facesr-bench ") and card["key_map"] == "identity"
    assert card["licence"] == "NC" and card["url"] == "https://example.org/"
    assert card["layout"]["beside"] == ["latent_avg"] and len(card["sha256"]) == 64
    after = load_state(file)
    read = read_converted(file)
    assert read is not None and read.keys() == after.keys() == before.keys()
    assert {v.dtype for v in after.values()} == {torch.float32}
    assert all(torch.equal(after[name], value) for name, value in before.items())
