"""PAN's training step through Lightning and the harness's own stream and counter, narrow."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from facesr_bench.budget import Budget, Phase
from facesr_bench.callbacks import ImageCounter
from facesr_bench.checkpoints import load_weights
from facesr_bench.errors import ConfigError, WeightsError
from facesr_bench.method import TrainingContext
from facesr_bench.methods.pan import PAN
from facesr_bench.methods.pan.fade import Stage, down2, up2
from facesr_bench.methods.pan.losses import discriminator_loss, gradient_penalty
from facesr_bench.methods.pan.noise import FixedNoise, TrainingNoise
from facesr_bench.methods.pan.passes import TwoPasses
from facesr_bench.stream import StreamSampler
from facesr_bench.training import build_trainer

NARROW: dict[str, Any] = {"hr_size": 32, "factor": 2, "channel_base": 128, "channel_max": 8}
RECIPE: dict[str, Any] = {"fade": 16, "stable": 8, "gpus": 1, "batch_per_gpu": {8: 8, 16: 4}}
"""8px (8), 16px-fade (16), 16px (8), 32px-fade (16), 32px (8): 56 images in 13 steps."""


class Faces(Dataset[dict[str, Tensor]]):
    """Smooth blobs by position in the stream; eight of them."""

    def __init__(self, hr_size: int, factor: int, count: int = 8) -> None:
        generator = torch.Generator().manual_seed(7)
        coarse = torch.rand(count, 3, 8, 8, generator=generator)
        self.hr = nn.functional.interpolate(coarse, hr_size, mode="bicubic").clamp(0, 1)
        self.lr = nn.functional.avg_pool2d(self.hr, factor)

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        index = position % len(self.hr)
        return {"hr": self.hr[index], "lr": self.lr[index]}


class Data(pl.LightningDataModule):
    """The harness's stream over those faces."""

    def __init__(self, method: PAN) -> None:
        super().__init__()
        self.method = method

    def train_dataloader(self) -> Any:
        sampler = StreamSampler(self.method.context.budget, self.method.images_seen, 0, 1)
        faces = Faces(self.method.hr_size, self.method.factor or 2)
        return DataLoader(faces, batch_sampler=sampler)


class Look(pl.Callback):
    """Looks at the method after every step; stops the run at a number of images."""

    def __init__(self, look: Callable[[PAN], None] | None, stop_at: int | None) -> None:
        self._look, self._stop_at = look, stop_at

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        if self._look:
            self._look(module)
        if self._stop_at is not None and module.images_seen >= self._stop_at:
            trainer.should_stop = True


def build(seed: int = 0, budget: Budget | None = None, **arguments: Any) -> PAN:
    torch.manual_seed(seed)
    method = PAN(**NARROW | arguments)
    chosen = budget or method.make_budget(RECIPE)
    method.bind(TrainingContext(seed=2020, budget=chosen, train_images=8))
    return method


def one_stage(side: int, fade: bool, images: int = 8, batch: int = 4, lr: float = 1e-3) -> Budget:
    phases = [Phase("stage", images, batch, {"side": side, "fade": fade, "lr": lr})]
    if side != 32:
        phases.append(Phase("end", 1, 4, {"side": 32, "fade": False, "lr": lr}))
    return Budget(phases)


def fit(
    method: PAN,
    stop_at: int | None = None,
    look: Callable[[PAN], None] | None = None,
    resume_from: Path | None = None,
) -> pl.Trainer:
    callbacks = [ImageCounter(method.context.budget), Look(look, stop_at)]
    trainer = build_trainer({"accelerator": "cpu"}, method, [], callbacks, "fit")
    trainer.fit(method, Data(method), ckpt_path=resume_from, weights_only=True)
    return trainer


def with_gradient(network: nn.Module) -> set[str]:
    """Parts of a network, two names deep, in which some parameter has a gradient that is not zero."""
    return {
        ".".join(name.split(".")[:2])
        if not name.startswith(("mid", "head"))
        else name.split(".")[0]
        for name, p in network.named_parameters()
        if p.grad is not None and bool(p.grad.any())
    }


