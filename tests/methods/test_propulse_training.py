"""Pro-PULSE's stages through Lightning: who learns what, from which loss, and resuming."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.method import TrainingContext
from facesr_bench.methods.propulse import ProPULSE
from facesr_bench.methods.propulse.critic import Reg
from facesr_bench.methods.propulse.downsampling import LRReduction, warn_of_another_operator
from facesr_bench.methods.propulse.stages import Stage, codes_of
from facesr_bench.priors.loaded import LoadedPrior
from methods.propulse_smoke import BATCH, BUDGET, build, faces, fit, small_prior

HEADS = (4, 8, 16, 32, 64)


def state(method: ProPULSE) -> dict[str, Tensor]:
    return copy.deepcopy(method.state_dict())


def changed(before: dict[str, Tensor], method: ProPULSE) -> set[str]:
    """Networks of which anything changed; E_W+ by its parts."""
    names = {n for n, value in method.state_dict().items() if not torch.equal(value, before[n])}
    return {place(name) for name in names if not name.endswith("trained_codes")}


def place(name: str) -> str:
    parts = name.removeprefix("nets.").split(".")
    if parts[0] == "E_Wplus":
        return "E_W+ stem" if parts[1] == "stem" else f"E_W+ {HEADS[int(parts[2])]}"
    return parts[0]


@pytest.fixture(scope="module")
def moved() -> list[set[str]]:
    """What each step of a whole run changed: two steps a stage."""
    method = build(eyes=True)
    before, found = state(method), []

    def look(m: ProPULSE) -> None:
        nonlocal before
        found.append(changed(before, m))
        before = state(m)

    fit(method, 8, look)
    assert method.context.budget.finished(method.images_seen)
    return found


def test_each_stage_trains_its_own_network_and_the_critic_joins_the_encoders(
    moved: list[set[str]],
) -> None:
    first = {"E_W+ stem", *(f"E_W+ {side}" for side in (4, 8, 16, 32))}
    assert moved[:2] == [{"G_ds"}] * 2
    assert moved[2:4] == [{"E_W", "critic"}] * 2
    assert moved[4:6] == [first | {"critic"}] * 2
    assert moved[6:8] == [first | {"E_W+ 64", "critic"}] * 2


def test_new_only_trains_the_new_head_alone() -> None:
    method = build(budget={"phases": [
        {"name": "E_W+ 64", "images": 8, "batch_size": BATCH, "train": "scales", "side": 64}
    ]}, stage_trainable="new_only")  # fmt: skip
    before = state(method)
    fit(method, 1)
    assert changed(before, method) == {"E_W+ 64", "critic"}


def gradients(method: ProPULSE) -> set[str]:
    return {
        place(name)
        for name, p in method.named_parameters()
        if p.grad is not None and bool(p.grad.any())
    }


def look_at_backward(method: ProPULSE) -> list[set[str]]:
    """Who has a gradient after each backward, everything else being cleared before."""
    seen: list[set[str]] = []
    backward = method.manual_backward

    def look(loss: Tensor, *args: Any, **kwargs: Any) -> None:
        method.zero_grad(set_to_none=True)
        backward(loss, *args, **kwargs)
        seen.append(gradients(method))

    method.manual_backward = look  # type: ignore[method-assign]
    return seen


def test_each_loss_reaches_its_own_network_only() -> None:
    method = build(eyes=True)
    seen = look_at_backward(method)
    fit(method, 8)
    first = {"E_W+ stem", *(f"E_W+ {side}" for side in (4, 8, 16, 32))}
    encoders = [{"E_W"}] * 2 + [first] * 2 + [first | {"E_W+ 64"}] * 2
    assert seen[:2] == [{"G_ds"}] * 2
    assert seen[2::2] == [{"critic"}] * 6
    assert seen[3::2] == encoders
    assert all(p.grad is None for p in method.prior.network.parameters())


def test_end_to_end_branches_learn_beside_the_encoder_also_from_l_rec() -> None:
    method = build(e2e=True)
    assert [phase.name for phase in method.context.budget.phases] == ["E_W", "E_W+ 32", "E_W+ 64"]
    seen = look_at_backward(method)
    fit(method, 2)
    assert seen[1::2] == [{"E_W", "G_ds"}] * 2
    # L_rec alone reaches the branches too
    lr, hr = (faces()[key].mul(2).sub(1) for key in ("lr", "hr"))
    images = method.nets.G_ds(method.nets.codes(lr, 0))
    method.zero_grad(set_to_none=True)
    loss, _ = method.objectives.encoder(Stage("base"), images, lr, hr, None)
    loss.backward()
    assert gradients(method) == {"E_W", "G_ds"}


def test_what_stays_frozen_never_moves() -> None:
    prior = small_prior()
    before = copy.deepcopy(prior.network.state_dict())
    method = build(prior=prior, eyes=True)
    recogniser = copy.deepcopy(method.objectives.recogniser.network.state_dict())  # type: ignore
    fit(method, 8)
    for kept, now in (
        (before, prior.network.state_dict()),
        (recogniser, method.objectives.recogniser.network.state_dict()),  # type: ignore
    ):
        assert all(torch.equal(kept[name], now[name]) for name in kept)


def test_codes_by_stage() -> None:
    assert [codes_of(side) for side in (32, 64, 128, 256, 512, 1024)] == [8, 10, 12, 14, 16, 18]
    assert [18 - codes_of(2**k) for k in range(5, 11)] == [10, 8, 6, 4, 2, 0]
    method = build()
    lr = faces()["lr"] * 2 - 1
    nets = method.nets
    assert nets.E_W is not None and nets.E_Wplus is not None
    w, own = nets.E_W(lr), nets.E_Wplus(lr)
    ws = nets.codes(lr, 8)
    assert torch.equal(ws[:, :8], own[:, :8])
    assert torch.equal(ws[:, 8:], w[:, None].expand(-1, 2, -1))
    assert torch.equal(nets.codes(lr, 10), own)
    assert torch.equal(nets.codes(lr, 0), w[:, None].expand(-1, 10, -1))


def test_heads_beyond_the_stage_are_not_evaluated_and_the_base_code_brings_no_gradient() -> None:
    method = build()
    nets = method.nets
    assert nets.E_W is not None and nets.E_Wplus is not None
    nets.E_Wplus.tails[4].register_forward_hook(lambda *_: pytest.fail("evaluated"))
    ws = nets.codes(faces()["lr"] * 2 - 1, 8)
    nets.G_ds(ws, [64])[64].sum().backward()
    assert all(p.grad is None for p in nets.E_W.parameters())
    assert all(p.grad is None for p in nets.E_Wplus.groups[4].parameters())
    assert all(p.grad is not None for p in nets.E_Wplus.groups[3].parameters())


def test_branches_read_and_do_not_touch() -> None:
    method = build()
    generator = method.nets.G_ds
    ws = torch.randn(2, 10, 16)
    alone = method.prior.network.synthesis(ws)
    images = generator(ws)
    assert set(images) == {32, 64}
    assert images[32].shape == (2, 3, 32, 32)
    for image in (images[64], generator(ws, [64])[64]):  # from folded constants, so up to rounding
        torch.testing.assert_close(image, alone, rtol=0, atol=1e-5 * float(alone.abs().max()))
    assert torch.equal(generator(ws, [32])[32], images[32])
    method.prior.network.synthesis.requires_grad_(True)  # unfolded: to the bit
    assert torch.equal(generator(ws)[64], generator(ws, [64])[64])
    assert torch.equal(generator(ws)[64], method.prior.network.synthesis(ws))
    method.prior.network.synthesis.requires_grad_(False)
    # I_r depends on codes 0 ... n_r - 2: the last of n_r enters through colour and the next block
    for index, same in ((7, True), (6, False)):
        moved = ws.clone()
        moved[:, index] += 1
        assert torch.equal(generator(moved)[32], images[32]) == same, index


def test_encoders_start_at_the_mean_face() -> None:
    method = build()
    nets = method.nets
    assert nets.E_W is not None and nets.E_Wplus is not None
    with torch.no_grad():
        for tail in [nets.E_W.tail, *nets.E_Wplus.tails]:
            tail.conv3.weight.zero_()
        expected = nets.G_ds(nets.repeated(nets.w_avg[None]))[64]
        for made in (0, 8, 10):
            image = nets.G_ds(nets.codes(torch.rand(3, 3, 16, 16) * 2 - 1, made))[64]
            torch.testing.assert_close(image, expected.expand(3, -1, -1, -1))
    literal = build(init_bias_w_avg=False).nets.E_W
    assert literal is not None
    assert not torch.allclose(literal.tail.conv3.bias, nets.w_avg, atol=1e-3)


@pytest.mark.parametrize(
    ("stages", "loss", "drop", "lr"),
    [
        (["branches"], "pix", 0.5, 5e-3),
        (["base"], "rec", 0.6, 2e-3),
        (["scales"], "rec", 0.6, 2e-3),
    ],
)
def test_one_batch_overfits(stages: list[str], loss: str, drop: float, lr: float) -> None:
    losses: list[float] = []
    images = 25 * BATCH
    budget = {"branches": images, "base": images, "scale": images, "batch_size": BATCH}
    method = build(stages=stages, budget=budget, lr=lr, adv_weight=0.0)
    method.noise = lambda role, batch, *shape, **_: torch.ones(batch, *shape)  # type: ignore
    fit(method, 25, lambda m: losses.append(m.losses[loss].item()))
    assert losses[-1] < drop * losses[0], (losses[0], losses[-1])


def test_the_critic_learns_to_tell_and_r1_comes_when_it_is_due() -> None:
    seen: list[dict[str, float]] = []
    budget = {"base": 20 * BATCH, "batch_size": BATCH}
    method = build(
        stages=["base"], budget=budget, r1_interval=8, gamma=0.1, critic_lr=1e-3, lr=1e-6
    )
    fit(method, 20, lambda m: seen.append({k: v.item() for k, v in m.losses.items()}))
    assert [number for number, said in enumerate(seen) if "r1" in said] == [0, 8, 16]
    assert seen[-1]["D"] < seen[0]["D"] - 0.5


def test_adams_state_goes_through_the_stages_and_grows_by_the_new_head() -> None:
    method = build(stages=["scales"])
    sizes = []

    def look(m: ProPULSE) -> None:
        adam = m._adams()["E_W+"].optimizer
        sizes.append(sorted({int(entry["step"]) for entry in adam.state.values()}))

    fit(method, 4, look)
    assert sizes == [[1], [2], [1, 3], [2, 4]]


@pytest.mark.parametrize(("reg", "stops"), [("wgan_gp", [3]), ("r1", [1, 6])])
def test_resuming_equals_not_stopping(tmp_path: Path, reg: Reg, stops: list[int]) -> None:
    """To the bit, Adam's moments too; within a stage, and where one ends."""
    uninterrupted = build(reg=reg, r1_interval=2, alone=True)
    fit(uninterrupted, 8)
    for stop in stops:
        first = build(reg=reg, r1_interval=2, alone=True)
        fit(first, stop).save_checkpoint(tmp_path / "half.ckpt")
        check_resumed_run(tmp_path / "half.ckpt", reg, uninterrupted)


