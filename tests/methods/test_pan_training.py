"""Training PAN: who learns from which loss, at which stage; one batch overfits."""

from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import torch
from torch import Tensor

from facesr_bench.errors import ConfigError
from facesr_bench.method import TrainingContext
from facesr_bench.methods.pan import PAN
from facesr_bench.methods.pan.fade import Stage, down2
from facesr_bench.methods.pan.losses import discriminator_loss, gradient_penalty
from facesr_bench.methods.pan.noise import FixedNoise, TrainingNoise
from facesr_bench.methods.pan.passes import TwoPasses
from methods.pan_fitting import NARROW, Faces, build, fit, gradients, one_stage, states


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
