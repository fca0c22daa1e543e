"""CycleGAN: who judges what, who gets gradients, one batch overfits."""

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
from facesr_bench.methods.cyclegan import CycleGAN
from facesr_bench.methods.cyclegan.losses import critic_loss, generator_term
from facesr_bench.methods.cyclegan.translation import Translated
from methods.scgan_smoke import BATCH, SMOKE, Counter, faces

NETWORKS = ("G", "F", "D_L", "D_H")


def build(seed: int = 0, **arguments: Any) -> CycleGAN:
    torch.manual_seed(seed)
    method = CycleGAN(**SMOKE | arguments)
    budget = Budget([Phase("train", 10_000, BATCH)])
    method.bind(TrainingContext(seed=2020, budget=budget, train_images=100))
    return method


def fit(method: CycleGAN, steps: int, look: Any = None) -> None:
    batch = faces()
    loader = DataLoader([{k: v[i] for k, v in batch.items()} for i in range(BATCH)], BATCH)
    pl.Trainer(
        max_epochs=steps, callbacks=[Counter(look)], accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    ).fit(method, loader)  # fmt: skip


def seen_by(method: CycleGAN) -> Translated:
    batch = faces()
    z = torch.randn(BATCH, *method.nets.G.noise_shape, generator=torch.Generator().manual_seed(3))
    return method.nets.both_cycles(batch["hr"], batch["lr"], z)


def reached(method: CycleGAN, loss: Tensor) -> set[str]:
    found = set()
    for name in NETWORKS:
        weights = [p for p in method.nets.get_submodule(name).parameters() if p.requires_grad]
        grads = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        if any(g is not None and bool(g.any()) for g in grads):
            found.add(name)
    return found


def test_it_has_two_generators_and_two_critics_and_no_more() -> None:
    assert {name for name, _ in build().nets.named_children()} == set(NETWORKS)


def test_every_network_starts_by_its_own_name() -> None:
    """As SCGAN's do: G and F are where they were, whatever the critics are."""
    ours, wider = build().nets, build(critic_widths=(8, 8, 8, 8, 16, 32)).nets
    for name in ("G", "F"):
        one, other = (nets.get_submodule(name).state_dict() for nets in (ours, wider))
        assert all(torch.equal(one[key], other[key]) for key in one)
    block = [critic.residual_blocks[0].conv1.weight_orig for critic in (ours.D_L, ours.D_H)]
    assert not torch.equal(*block)


def test_who_gets_gradients_from_which_loss() -> None:
    """Cycles pass whole; critics judge translations alone and learn from detached ones."""
    method = build()
    seen = seen_by(method)
    terms = method.nets.generator_terms(seen, pix=True)
    assert {name: reached(method, term) for name, term in terms.items()} == {
        "adv_s": {"G", "D_L"},
        "adv_R": {"F", "D_H"},
        "cyc_S": {"G", "F"},
        "cyc_c": {"G", "F"},
        "pix_s": {"G"},
    }
    losses = method.nets.critic_losses(seen)
    assert {name: reached(method, loss) for name, loss in losses.items()} == {
        "D_L": {"D_L"},
        "D_H": {"D_H"},
    }


def test_critics_see_real_faces_and_translations_only() -> None:
    method = build()
    seen = seen_by(method)
    shown: dict[str, list[Tensor]] = {"D_L": [], "D_H": []}
    for name, images in shown.items():
        method.nets.get_submodule(name).register_forward_pre_hook(
            lambda _, inputs, images=images: images.append(inputs[0])
        )
    method.nets.critic_losses(seen)
    method.nets.generator_terms(seen, pix=True)
    for name, real, fake in (("D_L", seen.l, seen.s), ("D_H", seen.h, seen.R)):
        for image, expected in zip(shown[name], (real, fake, fake), strict=True):
            assert torch.equal(image, expected)


def test_the_terms_are_those_of_the_papers() -> None:
    method = build()
    seen = seen_by(method)
    terms = method.nets.generator_terms(seen, pix=True)
    assert terms["cyc_S"].item() == pytest.approx((seen.S - seen.h).abs().mean().item())
    assert terms["cyc_c"].item() == pytest.approx((seen.c - seen.l).abs().mean().item())
    down = nn.functional.avg_pool2d(seen.h, 4)
    assert terms["pix_s"].item() == pytest.approx((seen.s - down).abs().mean().item())
    assert "pix_s" not in method.nets.generator_terms(seen, pix=False)
    real, fake = torch.tensor([2.0, 0.5, -2.0]), torch.tensor([-2.0, 0.0, 1.0])
    assert critic_loss(real, fake, "hinge").item() == pytest.approx(3.5 / 3 + 1)
    assert generator_term(fake, "hinge").item() == pytest.approx(1 / 3)
    squares = (1 + 0.25 + 9) / 3 + (4 + 0 + 1) / 3
    assert critic_loss(real, fake, "least_squares").item() == pytest.approx(squares)
    assert generator_term(fake, "least_squares").item() == pytest.approx((9 + 1 + 0) / 3)


def test_a_step_is_of_the_weighted_sum_and_moves_all_four() -> None:
    method = build(l1_weight=2.0, adv_weight=0.25)
    before = {n: p.detach().clone() for n, p in method.nets.named_parameters()}
    fit(method, 1)
    logged = {name: value.item() for name, value in method.losses.items()}
    assert set(logged) == {
        "D_L", "D_H", "generators", "adv_s", "adv_R", "cyc_S", "cyc_c", "pix_s"
    }  # fmt: skip
    l1 = logged["cyc_S"] + logged["cyc_c"] + logged["pix_s"]
    adv = logged["adv_s"] + logged["adv_R"]
    assert logged["generators"] == pytest.approx(2 * l1 + 0.25 * adv, rel=1e-5)
    still = {n for n, p in method.nets.named_parameters() if torch.equal(p, before[n])}
    biases = {f"{name}.out_layer.2.bias" for name in ("D_L", "D_H")}  # hinge: they cancel at first
    assert still - biases == {"F.a2.0.weight", "F.a2.0.bias"}


@pytest.mark.parametrize("gan", ["hinge", "least_squares"])
def test_one_batch_overfits(gan: str) -> None:
    losses: list[float] = []
    method = build(gan=gan, lr=3e-3, lr_floor=3e-3, degrade_widths=(16, 16, 32, 64))
    fit(method, 16, lambda m: losses.append(m.losses["cyc_S"].item()))
    assert losses[-1] < 0.85 * losses[0], losses


def test_super_resolve_is_one_forward_of_f_in_rgb() -> None:
    method = build().eval()
    lr = faces()["lr"]
    with torch.no_grad():
        sr = method.super_resolve(lr)
        expected = (method.nets.F(lr * 2 - 1) + 1) / 2
    assert torch.allclose(sr, expected, atol=1e-6)
    assert method.inference_modules() == [method.nets.F]
    assert method.nets.D_L.training  # the power iteration goes on
    assert not method.nets.F.training


@pytest.mark.parametrize(
    "arguments", [{"gan": "wgan"}, {"l1_weight": 0.0}, {"hr_size": 66}, {"factor": 8}], ids=str
)
def test_what_cannot_work_is_refused_in_a_sentence(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^(CycleGAN|SCGAN).{20,}\.$"):
        build(**arguments)