def check_resumed_run(checkpoint: Path, reg: Reg, uninterrupted: ProPULSE) -> None:
    second = build(seed=1, reg=reg, r1_interval=2, alone=True)
    fit(second, 8, checkpoint=checkpoint)
    assert second.images_seen == uninterrupted.images_seen
    assert second.progress.trained == {"branches", "base", "scales"}
    for name, value in uninterrupted.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    for player, adam in uninterrupted._adams().items():
        ours = second._adams()[player].optimizer.state_dict()["state"]
        theirs = adam.optimizer.state_dict()["state"]
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[n][k], theirs[n][k]) for n in theirs for k in theirs[n]), player


def test_resuming_otherwise_is_refused(tmp_path: Path) -> None:
    fit(build(), 3).save_checkpoint(tmp_path / "half.ckpt")
    longer = BUDGET | {"branches": 3 * BATCH}
    with pytest.raises(ConfigError, match="2 steps of G_ds from image 0 on"):
        fit(build(budget=longer), 8, checkpoint=tmp_path / "half.ckpt")
    with pytest.raises(WeightsError, match=r"rec_weight=1\.0"):
        fit(build(rec_weight=2.0), 8, checkpoint=tmp_path / "half.ckpt")
    # stages to come may last longer
    fit(build(budget=BUDGET | {"scale": 3 * BATCH}), 3, checkpoint=tmp_path / "half.ckpt")


