"""Deployment: which tensors get gradients in which step, what stays as it was, what switches do."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import Adam

from facesr_bench.adaptation.contract import AdaptsItself, Exemplars, FineTunes
from facesr_bench.errors import ConfigError
from facesr_bench.methods.dap_fsr import DAPFSR
from facesr_bench.methods.dap_fsr.damma import Damma
from facesr_bench.methods.dap_fsr.losses import chosen, statistics
from facesr_bench.methods.dap_fsr.variants import PAPER_VARIANTS, Recipe
from methods.dap_fsr_models import build, exemplars, faces


def nothing() -> None:
    """A progress bar nobody watches."""


def damma(method: DAPFSR, shown: Exemplars | None = None, seed: int = 3) -> Damma:
    """DAMMA as the method would run it."""
    shown = shown or exemplars()
    lr, hr = method.to_network(shown.lr), method.to_network(shown.hr)
    return Damma(method.nets, method._see, method.recipe, method._mapped, lr, hr, seed)


def copies(method: DAPFSR) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in method.state_dict().items()}


def changed(method: DAPFSR, before: dict[str, Tensor]) -> set[str]:
    return {n for n, value in method.state_dict().items() if not torch.equal(value, before[n])}


def affine(method: DAPFSR) -> set[str]:
    return {f"nets.G.{name}" for name in method.nets.phi("affine")}


# -- gradients --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "tensors"), [("stylegan2", 22), ("stylegan1", 16)])
def test_the_step_on_phi_moves_exactly_the_affine_maps(family: str, tensors: int) -> None:
    """At 32 px StyleGAN2 has 7 convolutions and 4 layers of colour, StyleGAN1 8 styles; two each."""
    method = build(family=family)
    before, expected = copies(method), affine(method)
    assert len(expected) == tensors
    run = damma(method)
    rows, w_t, w_s = run._draw(0)
    with run.nets.open("affine") as run.phi, torch.enable_grad():
        run.phi_step(Adam(run.phi.values(), lr=1e-3), rows, w_t, w_s)
        with_gradient = {n for n, p in method.named_parameters() if p.grad is not None}
        assert with_gradient == expected
        assert run.alpha.grad is None
    assert changed(method, before) == expected
    assert all(p.grad is None and not p.requires_grad for p in method.nets.G.parameters())
    assert all(p.requires_grad for p in method.nets.E.parameters())  # as it was


def test_the_step_on_alpha_moves_alpha_alone() -> None:
    method = build()
    before = copies(method)
    run = damma(method)
    rows, w_t, w_s = run._draw(0)
    with run.nets.open("affine") as run.phi, torch.enable_grad():
        run.alpha_step(Adam([run.alpha], lr=1e-2), rows, w_t, w_s)
        assert all(p.grad is None for p in method.parameters())
    assert run.alpha.grad is not None and bool((run.alpha.grad != 0).all())
    # Adam's first step is as long as its rate, whatever the gradient.
    assert (run.alpha.detach() - 0.5).abs().tolist() == pytest.approx([0.01] * 8, rel=1e-3)
    assert changed(method, before) == set()


def test_alpha_stays_between_zero_and_one() -> None:
    method = build(alpha_start=1.0, alpha_lr=5.0)
    run = damma(method)
    rows, w_t, w_s = run._draw(0)
    with run.nets.open("affine") as run.phi, torch.enable_grad():
        run.alpha_step(Adam([run.alpha], lr=5.0), rows, w_t, w_s)
    assert set(run.alpha.tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("variant", ["D", "E"])
def test_configurations_d_and_e_move_every_tensor_of_g(variant: str) -> None:
    method = build(**PAPER_VARIANTS[variant])
    before = copies(method)
    method.adapt(exemplars(), 0, nothing)
    parameters = {f"nets.G.{name}" for name, _ in method.nets.G.named_parameters()}
    assert changed(method, before) == parameters


@pytest.mark.parametrize("family", ["stylegan2", "stylegan1"])
def test_adaptation_leaves_everything_else_to_the_bit(family: str) -> None:
    """Also BatchNorm's statistics, E's weights and G's stored noise; and the prior itself."""
    method = build(family=family).train()
    before, expected = copies(method), affine(method)
    prior = {k: v.clone() for k, v in method.prior.network.state_dict().items()}
    method.adapt(exemplars(), 0, nothing)
    assert changed(method, before) == expected
    assert all(torch.equal(v, prior[k]) for k, v in method.prior.network.state_dict().items())
    assert method.nets.training


# -- losses -----------------------------------------------------------------------------------------


