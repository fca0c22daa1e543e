"""Every switch of SCGAN changes what it should, and nothing else (smoke size).

A variant is compared with the default by a fingerprint of its first step before any optimiser:
its loss terms, objectives and critic losses, the gradient each generator receives, and its count of
trainable parameters. All networks are filled from their parameters' names, so that equal networks
have equal weights whatever else a variant builds.
"""

import inspect
import math
import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from facesr_bench.config import HARNESS_KEYS, plain, register_resolvers
from facesr_bench.errors import ConfigError
from facesr_bench.methods.scgan import SCGAN
from facesr_bench.methods.scgan.variants import PAPER_VARIANTS

SMOKE: dict[str, Any] = {
    "restore_widths": (8, 8, 8),
    "restore_depths": (2, 1),
    "degrade_widths": (8, 8, 16, 32),
    "degrade_head": 4,
    "critic_widths": (8, 8, 8, 8, 16, 16),
    "critic_hidden": 8,
    "noise_dim": 16,
}

CONFIG = Path(__file__).parents[2] / "conf" / "method" / "scgan.yaml"

FORWARD = {"D_L1", "D_H1", "pix_s", "adv_s", "cyc_S", "adv_S", "loss_D_HL", "grad_D_HL"}
BACKWARD = {"D_L2", "D_H2", "pix_R", "adv_R", "cyc_c", "adv_c", "loss_D_SL", "grad_D_SL"}
R_LS = {"loss_R_LS", "grad_R_LS"}
D_HL, D_SL = {"loss_D_HL", "grad_D_HL"}, {"loss_D_SL", "grad_D_SL"}
EVERYTHING = FORWARD | BACKWARD | R_LS
OF_CRITIC = {
    "L1": ({"D_L1", "adv_s"}, D_HL),
    "H1": ({"D_H1", "adv_S"}, R_LS),
    "L2": ({"D_L2", "adv_c"}, D_SL),
    "H2": ({"D_H2", "adv_R"}, R_LS),
}
SECOND_DEGRADER = {"D_L2", "cyc_c", "adv_c"} | D_SL

# Parameters at smoke size, counted by hand from section 2 of the spec's layer tables.
NOISE_FC, IN_LAYER, HEAD = 16 * 4096 + 4096, 4 * 8 * 9, 2 * 4 * 9 + 4 * 3 * 9


def _block(cin: int, cout: int, skip: bool) -> int:
    return 9 * (cin * cout + cout * cout) + (cin * cout + cout if skip else 0)


GROUPS = [_block(a, b, True) + _block(b, b, False) for a, b in ((8, 8), (8, 8), (8, 16), (16, 32))]
UP = 2 * _block(8, 8, False) + 2 * _block(2, 2, False)
DEGRADER = NOISE_FC + IN_LAYER + HEAD + sum(GROUPS) + UP
CRITIC = {
    "L": _block(3, 8, True) + _block(8, 8, False) * 3 + _block(8, 16, True) + _block(16, 16, True),
    "H": _block(3, 8, True) + _block(8, 8, False) + _block(8, 8, True) * 2
    + _block(8, 16, True) + _block(16, 16, True),
}  # fmt: skip
LINEAR = 16 * 16 * 8 + 8 + 8 + 1


def critics(*names: str) -> int:
    return sum(CRITIC[name[0]] + LINEAR for name in names)


@dataclass(frozen=True)
class Row:
    """What a variant's fingerprint must show against the default's."""

    arguments: dict[str, Any]
    fewer: int = 0  # trainable parameters
    absent: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)


def keep(*kept: str) -> Row:
    """An l_adv row: each removed critic takes its loss and its generator's term along."""
    gone = [name for name in OF_CRITIC if name not in kept]
    return Row(
        {"adv": kept},
        fewer=critics(*gone),
        absent=set().union(*(OF_CRITIC[name][0] for name in gone)),
        changed=set().union(*(OF_CRITIC[name][1] for name in gone)),
    )


