"""PAN's phases: rate, fade and batch of each, and going on by them after a stop."""

import copy
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import torch

from facesr_bench.budget import Budget, Phase
from facesr_bench.checkpoints import load_weights
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.methods.pan import PAN
from facesr_bench.methods.pan.fade import Stage, down2, up2
from methods.pan_fitting import NARROW, RECIPE, Faces, build, fit, one_stage


def test_stage_images() -> None:
    method = build(flip=False)
    faces = Faces(32, 2)
    batch: Any = {"hr": faces.hr, "lr": faces.lr}
    hr, lr = faces.hr * 2 - 1, faces.lr * 2 - 1
    x, y = method.stage_images(batch, Stage(8))
    torch.testing.assert_close(x, down2(lr))
    torch.testing.assert_close(y, down2(down2(hr)))
    x, y = method.stage_images(batch, Stage(16, 0.25))  # both sides fade
    torch.testing.assert_close(x, 0.25 * lr + 0.75 * up2(down2(lr)))
    torch.testing.assert_close(y, 0.25 * down2(hr) + 0.75 * up2(down2(down2(hr))))
    x, y = method.stage_images(batch, Stage(32, 0.25))  # LR has nothing to fade any more
    torch.testing.assert_close(x, lr)
    torch.testing.assert_close(y, 0.25 * hr + 0.75 * up2(down2(hr)))


def adams(method: PAN) -> list[Any]:
    found = method.optimizers(use_pl_optimizer=False)
    return found if isinstance(found, list) else [found]


def test_phases_set_rate_alpha_and_batch_and_reset_adam() -> None:
    log: list[tuple[int, float, int]] = []
    batches: list[int] = []
    rates = {8: 1e-3, 16: 2e-3, 32: 3e-3}
    method = build(budget=PAN(**NARROW).make_budget({**RECIPE, "lr": rates}))
    assert method.D is not None
    shared = (method.G.mid.weight, method.D.head.out.weight)  # used by every stage
    method.G.mid.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))

    def look(m: PAN) -> None:
        both = adams(m)
        (rate,) = {group["lr"] for adam in both for group in adam.param_groups}
        (steps,) = {int(adam.state[p]["step"]) for adam, p in zip(both, shared, strict=True)}
        log.append((m.images_seen, rate, steps))

    fit(method, look=look)
    # images seen after the step, learning rate, steps of both Adams since their last reset
    assert log == [
        (8, 1e-3, 1),
        (12, 2e-3, 1), (16, 2e-3, 2), (20, 2e-3, 3), (24, 2e-3, 4),
        (28, 2e-3, 1), (32, 2e-3, 2),
        (36, 3e-3, 1), (40, 3e-3, 2), (44, 3e-3, 3), (48, 3e-3, 4),
        (52, 3e-3, 1), (56, 3e-3, 2),
    ]  # fmt: skip
    assert batches == [8] + [4] * 12  # one U-Net pass a step, the second pass shares it


@pytest.mark.parametrize("stop_at", [8, 16, 24, 40, 52])
def test_killed_and_resumed_equals_uninterrupted(stop_at: int, tmp_path: Path) -> None:
    """At the end of a phase, inside both fades, and in a stable phase."""
    straight, file = build(), tmp_path / "stopped.ckpt"
    seen: list[int] = []
    with torch.no_grad():
        for name, p in straight.G.named_parameters():
            if "noise" in name:
                p.fill_(0.1)
    half = copy.deepcopy(straight)
    fit(straight)
    fit(half, stop_at).save_checkpoint(file)
    content = torch.load(file, weights_only=True)
    assert content["images_seen"] == stop_at

    resumed = build(seed=1)
    fit(resumed, look=lambda m: seen.append(m.images_seen), resume_from=file)
    assert seen[0] == stop_at + 4
    assert resumed.images_seen == straight.images_seen == 56
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    for ours, theirs in zip(adams(resumed), adams(straight), strict=True):
        assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]
        pairs = zip(ours.state.values(), theirs.state.values(), strict=True)
        assert all(torch.equal(a[key], b[key]) for a, b in pairs for key in a)