def test_a_checkpoint_from_before_rec_norm_goes_on_with_the_norm_it_was_trained_by(
    tmp_path: Path,
) -> None:
    """One switch was the norm of all losses then, and slim had no identity loss."""
    old = {"norm": "mse", "rec_norm": "mse"}
    fit(build(**old), 3).save_checkpoint(tmp_path / "half.ckpt")
    content = torch.load(tmp_path / "half.ckpt", weights_only=True)
    assert content["propulse_variant"].pop("rec_norm") == "mse"
    torch.save(content, tmp_path / "half.ckpt")
    with pytest.raises(WeightsError, match=r"trained with rec_norm=mse, but .* has rec_norm=l2"):
        fit(build(), 4, checkpoint=tmp_path / "half.ckpt")
    with pytest.raises(WeightsError, match=r"id_weight=0\.0, rec_norm=mse"):
        fit(build(eyes=True), 4, checkpoint=tmp_path / "half.ckpt")
    fit(build(**old), 4, checkpoint=tmp_path / "half.ckpt")
    # Testing it, or starting another variant from its networks, asks for neither.
    from facesr_bench.checkpoints import load_weights

    load_weights(build(eyes=True), content, "half.ckpt")


def test_no_phase_goes_without_a_step() -> None:
    method = build()
    with pytest.raises(ConfigError, match=r"images=6 are too few for 4 phases.*Give images=13"):
        method.make_budget(BUDGET, images=6)
    rows = [
        {"name": name, "images": images, "batch_size": BATCH, "train": train}
        for name, images, train in (("a", 5, "branches"), ("b", 3, "base"), ("c", 8, "branches"))
    ]
    with pytest.raises(ConfigError, match="phase 'b' of 3 images gets no step"):
        build(budget={"phases": rows})


