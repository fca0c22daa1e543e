"""SCGAN's training step through Lightning, at smoke size."""

import copy
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from facesr_bench.budget import Budget, Phase
from facesr_bench.errors import ConfigError
from facesr_bench.method import TrainingContext
from facesr_bench.methods.scgan import SCGAN
from methods.scgan_smoke import BATCH, Counter, build, faces, fit


def states(method: SCGAN) -> dict[str, dict[str, Tensor]]:
    nets = method.nets
    places = [*nets.switches.generators, *(f"critics.{name}" for name in nets.critics)]
    return {place: copy.deepcopy(nets.get_submodule(place).state_dict()) for place in places}


def test_every_network_learns_in_one_step_and_nothing_else_changes() -> None:
    method = build()
    before = states(method)
    fit(method, 1)
    after = states(method)
    still = {
        f"{place}.{name}"
        for place, state in before.items()
        for name, value in state.items()
        if torch.equal(value, after[place][name])
    }
    # The last layer of a critic has one output: its u is the constant 1, and on the first step the
    # two hinge terms cancel in its bias.
    last = {f"critics.{name}.out_layer.2" for name in method.nets.critics}
    expected = {"R_LS.a2.0.weight", "R_LS.a2.0.bias"} | {f"{name}.weight_u" for name in last}
    assert still - {f"{name}.bias" for name in last} == expected


