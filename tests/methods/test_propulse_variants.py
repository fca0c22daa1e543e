"""Every switch of Pro-PULSE changes what it should: stages, networks, losses, numbers."""

import inspect
import zlib
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from command_line import ROOT
from facesr_bench.config import HARNESS_KEYS, plain, register_resolvers
from facesr_bench.errors import ConfigError
from facesr_bench.methods.propulse import ProPULSE
from facesr_bench.methods.propulse.stages import Recipe
from facesr_bench.methods.propulse.variants import TABLE_II, Switches
from facesr_bench.nets.stylegan1.generator import StyleGAN1
from facesr_bench.priors.loaded import LoadedPrior
from methods.propulse_smoke import BATCH, SMALL, build, faces, fit, small_prior

ONE_STEP = {"branches": BATCH, "base": BATCH, "scale": BATCH, "direct": BATCH, "batch_size": BATCH}
FULL = ["G_ds", "E_W", "E_W+ 32", "E_W+ 64"]
ALL = {"rec", "id", "adv"}
CRITIC = {"D", "r1"}
AFTER_D = {"adv"}  # the critic has made its step by then; too little to see in the sum E
EVERYTHING = {"rec", "id", "adv", "E", "D"}  # R1 sees the truth alone


@dataclass(frozen=True)
class Row:
    """What a row of Table II must be."""

    phases: list[str]
    players: set[str]
    last: set[str]  # losses of the last stage


WITH_ALL = {"G_ds", "E_W", "E_W+", "critic"}
TABLE: dict[str, Row] = {
    "Pro-PULSE": Row(FULL, WITH_ALL, ALL | CRITIC),
    "E_W^direct": Row(["G_ds", "E_W"], WITH_ALL - {"E_W+"}, ALL | CRITIC),
    "E_W+^direct": Row(["G_ds", "E_W+ 64"], WITH_ALL - {"E_W"}, ALL | CRITIC),
    "E2E": Row(FULL[1:], WITH_ALL, ALL | CRITIC | {"pix"}),
    "w/o E_W": Row(["G_ds", "E_W+ 32", "E_W+ 64"], WITH_ALL - {"E_W"}, ALL | CRITIC),
    "w/o G_ds": Row(FULL[1:], WITH_ALL - {"G_ds"}, ALL | CRITIC),
    "only L_rec": Row(FULL, WITH_ALL, {"rec"}),
    "only L_id": Row(FULL, WITH_ALL, {"id"}),
    "only L_adv": Row(FULL, WITH_ALL, {"adv"} | CRITIC),
    "w/o L_rec": Row(FULL, WITH_ALL, {"id", "adv"} | CRITIC),
    "w/o L_id": Row(FULL, WITH_ALL, {"rec", "adv"} | CRITIC),
    "w/o L_adv": Row(FULL, WITH_ALL, {"rec", "id"}),
}


def test_the_table_has_every_row_of_the_paper() -> None:
    assert set(TABLE) == set(TABLE_II)
    assert len(TABLE) == 12  # eleven variants and the method itself


@pytest.mark.parametrize("name", TABLE)
def test_a_variant_trains_its_stages_on_its_losses(name: str) -> None:
    row, said = TABLE[name], []
    method = build(budget=ONE_STEP, eyes=True, **TABLE_II[name])
    phases = [phase.name for phase in method.context.budget.phases]
    assert phases == row.phases
    assert set(method._players()) == row.players
    fit(method, len(phases), lambda m: said.append(set(m.losses) - {"E"}))
    assert said[-1] == row.last
    if "E_W" in phases:  # which is trained with all three in every variant
        assert said[phases.index("E_W")] >= ALL | CRITIC
    with torch.no_grad():
        sr = method.eval().super_resolve(faces()["lr"])
    assert sr.shape == (BATCH, 3, 64, 64)
    assert sr.min() >= 0 and sr.max() <= 1


@torch.no_grad()
def fill_by_name(method: ProPULSE) -> None:
    """Equal networks get equal weights, whatever else a variant builds."""
    for name, parameter in method.named_parameters():
        values = torch.randn(
            parameter.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode()))
        )
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 100
        parameter.copy_(values if name.startswith("critic") else values / fan_in**0.5)