def gradients(method: PAN, stage: Stage) -> tuple[set[str], set[str]]:
    """Parts of G and D that a generator loss reaches."""
    assert method.D is not None
    method.zero_grad()
    x, _ = method.stage_images({"hr": Faces(32, 2).hr, "lr": Faces(32, 2).lr}, stage)
    fake = method.G(x, stage)
    (method.D(fake, stage) + fake.square().mean()).sum().backward()
    return with_gradient(method.G), with_gradient(method.D)


@pytest.mark.parametrize(
    ("side", "alpha"),
    [(8, 1.0), *((side, alpha) for side in (16, 32) for alpha in (0.0, 0.5, 1.0))],
)
def test_gradients_stay_within_the_stage(side: int, alpha: float) -> None:
    """No layer of a higher stage learns; RGB layers of r/2 only while alpha < 1."""
    G, D = gradients(build(), Stage(side, alpha))
    inner, sides = [r for r in (8, 16) if r <= side], [r for r in (8, 16, 32) if r <= side]
    if alpha == 0:  # the new layers are there, without effect yet
        inner, sides = [r for r in inner if r < side], sides[:-1]
    expected_g = {"mid", *(f"encoder.{r}" for r in inner), *(f"decoder.{r}" for r in sides)}
    expected_d = {"head", *(f"blocks.{r}" for r in sides)}
    top, old = min(side, 16), side // 2
    if alpha > 0:
        expected_g |= {f"to_rgb.{side}", f"from_rgb.{top}"}
        expected_d |= {f"from_rgb.{side}"}
    if alpha < 1:
        expected_g |= {f"to_rgb.{old}"} | {f"from_rgb.{min(old, 16)}"}
        expected_d |= {f"from_rgb.{old}"}
    assert (expected_g, expected_d) == (G, D)


def test_each_loss_trains_its_own_network() -> None:
    """D's loss reaches no generator, G's leaves no gradient in D."""
    method = build(budget=one_stage(32, False))
    assert method.D is not None
    calls: list[tuple[bool, bool]] = []  # does the image carry a gradient, does the critic
    weight = method.D.head.out.weight
    method.D.register_forward_pre_hook(
        lambda _, args: calls.append((args[0].requires_grad, weight.requires_grad))
    )
    fit(method, stop_at=4)
    # real (for R1), fake of the first pass, fake of the second
    assert calls == [(True, True), (False, True), (True, False)]


def states(method: PAN) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in method.state_dict().items()}


def test_a_step_changes_what_the_stage_uses_and_nothing_else() -> None:
    method = build(budget=one_stage(16, False), consistency_every=1)
    before = states(method)
    fit(method, stop_at=4)
    after = states(method)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    active = {id(p) for p in method.G.active_parameters(16)}
    used = {f"G.{name}" for name, p in method.G.named_parameters() if id(p) in active}
    assert {name for name in changed if name.startswith("G.")} == used
    assert {name.split(".")[2] for name in changed if name.startswith("D.blocks")} == {"8", "16"}
    assert not {name for name in changed if name.startswith("G_ema.")}  # averaged before G's step


def test_the_average_forgets_half_in_its_half_life() -> None:
    method = build(budget=one_stage(16, False, images=12), ema_half_life=8)
    weights: list[Tensor] = []
    averages: list[Tensor] = []

    def look(m: PAN) -> None:
        weights.append(m.G.mid.weight.detach().clone())
        averages.append(m.G_ema.mid.weight.clone())

    fit(method, 12, look)
    kept = 0.5 ** (4 / 8)
    for step in (1, 2):
        expected = kept * averages[step - 1] + (1 - kept) * weights[step - 1]
        torch.testing.assert_close(averages[step], expected)
    assert method.G.mid.weight.data_ptr() != method.G_ema.mid.weight.data_ptr()
    assert not any(p.requires_grad for p in method.G_ema.parameters())