TABLE: dict[str, Row] = {
    # the paper's ablations (Tables 1-4)
    "SCGAN": Row({}),
    "SCGAN-w/o-D_SL": Row(
        {"branches": "forward_only"}, DEGRADER + critics("L2", "H2"), absent=BACKWARD, changed=R_LS
    ),
    "SCGAN-w/o-D_HL": Row(
        {"branches": "backward_only"}, DEGRADER + critics("L1", "H1"), absent=FORWARD, changed=R_LS
    ),
    "SCGAN-fc": Row({"share": "all+heads"}, DEGRADER, changed=SECOND_DEGRADER | {"grad_D_HL"}),
    "SCGAN-SA": Row(
        {"share": "body"}, sum(GROUPS) + UP, changed=SECOND_DEGRADER | {"grad_D_HL"}
    ),
    "SCGAN-SE": Row({"share": "encoder"}, sum(GROUPS), changed=SECOND_DEGRADER | {"grad_D_HL"}),
    "SCGAN-SD": Row({"share": "decoder"}, UP, changed=SECOND_DEGRADER | {"grad_D_HL"}),
    "SCGAN-SM": Row(
        {"share": "middle"}, sum(GROUPS[2:]) + UP, changed=SECOND_DEGRADER | {"grad_D_HL"}
    ),
    "SCGAN-w/o-AL": Row(
        {"adv": False},
        critics("L1", "H1", "L2", "H2"),
        absent={"D_L1", "D_H1", "D_L2", "D_H2", "adv_s", "adv_S", "adv_R", "adv_c"},
        changed=D_HL | R_LS | D_SL,
    ),
    "SCGAN-w/o-PL": Row({"pix": False}, absent={"pix_s", "pix_R"}, changed=D_HL | R_LS),
    "SCGAN-w/o-CL": Row({"cyc": False}, absent={"cyc_S", "cyc_c"}, changed=R_LS | D_SL),
    "SCGAN-fc without detach": Row(
        {"share": "all+heads", "cycle_grad": "full"},
        DEGRADER,
        changed=SECOND_DEGRADER | {"grad_D_HL", "grad_R_LS"},
    ),
    "l_adv-4-1": keep(),
    "l_adv-3-1": keep("H2"),
    "l_adv-3-2": keep("H1"),
    "l_adv-3-3": keep("L2"),
    "l_adv-3-4": keep("L1"),
    "l_adv-2-1": keep("H1", "H2"),
    "l_adv-2-2": keep("L2", "H2"),
    "l_adv-2-3": keep("L2", "H1"),
    "l_adv-2-4": keep("L1", "H2"),
    "l_adv-2-5": keep("L1", "H1"),
    "l_adv-2-6": keep("L1", "L2"),
    "l_adv-1-1": keep("L2", "H1", "H2"),
    "l_adv-1-2": keep("L1", "H1", "H2"),
    "l_adv-1-3": keep("L1", "L2", "H2"),
    "l_adv-1-4": keep("L1", "L2", "H1"),
    # paper against code (section 3)
    "weights: paper": Row({"weights": "paper"}, changed=D_HL | R_LS | D_SL),
    "cycle_grad: full": Row({"cycle_grad": "full"}, changed={"grad_D_HL", "grad_R_LS"}),
    "cycle_grad: backward": Row({"cycle_grad": "backward"}, changed={"grad_R_LS"}),
    "noise: spatial": Row({"noise": "spatial"}, 2 * NOISE_FC, changed=EVERYTHING - {"D_H2"}
                          - {"pix_R", "adv_R"}),
    "bgr: false": Row({"bgr": False}, changed=EVERYTHING),
    "align_corners: false": Row({"align_corners": False}, changed={"pix_R"} | R_LS),
    "g_spectral_norm: true": Row({"g_spectral_norm": True}, changed=EVERYTHING),
    "skip_relu: false": Row({"skip_relu": False}, changed=EVERYTHING),
    "critic_concat: true": Row(
        {"critic_concat": True},
        changed={"D_L1", "D_H1", "D_L2", "D_H2", "adv_s", "adv_S", "adv_R", "adv_c"}
        | D_HL | R_LS | D_SL,
    ),
    "theta": Row({"theta": 2.0}, changed=R_LS),
    "gamma": Row({"gamma": 1.0}, changed=R_LS),
}  # fmt: skip