def test_a_stage_does_not_stand_on_networks_that_nobody_trained() -> None:
    for arguments, match in (
        ({"stages": ["base"]}, "E_W stands on the branches of G_ds, which nobody"),
        ({"stages": ["scales"]}, "32 stands on the base encoder E_W and the branches"),
        ({"stages": ["scales"], "side": "none"}, "32 stands on the base encoder E_W, which"),
    ):
        with pytest.raises(ConfigError, match=match):
            fit(build(alone=True, **arguments), 1)  # type: ignore[arg-type]
    for free in ({"e2e": True}, {"base": "w_avg", "side": "none"}, {"encoder": "wplus_direct"}):
        fit(build(alone=True, **free), 1)  # type: ignore[arg-type]


def test_an_untrained_branch_shows_nothing() -> None:
    """An exported file has no branches: its side outputs would be noise under the method's name."""
    method = build(alone=True)
    lr = faces()["lr"]
    state = {n: v for n, v in method.state_dict().items() if ".branches." not in n}
    method.load_state_dict(method.adapt_state_dict(state))
    with torch.no_grad():
        assert method.super_resolve(lr).shape == (BATCH, 3, 64, 64)
    with pytest.raises(ConfigError, match="32 pixels comes from a branch"):
        method.side_outputs(lr)
    method.adapt_state_dict({"state_dict": method.state_dict(), "propulse_trained": ["branches"]})
    assert set(method.side_outputs(lr)) == {32}