def test_the_losses_of_mixing_vanish_where_they_should_and_only_there() -> None:
    """L_c where all is source, L_s where styles are the same: neither can be a constant 0."""
    method = build()
    run = damma(method)
    rows, w_t, w_s = run._draw(0)
    style = chosen(run._hr_style, rows)

    def parts(alpha: float) -> tuple[float, float]:
        run.alpha = torch.full((8,), alpha)
        with torch.no_grad():
            own = statistics(method._see(method.nets.images(w_t)))
            # Against the style of the face that alpha=0 makes: then L_s is 0 and L_c alone is left.
            content = float(run.mixing_loss(w_t, w_s, own)) if alpha == 0 else 0.0
            return float(run.mixing_loss(w_t, w_s, style)), content

    method.eval()
    all_target, content_only = parts(0.0)
    all_source, _ = parts(1.0)
    with torch.no_grad():
        mixed = statistics(method._see(method.nets.images(w_s)))
        run.alpha = torch.ones(8)
        assert float(run.mixing_loss(w_t, w_s, mixed)) == 0.0  # L_c = 0 and L_s = 0
    assert content_only > 0.01
    assert all_target > content_only  # L_s of a source-domain face against the exemplar
    assert all_source > 0.01


def test_the_loss_of_phi_is_the_mean_of_both_halves() -> None:
    method = build(norm="mse")
    run = damma(method)
    rows, w_t, w_s = run._draw(0)
    mixed = 0.5 * w_t + 0.5 * w_s
    with torch.no_grad(), run.nets.open("affine") as run.phi:
        exemplar, synthetic = run._exemplar_loss(rows), run._synthetic_loss(mixed)
        made = method.nets.images(mixed)
        codes = method.nets.codes(method.nets.reduced(made, 16))
        seen, target = (method._see(x) for x in (method.nets.images(codes), made))
        expected = (method.nets.images(codes) - made).square().mean()
        expected += sum((seen[name] - target[name]).square().mean() for name in target)
    torch.testing.assert_close(synthetic, expected)
    with run.nets.open("affine") as run.phi, torch.enable_grad():
        adam = Adam(run.phi.values(), lr=0.0)
        run.phi_step(adam, rows, w_t, w_s)
        whole = torch.stack([p.grad.norm() for p in run.phi.values()])
        adam.zero_grad()
        ((run._exemplar_loss(rows) + run._synthetic_loss(mixed)) / 2).backward()
        torch.testing.assert_close(whole, torch.stack([p.grad.norm() for p in run.phi.values()]))
    assert float(exemplar) > 0 and float(synthetic) > 0


def test_synthetic_pairs_get_their_lr_from_the_protocol() -> None:
    """As restyled faces of other strategies do: not aligned bicubic, and each call draws anew."""
    method = build(outer=1, inner=2)
    calls: list[tuple[Tensor, int]] = []

    def degrade(hr: Tensor, number: int) -> Tensor:
        calls.append((hr.clone(), number))
        return torch.full((len(hr), 3, 16, 16), 0.25)

    seen: list[Tensor] = []
    codes = method.nets.codes
    method.nets.codes = lambda lr: seen.append(lr.detach()) or codes(lr)  # type: ignore[assignment,func-returns-value]
    method.adapt(replace(exemplars(), degrade=degrade), 0, nothing)
    assert [number for _, number in calls] == [0, 1]
    assert all(hr.min() >= 0 and hr.max() <= 1 for hr, _ in calls)
    assert sum(bool((lr == -0.5).all()) for lr in seen) == 2


def test_adaptation_lowers_the_loss_on_the_exemplar() -> None:
    method = build(outer=2, inner=10, phi_lr=1e-2)  # 20 steps
    found = method.adapt(exemplars(), 0, nothing)
    assert found["exemplar_loss_after"] < 0.9 * found["exemplar_loss_before"]
    shown = exemplars()
    with torch.no_grad():
        after = float(method.eval().adaptation_loss(shown.lr, shown.hr))
    assert after == pytest.approx(found["exemplar_loss_after"], rel=1e-5)


# -- Algorithm 1's order ----------------------------------------------------------------------------


def test_steps_alternate_and_rounds_start_anew() -> None:
    """alpha first, phi with the new alpha; each round starts alpha and its optimiser anew."""
    method = build(outer=2, inner=3)
    run = damma(method)
    seen: list[tuple[str, float, int]] = []
    alpha_step, phi_step = run.alpha_step, run.phi_step

    def on_alpha(adam: Adam, *rest: Any) -> None:
        seen.append(("alpha", float(run.alpha.detach().mean()), len(adam.state)))
        alpha_step(adam, *rest)

    def on_phi(adam: Adam, *rest: Any) -> None:
        seen.append(("phi", float(run.alpha.detach().mean()), len(adam.state)))
        phi_step(adam, *rest)

    run.alpha_step, run.phi_step = on_alpha, on_phi  # type: ignore[method-assign]
    ticks: list[int] = []
    run.run(lambda: ticks.append(1))
    assert [kind for kind, *_ in seen] == ["alpha", "phi"] * 6 and len(ticks) == 6
    assert [state for kind, _, state in seen if kind == "alpha"] == [0, 1, 1, 0, 1, 1]
    assert [state for kind, _, state in seen if kind == "phi"] == [0, 22, 22, 22, 22, 22]
    alphas = [alpha for kind, alpha, _ in seen if kind == "alpha"]
    assert alphas[0] == alphas[3] == 0.5 and len(set(alphas)) > 2
    assert seen[1][1] != 0.5  # phi sees the alpha that was just learned
    assert run._draw(0)[2].tolist() != run._draw(1)[2].tolist()