@torch.no_grad()
def fill_by_name(module: nn.Module) -> None:
    tensors = dict(module.named_parameters()) | {
        name: b for name, b in module.named_buffers() if name.endswith(("_u", "_v"))
    }
    for name, tensor in tensors.items():
        # generators with spectral norm get the weights of those without
        plain = name if name.startswith("critics") else name.replace("weight_orig", "weight")
        draw = torch.randn(tensor.shape, generator=_generator(plain))
        if name.endswith(("_u", "_v")):
            tensor.copy_(draw / draw.norm())
        elif tensor.ndim > 1:
            tensor.copy_(draw * math.sqrt(2 / tensor[0].numel()))
        else:
            tensor.copy_(1 + 0.1 * draw if "final_up" in name else 0.1 * draw)


def _generator(name: str) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def fingerprint(**arguments: Any) -> tuple[int, dict[str, float]]:
    """Trainable parameters, and the numbers of a first step by name."""
    method = SCGAN(**SMOKE | arguments)
    nets = method.nets
    fill_by_name(nets)
    h = method.to_network(torch.rand(4, 3, 64, 64, generator=_generator("h")))
    lr = method.to_network(torch.rand(4, 3, 16, 16, generator=_generator("l")))
    z = torch.randn(4, *nets.noise_shape, generator=_generator("z"))
    seen = nets.reconstruct(h, lr, z)
    found: dict[str, Tensor] = {}
    for critic in nets.switches.critics:
        found[f"D_{critic}"] = nets.critic_loss(critic, seen)
    total = torch.zeros(())
    for name in nets.switches.generators:
        loss, terms = nets.generator_loss(name, seen)
        assert loss is not None
        found |= {f"loss_{name}": loss, **terms}
        total = total + loss
    total.backward()
    for name in nets.switches.generators:
        # nested gradients are summed per network; a shared D_SL is D_HL and has D_HL's
        gradients = [p.grad for p in nets.get_submodule(name).parameters() if p.grad is not None]
        found[f"grad_{name}"] = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
    count = sum(p.numel() for p in method.parameters() if p.requires_grad)
    return count, {name: value.item() for name, value in found.items()}


@cache
def default() -> tuple[int, dict[str, float]]:
    return fingerprint()


@pytest.mark.parametrize("name", TABLE)
def test_a_switch_changes_what_it_should(name: str) -> None:
    row, (count, base) = TABLE[name], default()
    own_count, own = fingerprint(**row.arguments)
    assert set(base) == EVERYTHING
    assert count - own_count == row.fewer
    assert set(base) - set(own) == row.absent
    changed = {key for key in own if not math.isclose(own[key], base[key], rel_tol=1e-5)}
    assert changed == row.changed
    assert name == "SCGAN" or row.fewer or row.changed  # a row must say something


def test_the_table_has_every_variant_of_the_paper() -> None:
    for name, arguments in PAPER_VARIANTS.items():
        assert TABLE[name].arguments == arguments, name