def first_step(**arguments: Any) -> tuple[int, dict[str, float]]:
    """Trainable parameters, and the losses of a first step of E_W+ 64."""
    row = {"name": "x", "images": 8, "batch_size": BATCH, "train": "scales", "side": 64}
    method = build(eyes=True, budget={"phases": [row]}, **arguments)
    fill_by_name(method)
    fit(method, 1)
    count = sum(p.numel() for n in method._players().values() for p in n.parameters())
    return count, {name: value.item() for name, value in method.losses.items()}


@pytest.fixture(scope="module")
def default() -> tuple[int, dict[str, float]]:
    return first_step()


@pytest.mark.parametrize(
    ("arguments", "changed", "same_count"),
    [
        ({"rec_weight": 10.0}, {"E"}, True),  # Fig. 12
        ({"id_weight": 10.0}, {"E"}, True),
        ({"adv_weight": 0.1}, {"E"}, True),
        ({"rec_norm": "mse"}, {"rec", "E"}, True),
        ({"norm": "l2"}, set(), True),  # of the branches' losses alone
        ({"lr_operator": "area"}, {"rec", "E"}, True),
        ({"gamma": 1.0}, {"r1"} | AFTER_D, True),
        ({"reg": "none"}, {"r1"} | AFTER_D, True),
        ({"reg": "wgan_gp"}, {"r1", "gp"} | AFTER_D, True),
        ({"n_feats": 32}, EVERYTHING, False),
        ({"chain": False}, EVERYTHING, True),
        ({"heads": "stage"}, EVERYTHING, False),
        ({"heads": "code"}, EVERYTHING, False),
    ],
)
def test_a_switch_changes_what_it_should(
    arguments: dict[str, Any],
    changed: set[str],
    same_count: bool,
    default: tuple[int, dict[str, float]],
) -> None:
    count, found = first_step(**arguments)
    base_count, base = default
    assert (count == base_count) == same_count
    differing = {
        name
        for name in found.keys() | base.keys()
        if found.get(name, 0.0) != pytest.approx(base.get(name, 0.0), rel=1e-6)
    }
    assert differing - {"E"} == changed - {"E"}
    assert changed & {"E"} <= differing


@pytest.mark.parametrize("resolution", [32, 128])
def test_priors_of_other_sizes(resolution: int) -> None:
    method = build(prior=small_prior(resolution), budget=ONE_STEP)
    names = [phase.name for phase in method.context.budget.phases]
    assert (
        names
        == {
            32: ["E_W", "E_W+ 32"],
            128: ["G_ds", "E_W", "E_W+ 32", "E_W+ 64", "E_W+ 128"],
        }[resolution]
    )
    fit(method, len(names))
    assert method.nets.trained_codes == method.nets.G_ds.num_codes
    outputs = method.side_outputs(faces(resolution)["lr"])
    assert {side: image.shape[2] for side, image in outputs.items()} == {
        side: side for side in (32, 64) if side < resolution
    }


def test_a_side_output_is_tested_at_its_own_size_and_not_trained() -> None:
    prior = small_prior(128)
    whole = ProPULSE(prior=prior, **SMALL, hr_size=128, factor=8)
    small = ProPULSE(prior=prior, **SMALL, hr_size=64, factor=4)
    small.load_state_dict(whole.state_dict())
    lr = faces()["lr"]
    with torch.no_grad():
        with pytest.raises(ConfigError, match="branch of G_ds"):  # nobody has trained it yet
            small.super_resolve(lr)
        small.progress.trained = whole.progress.trained = {"branches"}
        assert torch.equal(small.super_resolve(lr), whole.side_outputs(lr)[64])
        assert set(small.side_outputs(lr)) == {32}
    small.check_sizes((16, 16), (64, 64))
    finer = prior.network.synthesis.b128.register_forward_hook(lambda *_: pytest.fail("was run"))
    with torch.no_grad():
        small.super_resolve(lr)
    finer.remove()
    parameters = [sum(p.numel() for m in method.inference_modules() for p in m.parameters())
                  for method in (small, whole)]  # fmt: skip
    branch = sum(p.numel() for p in whole.nets.G_ds.branches["64"].parameters())
    last = sum(p.numel() for p in prior.network.synthesis.b128.parameters())
    assert (
        parameters[1] - parameters[0]
        == last - branch - prior.network.synthesis.b4.const.numel() * 0
    )
    with pytest.raises(ConfigError, match="not trained there"):
        build(prior=prior, hr_size=64, factor=4)