@pytest.mark.parametrize(("theirs", "ours"), [("l1", "gan"), ("gan", "l2")])
def test_weights_of_another_objective_do_not_fit(theirs: str, ours: str) -> None:
    """Not even from a file that says nothing of its objective."""
    state = build(objective=theirs).state_dict()
    with pytest.raises(WeightsError, match=r"do not fit PAN: \d+ (missing|unknown) \(first 'D\."):
        load_weights(build(objective=ours), {"state_dict": state}, "file")


def saved(method: PAN, file: Path, stop_at: int | None = None) -> dict[str, Any]:
    fit(method, stop_at).save_checkpoint(file)
    content: dict[str, Any] = torch.load(file, weights_only=True)
    return content


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        ({"objective": "l1"}, {"objective": "l2"}, "objective=l1, but .* objective=l2"),
        ({"objective": "l1"}, {}, "objective=l1, but .* objective=gan"),
        ({"pixelnorm": True}, {}, "pixelnorm=True, but"),
        ({"skip_resolutions": [8]}, {}, r"skip_resolutions=\[8\], but .*\[8, 16\]"),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_variant_is_refused(
    theirs: dict[str, Any], ours: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """To measure (load_weights) and to resume (Lightning); its own variant takes it."""
    file = tmp_path / "other.ckpt"
    content = saved(build(**theirs), file, 8)
    with pytest.raises(WeightsError, match=f"trained with {said}"):
        load_weights(build(**ours), content, "other.ckpt")
    with pytest.raises(WeightsError, match=f"trained with {said}"):
        fit(build(**ours), resume_from=file)
    load_weights(build(**theirs), content, "other.ckpt")


def test_a_non_progressive_checkpoint_is_no_pan() -> None:
    """All its weights fit; only what the checkpoint says of itself tells."""
    one = build(budget=one_stage(32, False), progressive=False)
    content: dict[str, Any] = {"state_dict": one.state_dict()}
    one.on_save_checkpoint(content)
    with pytest.raises(WeightsError, match="progressive=False"):
        load_weights(build(), content, "one.ckpt")


@pytest.mark.parametrize(
    ("other", "stop_at"),
    [
        ({"fade": 32, "stable": 16}, None),  # all twice as long, as images= would make them
        ({"fade": 24}, 12),  # the fade that it stands in: alpha would jump
        ({"batch_per_gpu": {8: 8, 16: 8}}, 28),
        ({"lr": {8: 2e-3}}, 12),
        ({"stable": 4}, 12),  # a batch of 8 reaches four images into the fade
    ],
    ids=str,
)
def test_a_run_resumes_by_its_own_phases_only(
    other: dict[str, Any], stop_at: int | None, tmp_path: Path
) -> None:
    file = tmp_path / "stopped.ckpt"
    saved(build(), file, stop_at)
    budget = PAN(**NARROW).make_budget(RECIPE | other)
    said = r"of other phases: its run had .* images= were 56\).*init= instead of ckpt="
    with pytest.raises(ConfigError, match=said):
        fit(build(budget=budget), resume_from=file)


@pytest.mark.parametrize("stop_at", [52, None])
def test_the_last_phase_may_be_made_longer(stop_at: int | None, tmp_path: Path) -> None:
    file = tmp_path / "stopped.ckpt"
    saved(build(), file, stop_at)
    *others, last = build().context.budget.phases
    longer = build(budget=Budget([*others, Phase(last.name, 16, last.batch_size, last.facts)]))
    sides: list[int] = []
    fit(longer, look=lambda m: sides.append(m.G.sides[-1]), resume_from=file)
    assert longer.images_seen == 64
    assert len(sides) == (64 - (stop_at or 56)) // 4