@pytest.mark.parametrize(
    ("init", "std"), [("default", 1 / math.sqrt(3)), ("kaiming", math.sqrt(2))]
)
def test_init(init: str, std: float) -> None:
    """Weights' std times sqrt(fan_in): uniform +-1/sqrt(fan_in), or normal sqrt(2/fan_in).

    The paper's Kaiming is of the three branches; critics keep PyTorch's.
    """
    torch.manual_seed(0)
    nets = SCGAN(**SMOKE | {"restore_widths": (64, 64, 64), "init": init}).nets
    weight = nets.R_LS.get_submodule("layers_set_final.0.0.conv1").weight
    scaled = weight.std() * math.sqrt(9 * 64)
    assert scaled.item() == pytest.approx(std, rel=0.03)
    bias = nets.R_LS.get_submodule("main.2").bias
    assert bool((bias == 0).all()) == (init == "kaiming")
    weight_orig = nets.critics["L1"].get_submodule("out_layer.0").weight_orig
    assert (weight_orig.std() * math.sqrt(256)).item() == pytest.approx(1 / math.sqrt(3), rel=0.1)


def test_sched_restarts() -> None:
    cosine, restart = SCGAN(**SMOKE), SCGAN(**SMOKE, sched="cosine_restart")
    assert [cosine._rate(e) for e in (1, 11, 21)] == pytest.approx([1e-4, 1e-5, 1e-4])
    assert [restart._rate(e) for e in (1, 11, 21)] == pytest.approx([1e-4, 1e-4, 1e-4])


@pytest.mark.parametrize(
    "arguments",
    [
        {"share": "encoder", "branches": "forward_only"},
        {"adv": ["L2"], "branches": "forward_only"},
        {"adv": ["L3"]},
        {"adv": "L1"},
        {"adv": False, "pix": False},
        {"adv": ["L1", "H1", "H2"], "cyc": False},
        {"adv": False, "critic_concat": True},
        {"branches": "sideways"},
        {"share": "everything"},
        {"weights": "mine"},
        {"cycle_grad": "half"},
        {"cycle_grad": "backward", "branches": "forward_only"},
        {"degrade_layout": "mine"},
        {"degrade_layout": "paper"},  # four widths: 64 -> 2
        {"noise": "pink"},
        {"init": "zeros"},
        {"sched": "flat"},
        {"gamma": 0.0},
        {"factor": 2},
        {"factor": 8},
        {"hr_size": 66},
        {"hr_size": 72},
        {"hr_size": 1024},
        {"restore_widths": (8, 8)},
        {"degrade_widths": (8,)},
        {"degrade_widths": (8, 8, 8, 8)},
        {"critic_widths": (8, 8)},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_in_a_sentence(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^SCGAN.{20,}\.$"):
        SCGAN(**SMOKE | arguments)


def test_a_full_cycle_may_bring_the_gradient_from_the_other_network() -> None:
    SCGAN(**SMOKE, adv=["H1", "H2"], pix=False, cycle_grad="full")
    with pytest.raises(ConfigError, match="no loss reaches D_HL"):
        SCGAN(**SMOKE, adv=["H1", "H2"], pix=False)


@pytest.mark.parametrize("scale", ["full", "slim", "smoke"])
def test_the_yaml_names_every_argument_and_holds_the_papers_size(scale: str) -> None:
    register_resolvers()
    config = OmegaConf.create({"scale": scale, "data": {"hr_size": 64, "factor": 4}})
    config.method = OmegaConf.load(CONFIG)
    settings = plain(config)["method"]
    arguments = {k: v for k, v in settings.items() if k not in {*HARNESS_KEYS, "_target_"}}
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(SCGAN.__init__).parameters.items()
        if name != "self"
    }
    assert set(arguments) == set(defaults)
    if scale == "full":
        plain_defaults = {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}
        assert arguments == plain_defaults
        assert settings["budget"] == {
            "images": 200 * 20_000, "batch_size": 64, "short_last_batch": True
        }  # fmt: skip
    else:
        assert settings["budget"]["short_last_batch"] is False
    if scale == "slim":
        count = sum(p.numel() for p in SCGAN(**arguments).nets.R_LS.parameters())
        assert 150_000 < count < 450_000
    if scale == "smoke":
        assert {key: arguments[key] for key in SMOKE} == {
            key: list(value) if isinstance(value, tuple) else value for key, value in SMOKE.items()
        }