def test_batchnorm_sees_the_synthetic_batch_then_the_real_one() -> None:
    method = build()
    seen: list[Tensor] = []
    method.nets.R_LS.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    fit(method, 1)
    synthetic, real = seen
    assert torch.equal(real, method.to_network(faces()["lr"]))
    assert not torch.equal(synthetic, real)
    norms = [m for m in method.nets.R_LS.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [int(m.num_batches_tracked or 0) for m in norms] == [2, 2]


def test_forward_only_batchnorm_sees_the_synthetic_batch_alone() -> None:
    method = build(branches="forward_only")
    fit(method, 1)
    norms = [m for m in method.nets.R_LS.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [int(m.num_batches_tracked or 0) for m in norms] == [1, 1]


def test_critics_see_real_fake_and_generator_term_each_in_its_own_call() -> None:
    method = build()
    calls: dict[str, list[tuple[bool, bool]]] = {}
    for name, critic in method.nets.critics.items():
        weight = next(critic.parameters())
        calls[name] = []
        critic.register_forward_pre_hook(
            lambda _, x, name=name, weight=weight: calls[name].append(
                (x[0].requires_grad, weight.requires_grad)
            )
        )
    fit(method, 1)
    # (does the image carry a gradient, does the critic)
    assert all(seen == [(False, True), (False, True), (True, False)] for seen in calls.values())


def test_critics_stay_in_train_mode() -> None:
    method = build().eval()
    assert not method.nets.R_LS.training
    assert all(critic.training for critic in method.nets.critics.modules())


@pytest.mark.parametrize(("adv", "steps", "drop"), [(True, 16, 0.85), (False, 24, 0.75)])
def test_one_batch_overfits(adv: bool, steps: int, drop: float) -> None:
    losses: list[float] = []
    method = build(adv=adv, lr=3e-3, lr_floor=3e-3, degrade_widths=(16, 16, 32, 64))
    fit(method, steps, lambda m: losses.append(m.losses["cyc_S"].item()))
    assert losses[-1] < drop * losses[0], losses


def test_losses_are_logged_detached_under_their_names() -> None:
    method = build()
    fit(method, 1)
    assert set(method.losses) == {
        "D_L1", "D_H1", "D_L2", "D_H2", "D_HL", "R_LS", "D_SL",
        "pix_s", "adv_s", "cyc_S", "adv_S", "pix_R", "adv_R", "cyc_c", "adv_c",
    }  # fmt: skip
    assert not any(loss.requires_grad for loss in method.losses.values())


def test_the_schedule_follows_images_seen() -> None:
    rates: list[float] = []
    method = build(adv=False)
    method.bind(TrainingContext(0, Budget([Phase("train", 10_000, BATCH)]), train_images=BATCH))

    def look(m: SCGAN) -> None:
        optimizers = m.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizers, list)
        (rate,) = {group["lr"] for adam in optimizers for group in adam.param_groups}
        rates.append(rate)

    fit(method, 11, look)
    assert [rates[i] for i in (0, 1, 5, 10)] == pytest.approx(
        [1e-4, 9.78e-5, 5.5e-5, 1e-5], rel=1e-4
    )


def test_a_step_is_reproducible() -> None:
    first, second = build(), build()
    fit(first, 3)
    fit(second, 3)
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_checkpoints_hold_plain_values_and_resume_bit_equal(tmp_path: Path) -> None:
    straight, file = build(), tmp_path / "step2.ckpt"
    fit(straight, 4)
    half = build()
    fit(half, 2).save_checkpoint(file)
    torch.load(file, weights_only=True)
    resumed = build(seed=1)
    batch = faces()
    loader = DataLoader([{k: v[i] for k, v in batch.items()} for i in range(BATCH)], BATCH)
    pl.Trainer(
        max_epochs=4, callbacks=[Counter()], accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    ).fit(resumed, loader, ckpt_path=file, weights_only=True)  # fmt: skip
    assert resumed.images_seen == straight.images_seen == 4 * BATCH
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize("bgr", [True, False])
def test_super_resolve_at_the_border(bgr: bool) -> None:
    method = build(bgr=bgr).eval()
    method.nets.R_LS.main = nn.Upsample(scale_factor=1)  # so that the net's output is known
    method.nets.R_LS.forward = lambda x: nn.functional.interpolate(  # type: ignore[method-assign]
        x * 1.5, scale_factor=4, mode="nearest"
    )
    lr = faces()["lr"]
    sr = method.super_resolve(lr)
    assert sr.shape == (BATCH, 3, 64, 64)
    expected = nn.functional.interpolate(((lr * 2 - 1) * 1.5 + 1) / 2, scale_factor=4).clamp(0, 1)
    assert torch.allclose(sr, expected, atol=1e-6)  # clamped, not min-max stretched; RGB again
    assert torch.equal(method.to_network(lr), (lr.flip(1) if bgr else lr) * 2 - 1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"hr_size": 32},
        {"hr_size": 128},
        {"hr_size": 32, "factor": 2, "restore_widths": (8, 8), "restore_depths": (2,),
         "degrade_widths": (8, 8, 16)},
        {"hr_size": 64, "factor": 8, "restore_widths": (8,) * 4, "restore_depths": (1,) * 3,
         "degrade_widths": (8, 8, 8, 16, 32)},
    ],
)  # fmt: skip
def test_other_sizes_and_factors(arguments: dict[str, Any]) -> None:
    method = build(**arguments)
    fit(method, 1)
    hr, factor = arguments["hr_size"], arguments.get("factor", 4)
    with torch.no_grad():
        sr = method.eval().super_resolve(torch.rand(1, 3, hr // factor, hr // factor))
    assert sr.shape == (1, 3, hr, hr)
    method.check_sizes((hr // factor, hr // factor), (hr, hr))
    with pytest.raises(ConfigError, match="hr_size=256"):
        method.check_sizes((256 // factor, 256 // factor), (256, 256))


@pytest.mark.parametrize("concat", [False, True])
def test_what_a_critic_learns_from_brings_no_gradient_to_a_generator(concat: bool) -> None:
    method = build(critic_concat=concat)
    nets, batch = method.nets, faces()
    h, lr = method.to_network(batch["hr"]), method.to_network(batch["lr"])
    seen = nets.reconstruct(h, lr, torch.randn(BATCH, *nets.noise_shape))
    sum(nets.critic_loss(critic, seen) for critic in nets.switches.critics).backward()  # type: ignore[union-attr]
    for name in nets.switches.generators:
        assert all(p.grad is None for p in nets.get_submodule(name).parameters()), name
    assert all(p.grad is not None for p in nets.critics.parameters())


@pytest.mark.parametrize("options", [{"channels_last": False}, {"precision": "bf16-mixed"}])
def test_options_keep_the_losses(options: dict[str, Any]) -> None:
    plain, other = build(), build(channels_last=options.pop("channels_last", True))
    fit(plain, 1)
    fit(other, 1, **options)
    tolerance = 2e-2 if options else 1e-4
    for name, value in plain.losses.items():
        assert other.losses[name].float().item() == pytest.approx(value.item(), abs=tolerance), name