def test_hard_mixing_takes_the_last_three_layers_of_the_target() -> None:
    run = damma(build(adapt="hard"))
    assert run.alpha.tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert not run.run().mixing  # and there is no step on it


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    states = []
    for seed in (0, 0, 1):
        method = build(inner=1)
        torch.manual_seed(seed + 40)  # no draw comes from the global generator
        method.adapt(exemplars(), seed, nothing)
        states.append(method.state_dict())
    one, same, other = states
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not all(torch.equal(value, other[name]) for name, value in one.items())


def test_several_exemplars_are_all_used() -> None:
    method = build(batch=4, outer=1, inner=1)
    run = damma(method, exemplars(3))
    rows, w_t, _ = run._draw(0)
    assert sorted(set(rows.tolist())) == [0, 1, 2] and len(rows) == 4
    assert torch.equal(w_t, run._w_t[rows])
    method.adapt(exemplars(3), 0, nothing)
    assert sorted(damma(build(batch=2), exemplars(5))._draw(0)[0].tolist()) != [0, 0]


# -- switches ---------------------------------------------------------------------------------------

SWITCHES: dict[str, dict[str, Any]] = {
    "default": {},
    "D": dict(PAPER_VARIANTS["D"]),
    "E": dict(PAPER_VARIANTS["E"]),
    "no colour": {"phi": "affine_no_torgb"},
    "(a) synthetic": {"target": "synthetic"},
    "(b) style": {"target": "style"},
    "(c) exemplar": {"target": "exemplar"},
    "(c) code of HR": {"target": "exemplar", "target_code": "hr"},
    "eps": {"eps": "per_layer"},
    "mapping": {"source_codes": "mapping"},
    "code of HR": {"target_code": "hr"},
    "l2": {"norm": "l2"},
    "alpha_0": {"alpha_start": 0.9},
}


def test_every_switch_changes_what_is_learned() -> None:
    made: dict[str, Tensor] = {}
    lr = faces()["lr"]
    for name, arguments in SWITCHES.items():
        method = build(phi_lr=1e-2, outer=1, inner=1, **arguments)
        method.adapt(exemplars(), 0, nothing)
        with torch.no_grad():
            made[name] = method.eval().super_resolve(lr)
    names = list(made)
    same = [
        (a, b) for i, a in enumerate(names) for b in names[i + 1 :] if torch.equal(made[a], made[b])
    ]
    assert not same
    # (c) must be reproducible without any source code: nothing of the source may leak into it.
    other = build(
        phi_lr=1e-2, outer=1, inner=1, target="exemplar", source_codes="mapping", alpha_start=0.1
    )
    other.adapt(exemplars(), 0, nothing)
    with torch.no_grad():
        assert torch.equal(other.eval().super_resolve(lr), made["(c) exemplar"])


def test_the_contract_is_offered() -> None:
    method = build()
    assert isinstance(method, AdaptsItself) and isinstance(method, FineTunes)
    assert method.adaptation_steps == 4
    assert set(method.adaptation_parameters(exemplars())) == set(method.nets.phi("affine"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"adapt": "sofft"}, "is not one of soft, hard"),
        ({"phi": "convs"}, "is not one of affine"),
        ({"outer": 0}, "outer must be at least 1"),
        ({"alpha_start": 1.5}, "must lie in"),
    ],
)
def test_what_cannot_be_is_a_sentence(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Recipe(**arguments)


def test_each_round_draws_its_exemplars_anew() -> None:
    run = damma(build(batch=3), exemplars(6))
    assert len({tuple(sorted(run._draw(outer)[0].tolist())) for outer in range(8)}) > 1


def test_synthetic_pairs_are_a_target_and_take_no_gradient() -> None:
    method = build(norm="mse")
    run = damma(method)
    _, w_t, w_s = run._draw(0)
    mixed = 0.5 * w_t + 0.5 * w_s
    with run.nets.open("affine") as run.phi, torch.enable_grad():
        phi = list(run.phi.values())
        found = torch.autograd.grad(run._synthetic_loss(mixed), phi, allow_unused=True)
        with torch.no_grad():
            made = method.nets.images(mixed)
            codes = method.nets.codes(method.nets.reduced(made, 16))
            target = method._see(made)
        images = method.nets.images(codes)
        seen = method._see(images)
        loss = (images - made).square().mean()
        loss = loss + sum((seen[name] - target[name]).square().mean() for name in target)
        expected = torch.autograd.grad(loss, phi, allow_unused=True)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