def test_lr_of_another_operator_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The smoke faces' LR are means: the default operator is off, "area" is not."""
    fit(build(stages=["base"], budget={"base": BATCH, "batch_size": BATCH}, lr_operator="area"), 1)
    assert "lr_operator" not in caplog.text
    sharp = {"hr": torch.rand(BATCH, 3, 64, 64, generator=torch.Generator().manual_seed(1))}
    sharp["lr"] = nn.functional.avg_pool2d(sharp["hr"], 4)
    budget = {"base": BATCH, "batch_size": BATCH}
    fit(build(stages=["base"], budget=budget), 1, batch=sharp)
    assert "levels off HR reduced by method.lr_operator=bicubic_pulse" in caplog.text


def test_weights_of_a_network_that_computes_otherwise_are_refused() -> None:
    content: dict[str, Any] = {"state_dict": build(chain=False).state_dict()}
    build(chain=False).on_save_checkpoint(content)
    with pytest.raises(WeightsError, match="chain=False"):
        build().adapt_state_dict(content)
    build(chain=False, losses=["rec"]).adapt_state_dict(content)  # Table II's rows share E_W


def test_what_the_critic_descends() -> None:
    from facesr_bench.methods.propulse.critic import CriticObjective, critic_of

    torch.manual_seed(1)
    critic, real, fake = (
        critic_of(small_prior()),
        torch.rand(4, 3, 64, 64),
        torch.rand(4, 3, 64, 64),
    )
    r1 = CriticObjective("r1", gamma=10.0, r1_interval=4)
    for step, due in ((0, True), (1, False), (4, True)):
        loss, said = r1(critic, real, fake, step, None)
        assert ("r1" in said) == due
        torch.testing.assert_close(loss, said["D"] + 4 * said["r1"] if due else said["D"])
    logits = critic(real)
    torch.testing.assert_close(said["D"], critic(fake).mean() - logits.mean())
    loss, said = CriticObjective("wgan_gp")(critic, real, fake, 0, torch.rand(4, 1, 1, 1))
    expected = said["D"] + said["gp"] + 0.001 * logits.square().mean()
    torch.testing.assert_close(loss, expected)
    loss, said = CriticObjective("none")(critic, real, fake, 0, None)
    torch.testing.assert_close(loss, said["D"])


def test_ranks_draw_as_one_process() -> None:
    from facesr_bench.methods.propulse.critic import places_between

    context = build().context
    one = places_between(context, 40, 4)
    ranks = [
        places_between(TrainingContext(2020, context.budget, 100, rank=rank, world_size=2), 40, 2)
        for rank in (0, 1)
    ]
    assert torch.equal(one, torch.stack(ranks, 1).flatten(0, 1))
    assert not torch.equal(one, places_between(context, 44, 4))


def test_a_stage_runs_alone_from_the_checkpoint_before(tmp_path: Path) -> None:
    from facesr_bench.checkpoints import load_weights, read_checkpoint

    before = build(stages=["branches", "base"])
    fit(before, 4).save_checkpoint(tmp_path / "base.ckpt")
    content = read_checkpoint(tmp_path / "base.ckpt")
    assert not any("synthesis" in name or "mapping" in name for name in content["state_dict"])
    alone = build(seed=1, stages=["scales"])
    load_weights(alone, content, "base.ckpt")
    for name, value in before.state_dict().items():
        assert torch.equal(value, alone.state_dict()[name]), name
    kept = state(alone)
    fit(alone, 4)
    assert not changed(kept, alone) & {"E_W", "G_ds"}
    assert alone.nets.trained_codes == 10