def test_sizes_that_cannot_be_made_are_refused() -> None:
    method = build()
    method.check_sizes((16, 16), (64, 64))
    with pytest.raises(ConfigError, match="16x16"):
        method_of_factor_2 = build(factor=2)
        method_of_factor_2.check_sizes((32, 32), (64, 64))
    wrong = ProPULSE(prior=small_prior(), **SMALL, hr_size=128, factor=8)
    with pytest.raises(ConfigError, match="32, 64 pixels, not 128"):
        wrong.check_sizes((16, 16), (128, 128))
    with pytest.raises(ConfigError, match="stands on a StyleGAN2"):
        ProPULSE(prior=LoadedPrior("one", StyleGAN1(32, 16, 16, 2, 128, 16)), **SMALL, hr_size=32)
    with pytest.raises(ConfigError, match="at least 32"):
        build(prior=small_prior(16))


@pytest.mark.parametrize(
    "arguments",
    [
        {"encoder": "sideways"},
        {"base": "nothing"},
        {"side": "left"},
        {"losses": []},
        {"losses": ["pix"]},
        {"losses": ["id"]},  # there is no identity network in SMALL
        {"rec_weight": 0.0, "adv_weight": 0.0},
        {"rec_weight": -1.0},
        {"e2e": True, "side": "none"},
        {"encoder": "w_direct", "base": "w_avg"},
        {"stage_trainable": "none"},
        {"norm": "l1"},
        {"rec_norm": "l1"},
        {"reg": "sn"},
        {"r1_interval": 0},
        {"heads": 9},
        {"n_feats": 24},
        {"lr_operator": "nearest"},
        {"stages": ["everything"]},
        {"stages": ["base"], "base": "w_avg"},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_in_a_sentence(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^Pro-PULSE.{20,}\.$"):
        build(**arguments)


def test_the_papers_schedule() -> None:
    stages = Switches().stages([32, 64, 128, 256, 512, 1024], ["branches", "base", "scales"])
    phases = Recipe().phases(stages, direct=False)
    assert [phase.images // phase.batch_size for phase in phases] == [50_000] * 2 + [10_000] * 6
    assert [stage.codes for stage in stages] == [0, 0, 8, 10, 12, 14, 16, 18]
    assert [stage.first for stage in stages] == [False] * 2 + [True] + [False] * 5
    direct = Switches(encoder="wplus_direct")
    stages = direct.stages([32, 64], ["branches", "base", "scales"])
    (_, phase) = Recipe().phases(stages, direct=True)
    assert phase.images // phase.batch_size == 60_000
    budget = build(budget={"batch_size": 4}).make_budget({"batch_size": 4}, images=120)
    assert [phase.images for phase in budget.phases] == [50, 50, 10, 10]


@pytest.mark.parametrize("scale", ["full", "slim", "smoke"])
def test_the_yaml_names_every_argument_and_holds_the_papers_size(scale: str) -> None:
    register_resolvers()
    config = OmegaConf.create({"scale": scale, "data": {"hr_size": 1024, "factor": 64}})
    method = OmegaConf.load(ROOT / "conf" / "method" / "propulse.yaml")
    assert method.pop("defaults")[0] == {"/prior@prior": "synthface64"}
    config.method = method
    settings = plain(config)["method"]
    arguments = {k: v for k, v in settings.items() if k not in {*HARNESS_KEYS, "_target_"}}
    parameters = inspect.signature(ProPULSE.__init__).parameters
    defaults = {n: p.default for n, p in parameters.items() if n not in ("self", "prior")}
    assert set(arguments) == set(defaults)
    if scale == "full":
        own = {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}
        assert arguments == own
        assert settings["budget"].pop("phases") is None
        assert Recipe.from_config(settings["budget"]) == Recipe()
