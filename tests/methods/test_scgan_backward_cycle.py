"""What reaches R_LS: nothing of the backward cycle's LR face c, unless ``cycle_grad`` lets it."""

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from command_line import ROOT
from facesr_bench.methods.scgan import SCGAN
from facesr_bench.methods.scgan.variants import CRITICS, PAPER_VARIANTS
from methods.scgan_smoke import build, faces, fit


def networks(method: SCGAN) -> dict[str, dict[str, Tensor]]:
    nets = method.nets
    places = [*nets.switches.generators, *(f"critics.{name}" for name in nets.critics)]
    return {place: copy.deepcopy(nets.get_submodule(place).state_dict()) for place in places}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("init", ["default", "kaiming"])
def test_a_network_starts_the_same_whatever_else_is_built(init: str) -> None:
    whole = networks(build(init=init))
    assert len(whole) == 7
    for variant in PAPER_VARIANTS.values():
        if variant.get("share", "none") == "none":
            for place, state in networks(build(init=init, **variant)).items():
                assert equal(state, whole[place]), (variant, place)


def test_networks_of_one_kind_and_runs_of_other_seeds_start_differently() -> None:
    first, second = networks(build()), networks(build(seed=1))
    for one, other in [("D_HL", "D_SL"), *pairwise(["critics.L1", "critics.L2"])]:
        assert not equal(first[one], first[other])
    assert not any(equal(first[place], second[place]) for place in first)


def test_building_leaves_the_global_generator_where_it_was() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    build_again = build(seed=5)  # seeds, then builds
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.initial_seed() == 5
    assert equal(networks(build_again)["R_LS"], networks(build(seed=5))["R_LS"])


def trained(**arguments: Any) -> dict[str, dict[str, Tensor]]:
    method = build(lr=3e-3, **arguments)
    fit(method, 3)
    return networks(method)


def test_d_sl_and_d_l2_cannot_move_r_ls() -> None:
    """In the official code and in Eqs. 6 to 8: with and without them R_LS ends bit-identical."""
    whole = trained()
    without_critic = trained(adv=["L1", "H1", "H2"])  # l_adv-1-2, printed 231.55 beside 13.32
    other = build(lr=3e-3)
    with torch.no_grad():
        for parameter in other.nets.D_SL.parameters():
            parameter.mul_(0.5)
    fit(other, 3)
    assert not equal(whole["D_SL"], without_critic["D_SL"])
    for ended in (without_critic, networks(other)):
        for place in ("R_LS", "D_HL", "critics.H1", "critics.H2"):
            assert equal(whole[place], ended[place]), place


def test_with_a_backward_gradient_they_do() -> None:
    whole = trained(cycle_grad="backward")
    without_critic = trained(cycle_grad="backward", adv=["L1", "H1", "H2"])
    assert not equal(whole["R_LS"], trained()["R_LS"])
    assert not equal(whole["R_LS"], without_critic["R_LS"])


@pytest.mark.parametrize("share", ["none", "encoder", "all+heads"])
def test_every_objective_reaches_whom_it_should(share: str) -> None:
    """``backward``: those of c reach R_LS too; s stays detached before R_LS."""
    nets = build(cycle_grad="backward", share=share).nets
    batch = faces()
    z = torch.randn(len(batch["hr"]), *nets.noise_shape)
    seen = nets.reconstruct(batch["hr"], batch["lr"], z)
    reached = {}
    for name in nets.switches.generators:
        loss, _ = nets.generator_loss(name, seen)
        assert loss is not None
        weights = {n: nets.get_submodule(n).out_layer[0].weight for n in ("D_HL", "D_SL")}
        weights["R_LS"] = nets.R_LS.layers_in.weight
        found = torch.autograd.grad(
            loss, list(weights.values()), retain_graph=True, allow_unused=True
        )
        reached[name] = {n for n, g in zip(weights, found, strict=True) if g is not None}
    both = {"D_HL", "D_SL"} if share == "all+heads" else set()
    assert reached["D_HL"] == {"D_HL"} | both
    assert reached["R_LS"] == {"R_LS"}
    assert reached["D_SL"] == {"D_SL", "R_LS"} | both


@pytest.mark.parametrize(
    "arguments",
    [{}, {"branches": "backward_only"}, {"share": "body"}, {"pix": False, "adv": ["L1", "L2"]}],
    ids=str,
)
def test_a_step_goes_through_with_a_backward_gradient(arguments: dict[str, Any]) -> None:
    method = build(cycle_grad="backward", **arguments)
    before = networks(method)
    fit(method, 2)
    after = networks(method)
    assert not any(equal(before[place], after[place]) for place in before)


def test_the_eight_experiments_of_table_4_are_told() -> None:
    """What the paper's notes call equal are the rows whose critics differ in L2 alone."""
    keep = {
        name.removeprefix("l_adv-"): frozenset(arguments["adv"])  # type: ignore[arg-type]
        for name, arguments in PAPER_VARIANTS.items()
        if name.startswith("l_adv")
    } | {"SCGAN": frozenset(CRITICS["both"])}
    by_rest: dict[frozenset[str], set[str]] = {}
    for name, kept in keep.items():
        by_rest.setdefault(kept - {"L2"}, set()).add(name)
    assert len(keep) == 16
    pairs = {frozenset(names) for names in by_rest.values()}
    paper = yaml.safe_load((ROOT / "src/facesr_bench/papers/scgan.yaml").read_text())
    experiment = (ROOT / "conf/experiment/scgan/table4.yaml").read_text()
    header = " ".join(line.lstrip("# ") for line in experiment.splitlines() if line[:1] == "#")
    for text in (next(note for note in paper["notes"] if "sixteen rows" in note), header):
        for pair in pairs:
            assert any(f"{a} = {b}" in text for a in pair for b in pair - {a}), pair
    listed = header.split("table.only=[")[1].split("]")[0].replace("l_adv-", "").split(", ")
    assert {frozenset({name}) & pair for name in listed for pair in pairs} - {frozenset()} == {
        frozenset({name}) for name in listed
    }
    assert len(listed) == len(pairs) == 8
    assert all(any(name in pair for name in listed) for pair in pairs)