def test_super_resolution_runs_the_average() -> None:
    method = build().eval()
    lr = Faces(32, 2).lr
    first = method.super_resolve(lr)
    with torch.no_grad():
        method.G.mid.weight.zero_()
        assert torch.equal(method.super_resolve(lr), first)
        method.G_ema.mid.weight.zero_()
        assert not torch.equal(method.super_resolve(lr), first)
    assert first.shape == (8, 3, 32, 32)
    assert method.inference_modules() == [method.G_ema]


@pytest.mark.parametrize("noise_eval", ["random", "zero"])
def test_noise_at_test_time_is_the_same_for_every_batch(noise_eval: str) -> None:
    method = build(noise_eval=noise_eval).eval()
    lr = Faces(32, 2).lr
    quiet = method.super_resolve(lr)
    with torch.no_grad():
        for name, p in method.G_ema.named_parameters():
            if "noise" in name:
                p.fill_(0.5)
        whole = method.super_resolve(lr)
        alone = torch.cat([method.super_resolve(image[None]) for image in lr])
    torch.testing.assert_close(whole, alone, atol=1e-6, rtol=0)
    assert torch.equal(whole, quiet) == (noise_eval == "zero")
    maps = FixedNoise(0)("32.up", torch.empty(2, 5, 4, 4))
    assert maps.shape == (1, 1, 4, 4)
    assert not torch.equal(maps, FixedNoise(1)("32.up", torch.empty(2, 5, 4, 4)))


def test_training_noise_follows_seed_pass_layer_and_images() -> None:
    like = torch.empty(4, 3, 8, 8)

    def draw(seed: int = 0, role: str = "D", seen: int = 8, layer: str = "32.up") -> Tensor:
        return TrainingNoise(seed, role, seen)(layer, like)

    assert draw().shape == (4, 1, 8, 8)
    assert torch.equal(draw(), draw())
    others = [draw(seed=1), draw(role="G"), draw(seen=12), draw(layer="32.conv")]
    assert not any(torch.equal(draw(), other) for other in others)
    half = torch.empty(2, 3, 8, 8)
    ranks = [TrainingNoise(0, "D", 8, rank, 2)("32.up", half) for rank in (0, 1)]
    assert torch.equal(torch.stack(ranks, 1).flatten(0, 1), draw())


@pytest.mark.parametrize("noise", ["high", "all", "none"])
@pytest.mark.parametrize("side", [16, 32])
def test_two_passes_are_two_whole_forwards(noise: str, side: int) -> None:
    method = build(noise=noise)
    with torch.no_grad():
        for name, p in method.G.named_parameters():
            if "noise" in name:
                p.fill_(0.5)
    x, stage = torch.rand(2, 3, 16, 16), Stage(side, 0.5)
    of_d, of_g = (TrainingNoise(0, role, 0) for role in "DG")
    passes = TwoPasses(method.G, x, stage, of_d, of_g)
    first, second = passes.for_discriminator, passes.for_generator()
    assert not first.requires_grad
    torch.testing.assert_close(first, method.G(x, stage, of_d))
    torch.testing.assert_close(second, method.G(x, stage, of_g))
    gradient, expected = (
        torch.autograd.grad(image.square().sum(), method.G.mid.weight)[0]
        for image in (second, method.G(x, stage, of_g))
    )
    torch.testing.assert_close(gradient, expected)
    noisy = noise == "all" or (noise == "high" and side == 32)
    assert torch.equal(first, second) != noisy


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


