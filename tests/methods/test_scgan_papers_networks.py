"""The paper's own networks, and the official test script's pictures."""

from typing import Any

import pytest
import torch
from torch import nn

from facesr_bench.errors import ConfigError
from facesr_bench.methods.scgan.blocks import GeneratorBlock
from facesr_bench.methods.scgan.critics import Discriminator
from facesr_bench.methods.scgan.networks import Degrader, Restorer
from facesr_bench.methods.scgan.output import to_picture
from methods.scgan_smoke import BATCH, build, faces, fit

PAPER: dict[str, Any] = {
    "restore_depths": [3, 2, 2],
    "restore_widths": [8, 8, 8, 8],
    "degrade_layout": "paper",
    "degrade_widths": [8, 16, 32],
    "critic_hidden": None,
}


def blocks(module: nn.Module) -> int:
    return sum(isinstance(part, GeneratorBlock) for part in module.modules())


def test_the_papers_restorer_has_three_groups_and_enlarges_by_four() -> None:
    with torch.device("meta"):
        restorer = Restorer(widths=(256, 128, 96, 96), depths=(12, 3, 2), factor=4)
        sr = restorer(torch.empty(2, 3, 16, 16))
    assert sr.shape == (2, 3, 64, 64)
    assert [blocks(group) for group in restorer.layers_set_final] == [12, 3, 2]
    assert len(restorer.layers_set_final_up) == 2
    unused = {name.split(".")[0] for name, _ in restorer.named_parameters() if "a3" in name}
    assert unused == {"a3"}
    assert restorer.dead is restorer.a3


def test_the_third_group_is_used_and_works_at_full_size() -> None:
    restorer = Restorer(widths=(8, 8, 8, 8), depths=(1, 1, 1), factor=4)
    sides: list[int] = []
    for group in restorer.layers_set_final:
        group.register_forward_hook(lambda _, __, out: sides.append(out.shape[-1]))
    restorer(torch.rand(2, 3, 16, 16)).sum().backward()
    assert sides == [16, 32, 64]
    without = {n for n, p in restorer.named_parameters() if p.grad is None}
    assert without == {"a3.0.weight", "a3.0.bias"}


def test_the_papers_degrader_has_six_and_six_blocks() -> None:
    with torch.device("meta"):
        degrader = Degrader(widths=(128, 256, 512), layout="paper")
        sides: list[int] = []
        for part in (degrader.in_layer, *degrader.down_layers, *degrader.up_layers):
            part.register_forward_hook(lambda _, __, out: sides.append(out.shape[-1]))
        lr = degrader(torch.empty(2, 3, 64, 64), torch.empty(2, 1, 64))
    assert lr.shape == (2, 3, 16, 16)
    assert (blocks(degrader.down_layers), blocks(degrader.up_layers)) == (6, 6)
    assert sides == [32, 32, 16, 16, 8, 8, 4, 4, 4, 8, 8, 8, 16, 16, 16]
    assert blocks(degrader.out_layer) == 2


def test_the_papers_critic_has_one_linear_layer() -> None:
    critic = Discriminator(64, hidden=None)
    linear = [part for part in critic.modules() if isinstance(part, nn.Linear)]
    assert [(part.in_features, part.out_features) for part in linear] == [(8192, 1)]
    assert critic(torch.rand(2, 3, 64, 64)).shape == (2, 1)


@pytest.mark.parametrize("share", ["none", "middle"])
def test_the_papers_networks_train(share: str) -> None:
    method = build(**PAPER, share=share)
    fit(method, 1)
    sr = method.eval().super_resolve(faces()["lr"])
    assert sr.shape == (BATCH, 3, 64, 64)


def test_sm_shares_two_encoder_and_the_first_two_decoder_groups() -> None:
    nets = build(**PAPER, share="middle").nets
    shared = {
        name
        for name, part in nets.D_SL.named_modules()
        if isinstance(part, GeneratorBlock) and part in set(nets.D_HL.modules())
    }
    down = {"down_layers.2", "down_layers.3.0", "down_layers.4", "down_layers.5.0"}
    assert shared == down | {f"up_layers.{i}" for i in (0, 1, 3, 4)}


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ConfigError, match="factor=8 needs at least 3 entries of restore_depths"):
        build(factor=8)
    with pytest.raises(ConfigError, match="need 4 widths, got 3"):
        build(restore_depths=[12, 3, 2])
    with pytest.raises(ConfigError, match="output='stretch' is not one of clamp, official"):
        build(output="stretch")


def test_pictures() -> None:
    image = torch.tensor([-0.8, -0.2, 0.1, 0.6]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    official = to_picture(image, "official")
    assert (official[0, 0] * 255).round().flatten().tolist() == [0, 109, 163, 255]
    clamped = to_picture(image, "clamp")
    assert (clamped[0, 0] * 255).round().flatten().tolist() == [25, 102, 140, 204]
    two = torch.cat([image, image / 2])  # every image on its own
    assert torch.equal(to_picture(two, "official")[0], to_picture(two, "official")[1])
    assert torch.equal(to_picture(torch.zeros(1, 3, 2, 2), "official"), torch.zeros(1, 3, 2, 2))


def test_output_is_the_methods_choice() -> None:
    lr = faces()["lr"]
    clamp, official = (build(output=output).eval() for output in ("clamp", "official"))
    with torch.no_grad():
        for method in (clamp, official):
            method.nets.R_LS.eval()
        assert official.super_resolve(lr).amax((1, 2, 3)).eq(1).all()
        assert not clamp.super_resolve(lr).amax((1, 2, 3)).eq(1).any()