def test_codes_of_another_prior_are_refused() -> None:
    prior, other = (
        LoadedPrior(name, small_prior().network, files=[{"file": name, "sha256": 64 * name}])
        for name in ("a", "b")
    )
    checkpoint: dict[str, Any] = {}
    build(prior=prior).on_save_checkpoint(checkpoint)
    state_dict = build(prior=prior).state_dict()
    build(prior=prior).adapt_state_dict(checkpoint | {"state_dict": state_dict})
    with pytest.raises(WeightsError, match="trained for the prior a"):
        build(prior=other).adapt_state_dict(checkpoint | {"state_dict": state_dict})
    with pytest.raises(WeightsError, match="trained for the prior a"):
        build(prior=other).on_load_checkpoint(checkpoint)


def test_the_critic_starts_from_the_priors_discriminator(tmp_path: Path) -> None:
    from facesr_bench.methods.propulse.critic import critic_of

    torch.manual_seed(9)
    discriminator = critic_of(small_prior())
    path = tmp_path / "last.ckpt"
    kept = {f"discriminator.{n}": v for n, v in discriminator.state_dict().items()}
    torch.save({"state_dict": kept}, path)
    critic = build(critic_weights=str(path)).critic
    assert isinstance(critic, nn.Module)
    for name, value in discriminator.state_dict().items():
        assert torch.equal(value, critic.state_dict()[name])
    torch.save({"state_dict": {"x": torch.zeros(1)}}, path)
    with pytest.raises(WeightsError, match="no discriminator"):
        build(critic_weights=str(path))


def test_losses_are_logged_under_their_names() -> None:
    method = build(eyes=True)
    seen: list[set[str]] = []
    fit(method, 8, lambda m: seen.append(set(m.losses)))
    assert seen[0] == {"pix"}
    assert seen[2] == {"D", "r1", "rec", "id", "adv", "E"}
    assert seen[3] == {"D", "rec", "id", "adv", "E"}
    assert not any(loss.requires_grad for loss in method.losses.values())
    assert method.preview().shape == (9, 3, 64, 64)  # type: ignore[union-attr]


def test_phases_that_cannot_be_trained_are_refused() -> None:
    row = {"name": "x", "images": 8, "batch_size": BATCH}
    for extra, match in (
        ({}, "does not say what it trains"),
        ({"train": "everything"}, "does not say what it trains"),
        ({"train": "scales", "side": 128}, "side 128"),
        ({"train": "scales"}, "side 0"),
    ):
        with pytest.raises(ConfigError, match=match):
            build(budget={"phases": [row | extra]})
    with pytest.raises(ConfigError, match="does not have"):
        build(encoder="w_direct", budget={"phases": [row | {"train": "scales", "side": 64}]})
    with pytest.raises(ConfigError, match=r"budget has no epochs"):
        build(budget=BUDGET | {"epochs": 3})


@pytest.mark.parametrize("levels", [1.0, 4.0])
def test_how_far_lr_is_off_is_told_in_levels_of_255(
    levels: float, caplog: pytest.LogCaptureFixture
) -> None:
    hr = torch.zeros(2, 3, 64, 64)
    lr = torch.full((2, 3, 16, 16), levels / 127.5)
    off = warn_of_another_operator(LRReduction("area", [64], 16), hr, lr)
    assert off == pytest.approx(levels, rel=1e-5)
    assert ("4.0 levels off" in caplog.text) == (levels == 4)


def test_the_last_stage_stands_on_no_base_encoder() -> None:
    """It makes all codes itself, so it may be trained alone; the one before may not."""
    needs = build().progress.needs
    assert "base" not in needs(Stage("scales", 64))
    assert "base" in needs(Stage("scales", 32))