def test_faces_are_mirrored_in_pairs() -> None:
    method = build()
    faces = Faces(32, 2)
    batch: Any = {"hr": faces.hr, "lr": faces.lr}
    x, y = method.stage_images(batch, Stage(32))
    torch.testing.assert_close(down2(y), x)
    mirrored = [torch.equal(a, b) for a, b in zip(y, (faces.hr * 2 - 1).flip(3), strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(y, faces.hr * 2 - 1, strict=True)]
    assert mirrored == [not same for same in kept]
    assert len(set(mirrored)) == 2


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


@pytest.mark.parametrize(("objective", "drop"), [("l1", 0.8), ("l2", 0.6)])
def test_one_batch_overfits(objective: str, drop: float) -> None:
    losses: list[float] = []
    method = build(
        budget=one_stage(32, False, images=8 * 30, batch=8, lr=1e-2),
        objective=objective, channel_max=16, flip=False,
    )  # fmt: skip
    fit(method, look=lambda m: losses.append(m.losses["G"].item()))
    assert losses[-1] < drop * losses[0], losses


def test_the_discriminator_learns_to_tell() -> None:
    """Faces from grey noise, under its own loss and penalty."""
    method = build(gamma=0.05)
    assert method.D is not None
    adam, stage, losses = method.configure_optimizers()[1], Stage(16), []
    adam.param_groups[0]["lr"] = 1e-2
    real = down2(Faces(32, 2).hr * 2 - 1).requires_grad_()
    fake = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.5
    for _ in range(40):
        on_real = method.D(real, stage)
        penalty = gradient_penalty(on_real, real)
        loss = discriminator_loss(on_real, method.D(fake, stage), penalty, method.gamma)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0], losses


def test_what_is_logged() -> None:
    method = build(consistency_every=20)
    measured: list[tuple[int, float]] = []

    def look(m: PAN) -> None:
        assert set(m.losses) == {"D", "G", "r1", "lr_psnr"}
        assert not any(loss.requires_grad for loss in m.losses.values())
        if not measured or measured[-1][1] != m.losses["lr_psnr"].item():
            measured.append((m.images_seen, m.losses["lr_psnr"].item()))

    fit(method, look=look)
    # the first and last steps of the five phases (12, 28, ... and 8, 24, ...), and each twenty images
    assert [seen for seen, _ in measured] == [8, 12, 20, 24, 28, 32, 36, 40, 48, 52, 56]


def test_a_pooled_network_makes_the_smaller_image_and_is_not_trained() -> None:
    torch.manual_seed(0)
    method = PAN(**NARROW | {"pool": 2}).eval()
    lr = Faces(32, 2).lr
    assert (method.lr_side, method.side) == (16, 64)
    with torch.no_grad():
        large = method.G_ema(method.to_network(lr), Stage(64), FixedNoise(0)).clamp(-1, 1)
        torch.testing.assert_close(method.super_resolve(lr), down2(large + 1) / 2)
    method.check_sizes((16, 16), (32, 32))
    with pytest.raises(ConfigError, match="train with pool=1 on data of 64 px"):
        method.bind(TrainingContext(0, one_stage(32, False), 8))


def test_the_average_alone_is_a_whole_weight_file() -> None:
    method = build()
    exported = {n: v + 1 for n, v in method.state_dict().items() if n.startswith("G_ema.")}
    state = method.adapt_state_dict(exported)
    method.load_state_dict(state, strict=True)
    for name, p in method.G.named_parameters():
        assert torch.equal(p, exported[f"G_ema.{name}"])
    distance = build(objective="l1")
    assert distance.D is None
    load_weights(distance, exported, "exported")


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


def test_previews_show_lr_beside_the_average_at_its_stage() -> None:
    method = build()
    sheets: list[Tensor] = []
    lr: list[Tensor] = []

    def look(m: PAN) -> None:
        lr.append(m._shown.clone() if m._shown is not None else torch.empty(0))
        with torch.no_grad():
            image = m.preview()
        assert image is not None
        sheets.append(image)

    assert method.preview() is None
    fit(method, look=look)
    assert all(torch.equal(first, lr[0]) for first in lr)
    for sheet in sheets:
        assert sheet.shape == (4, 3, 32, 64)
        assert sheet.min() >= 0 and sheet.max() <= 1
    last = sheets[-1]
    shown = nn.functional.interpolate(lr[0], (32, 32), mode="nearest")
    torch.testing.assert_close(last[..., :32], shown)
    with torch.no_grad():
        torch.testing.assert_close(last[..., 32:], method.super_resolve(lr[0]))
    # after 12 images, a quarter of the way from 8 px to 16 px
    torch.testing.assert_close(
        sheets[1][..., :32],
        nn.functional.interpolate(
            0.25 * lr[0] + 0.75 * up2(down2(lr[0])), (32, 32), mode="nearest"
        ),
    )
