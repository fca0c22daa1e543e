"""Official checkpoint layouts load, by the names written in the spec (section 10, check 2)."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from facesr_bench.errors import MissingRequirement, WeightsError
from facesr_bench.methods.scgan import SCGAN
from facesr_bench.methods.scgan.checkpoint import from_official, to_official
from facesr_bench.methods.scgan.critics import Discriminator
from facesr_bench.methods.scgan.networks import Degrader, Restorer
from facesr_bench.starting_weights import load_starting_weights
from metrics.fabricated import FabricatedWeights

SMOKE: dict[str, Any] = {
    "restore_widths": (8, 8, 8),
    "restore_depths": (2, 1),
    "degrade_widths": (8, 8, 16, 32),
    "critic_widths": (8, 8, 8, 8, 16, 16),
    "critic_hidden": 8,
}


def restorer_names() -> set[str]:
    names = {"layers_in.weight"}
    names |= {f"layers_set_final.0.{i}.conv{c}.weight" for i in range(12) for c in (1, 2)}
    names |= {f"layers_set_final.1.{i}.conv{c}.weight" for i in range(3) for c in (1, 2)}
    names |= {f"layers_set_final.1.0.skip.{p}" for p in ("weight", "bias")}
    for i in (0, 1):
        names |= {f"layers_set_final_up.{i}.{j}.{p}" for j in (1, 3) for p in ("weight", "bias")}
        stats = ("running_mean", "running_var", "num_batches_tracked")
        names |= {f"layers_set_final_up.{i}.1.{p}" for p in stats}
    names |= {f"{a}.0.{p}" for a in ("a1", "a2") for p in ("weight", "bias")}
    return names | {"main.0.weight"} | {f"main.{i}.{p}" for i in (2, 4) for p in ("weight", "bias")}


def degrader_names() -> set[str]:
    names = {"noise_fc.weight", "noise_fc.bias", "in_layer.weight"}
    names |= {f"down_layers.{i}.conv1.weight" for i in range(8)}
    names |= {f"down_layers.{i}.conv2{'' if i % 2 else '.1'}.weight" for i in range(8)}
    names |= {f"down_layers.{i}.skip.1.{p}" for i in (0, 2, 4, 6) for p in ("weight", "bias")}
    names |= {f"up_layers.{i}.conv{c}.weight" for i in (1, 2, 4, 5) for c in (1, 2)}
    return names | {"out_layer.0.weight", "out_layer.2.weight"}


def critic_names(first_down: int) -> set[str]:
    parts = ("weight_bar", "weight_u", "weight_v")
    layers = {f"residual_blocks.{i}.conv1" for i in range(6)}
    layers |= {f"residual_blocks.{i}.conv2{'.1' if i >= first_down else ''}" for i in range(6)}
    skips = {f"residual_blocks.{i}.skip.1" for i in range(first_down, 6)}
    # 3->128, 128->256 and 256->512 change width; below first_down their skip is no Sequential
    skips |= {f"residual_blocks.{i}.skip" for i in (0, 2, 4) if i < first_down}
    biased = skips | {"out_layer.0", "out_layer.2"}
    names = {f"{layer}.module.{part}" for layer in layers | biased for part in parts}
    return names | {f"{layer}.module.bias" for layer in biased}


def test_generators_have_the_official_names() -> None:
    with torch.device("meta"):
        assert set(Restorer().state_dict()) == restorer_names()
        assert set(Degrader().state_dict()) == degrader_names()


@pytest.mark.parametrize(("name", "size", "first_down"), [("L1", 16, 4), ("H1", 64, 2)])
def test_critics_map_to_the_official_names(name: str, size: int, first_down: int) -> None:
    with torch.device("meta"):
        state = Discriminator(size).state_dict()
    official = to_official({f"critics.{name}": state})
    assert set(official[f"D_{name}"]) == critic_names(first_down)
    assert from_official(official) == {f"critics.{name}": state}


def random_state(method: SCGAN, place: str) -> dict[str, Tensor]:
    own = method.nets.get_submodule(place).state_dict()
    return {name: torch.rand(v.shape).to(v.dtype) for name, v in own.items()}


@pytest.mark.parametrize("layout", ["G_l2h", "G_RLS", "bare", "DataParallel"])
def test_the_released_layouts_load(layout: str) -> None:
    method = SCGAN(**SMOKE)
    state = random_state(method, "R_LS")
    content: dict[str, Any] = {
        "G_l2h": {"G_l2h": state},
        "G_RLS": {"G_RLS": state},
        "bare": state,
        "DataParallel": {"G_l2h": {f"module.{name}": value for name, value in state.items()}},
    }[layout]
    others = {n: v.clone() for n, v in method.state_dict().items() if not n.startswith("nets.R_LS")}
    method.load_state_dict(method.adapt_state_dict(content), strict=True)
    loaded = method.nets.R_LS.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    assert all(torch.equal(method.state_dict()[name], value) for name, value in others.items())


def test_all_seven_networks_load_under_the_training_scripts_names() -> None:
    method = SCGAN(**SMOKE)
    torch.manual_seed(torch.initial_seed() + 1)  # or both would start alike
    other = SCGAN(**SMOKE)
    assert not torch.equal(*(m.nets.D_HL.in_layer.weight for m in (method, other)))
    places = ["R_LS", "D_HL", "D_SL", *(f"critics.{name}" for name in method.nets.critics)]
    official = to_official({p: method.nets.get_submodule(p).state_dict() for p in places})
    assert set(official) == {"G_RLS", "G_DHL", "G_DSL", "D_L1", "D_H1", "D_L2", "D_H2"}
    other.load_state_dict(other.adapt_state_dict(official), strict=True)
    assert all(
        torch.equal(a, b)
        for a, b in zip(method.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_our_own_checkpoints_pass_and_may_hold_r_ls_alone() -> None:
    method = SCGAN(**SMOKE)
    state = method.state_dict()
    assert method.adapt_state_dict({"state_dict": state}).keys() == state.keys()
    alone = {n: torch.zeros_like(v) for n, v in state.items() if n.startswith("nets.R_LS.")}
    adapted = method.adapt_state_dict(alone)
    assert adapted.keys() == state.keys()
    assert not any(adapted[name].any() for name in alone)
    # a network of which a part is missing is not completed from what the method holds
    alone.pop("nets.R_LS.layers_in.weight")
    assert "nets.R_LS.layers_in.weight" not in method.adapt_state_dict(alone)


@pytest.mark.parametrize("content", [{}, {"epoch": 3, "config": "x"}, {"G_l2h": {"layers_in": 1}}])
def test_what_is_no_scgan_checkpoint_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match="not an SCGAN checkpoint"):
        from_official(content)


def test_a_network_given_twice_is_refused() -> None:
    state = {"layers_in.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match="twice"):
        from_official({"G_l2h": state, "G_RLS": state})


def test_the_registered_weights_are_usable_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = FabricatedWeights(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    method = SCGAN(**SMOKE)
    config = {
        "stage": "test", "ckpt": None, "init": "scgan", "scale": "full", "method": {"name": "scgan"}
    }  # fmt: skip
    with pytest.raises(MissingRequirement, match=r"pretrained_model\.pth"):
        load_starting_weights(method, config)
    state = random_state(method, "R_LS")
    weights.put("scgan", lambda path: torch.save({"G_l2h": state}, path))
    found = load_starting_weights(method, config)
    assert torch.equal(method.nets.R_LS.layers_in.weight, state["layers_in.weight"])
    assert found.origin == "weights from a file"
    assert [(file["file"], file["role"]) for file in found.files] == [
        ("pretrained_model.pth", "init")
    ]
    with pytest.raises(WeightsError, match="scgan does not exist"):  # of another method
        load_starting_weights(method, config | {"method": {"name": "pan"}})
    torch.save({"G_l2h": random_state(method, "R_LS")}, tmp_path / "scgan")  # a file wins
    assert load_starting_weights(method, config).files[0]["file"] == "scgan"
