"""Who is searched, from where, and that no image's result depends on another's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from facesr_bench.methods.pulse import PULSE
from facesr_bench.methods.pulse.losses import Loss, geocross, mean_square
from facesr_bench.methods.pulse.search import search
from facesr_bench.methods.pulse.variables import Variables
from facesr_bench.priors import LoadedPrior
from methods.pulse_priors import stylegan1_prior, stylegan2_prior

CPU = torch.device("cpu")
KEYS = [f"face/{index}.png" for index in range(8)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path_factory.getbasetemp() / "pulse-cache"))


def pulse(prior: LoadedPrior | None = None, **arguments: Any) -> PULSE:
    defaults: dict[str, Any] = {"steps": 4, "fit_samples": 2000, "seed": 7}
    return PULSE(prior=prior or stylegan2_prior(), **(defaults | arguments)).eval()


def faces(method: PULSE, count: int = 8, side: int = 8) -> Tensor:
    """LR images the prior can make."""
    network = method.prior.network
    z = torch.randn(count, network.z_dim, generator=torch.Generator().manual_seed(3))
    codes = network.mapping(z)[:, None].expand(-1, network.num_codes, -1)
    images = (method.synthesis(codes, "none") + 1) / 2
    lr: Tensor = method._reduction(side, CPU)(images.clamp(0, 1)).clamp(0, 1)
    return lr


def mses(method: PULSE, lr: Tensor, keys: list[str]) -> Tensor:
    """LR-MSE (steps, N) along the search."""
    seen: list[Tensor] = []

    class Recorder(Loss):
        def __call__(self, y: Tensor, x: Tensor, codes: Tensor) -> Tensor:
            seen.append(mean_square(y, x).detach())
            return super().__call__(y, x, codes)

    loss = Recorder(method.recipe.loss.terms, method.recipe.loss.eps)
    with torch.enable_grad():
        search(
            lr, method.start(keys, CPU), method.generate, method._reduction(lr.shape[-1], CPU),
            replace(method.recipe, loss=loss),
        )  # fmt: skip
    return torch.stack(seen)


@pytest.mark.parametrize(
    "prior", [stylegan1_prior, stylegan2_prior], ids=["stylegan1", "stylegan2"]
)
def test_a_start_and_three_steps_do_not_depend_on_the_batch(prior: Any) -> None:
    method = pulse(prior(), schedule="fixed")  # of four steps: every one at the full rate
    lr = faces(method)
    whole = method.start(KEYS, CPU)
    for index, key in enumerate(KEYS):
        one = method.start([key], CPU)
        for alone, among in zip(
            [one.latent, *one.noise], [whole.latent, *whole.noise], strict=True
        ):
            assert torch.equal(alone[0], among[index if len(among) > 1 else 0])
    assert not torch.equal(whole.latent[0], whole.latent[1])
    together = mses(method, lr, KEYS)
    for index, key in enumerate(KEYS):
        alone = mses(method, lr[index : index + 1], [key])[:, 0]
        torch.testing.assert_close(together[:3, index], alone[:3], rtol=1e-4, atol=0)


def test_a_whole_search_ends_where_it_does_alone() -> None:
    """LR-MSE as the loss counts it: below eps nothing holds an image where it is."""
    method = pulse(steps=100)
    eps = method.recipe.loss.eps
    lr = faces(method, 4)
    together = mses(method, lr, KEYS[:4])[-1]
    alone = mses(method, lr[2:3], KEYS[2:3])[-1]
    torch.testing.assert_close(
        together[2:3].clamp_min(eps), alone.clamp_min(eps), rtol=0.05, atol=0
    )
    assert together.max() < 0.02 and together[2] > eps


def test_the_start_depends_on_seed_and_key() -> None:
    one, again = pulse(), pulse()
    other = pulse(seed=0)
    assert torch.equal(one.start(["a"], CPU).latent, again.start(["a"], CPU).latent)
    assert not torch.equal(one.start(["a"], CPU).latent, one.start(["b"], CPU).latent)
    assert not torch.equal(one.start(["a"], CPU).latent, other.start(["a"], CPU).latent)
    lr = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(one.super_resolve(lr), again.super_resolve(lr))
    flipped = one.super_resolve(lr.flip(0)).flip(0)  # users' images are named by their pixels
    torch.testing.assert_close(flipped, one.super_resolve(lr), rtol=0, atol=1e-3)
    assert not torch.equal(one.restore(lr, ["a", "b"]), one.super_resolve(lr))


# What is searched under each switch: shape of the latent, and sides of the noise maps. A prior of 32
# pixels has maps of sides 4, 8, 8, 16, 16, 32, 32 (StyleGAN2) or 4, 4, 8, 8, ... (StyleGAN1).
SEARCHED: list[tuple[dict[str, Any], int, list[int]]] = [
    ({}, 8, [4, 8, 8, 16, 16]),
    ({"noise_type": "zero"}, 8, []),
    ({"noise_type": "fixed"}, 8, []),
    ({"trainable_noise_layers": 2}, 8, [4, 8]),
    ({"trainable_noise_layers": 18}, 8, [4, 8, 8, 16, 16, 32]),
    ({"bad_noise_layers": [1, 6]}, 8, [4, 8, 16, 16]),
    ({"tile_latent": True}, 1, [4, 8, 8, 16, 16]),
    ({"latent_map": "z"}, 8, [4, 8, 8, 16, 16]),
    ({"latent_map": "none"}, 8, [4, 8, 8, 16, 16]),
]


@pytest.mark.parametrize(("arguments", "latents", "sides"), SEARCHED, ids=str)
def test_who_gets_gradients(arguments: dict[str, Any], latents: int, sides: list[int]) -> None:
    method = pulse(**arguments)
    start = method.start(KEYS[:2], CPU)
    for variable in start.searched:
        variable.requires_grad_()
    images, codes = method.generate(start.latent, start.noise)
    lr = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    method.recipe.loss(method._reduction(8, CPU)(images), lr, codes).sum().backward()
    assert start.latent.grad is not None and start.latent.grad.shape == (2, latents, 16)
    assert start.latent.grad.flatten(1).any(1).all()
    assert [v.shape[-1] for v in start.searched[1:]] == sides
    assert all(v.grad is not None and v.grad.any() for v in start.searched)
    assert not any(m.requires_grad for m in start.noise if m not in set(start.searched))
    assert codes.shape == (2, 8, 16)
    zero = set(range(7)) if method.space.noise_type == "zero" else method.space.zeroed
    assert [not m.any() for m in start.noise] == [index in zero for index in range(7)]
    assert not any(p.grad is not None or p.requires_grad for p in method.parameters())


def test_the_official_noise_of_stylegan1() -> None:
    space = pulse(stylegan1_prior()).space
    searched = [side for i, (side, _) in enumerate(space.noise_shapes) if space.is_searched(i)]
    assert searched == [4, 4, 8, 8, 16]
    assert space.zeroed == {7}


# Each switch changes the image of the fourth step, and no two change it alike.
VARIANTS: list[dict[str, Any]] = [
    {"loss": "100*L2"},
    {"loss": "100*L1+0.05*GEOCROSS"},
    {"eps": 100.0},
    {"noise_type": "zero"},
    {"noise_type": "fixed"},
    {"trainable_noise_layers": 1},
    {"bad_noise_layers": []},
    {"tile_latent": True},
    {"sphere": False},
    {"opt": "sgd"},
    {"opt": "sgdm"},
    {"opt": "adamax"},
    {"lr": 0.1},
    {"schedule": "linear1cycle"},
    {"schedule": "fixed"},
    {"steps": 3},
    {"latent_map": "none"},
    {"latent_map": "z"},
    {"seed": 0},
]


def test_every_switch_does_something() -> None:
    lr = faces(pulse(), 1)
    images = {"{}": pulse().restore(lr, ["k"])}
    for arguments in VARIANTS:
        images[str(arguments)] = pulse(**arguments).restore(lr, ["k"])
    names = list(images)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            assert not torch.equal(images[one], images[other]), (one, other)


def test_codes_of_one_tiled_latent_are_equal_and_geocross_is_still_asked() -> None:
    method = pulse(tile_latent=True)
    start = method.start(["a"], CPU)
    codes = method.generate(start.latent, start.noise)[1]
    assert torch.equal(codes, codes[:, :1].expand_as(codes))
    assert 0 < geocross(codes).item() < 1e-6


def test_best_is_the_lowest_of_all_steps_not_the_last_that_fell() -> None:
    """A search that walks by one a step, with losses as they are told."""
    losses = iter([3.0, 1.0, 4.0, 2.0, 0.0])

    class Told(Loss):
        def __call__(self, y: Tensor, x: Tensor, codes: Tensor) -> Tensor:
            along: Tensor = (codes - codes.detach()).sum((1, 2))
            return along + next(losses)

    recipe = replace(
        pulse(steps=4, opt="sgd", lr=1.0, schedule="fixed", return_image="best").recipe,
        loss=Told((), 1e-9), sphere=False,
    )  # fmt: skip
    latent = torch.zeros(1, 1, 1)

    def generate(code: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        return code[..., None].expand(-1, 3, 2, 2), code

    start = Variables(latent, [], [latent])
    found = search(torch.zeros(1, 3, 2, 2), start, generate, torch.nn.Identity(), recipe)
    assert found.images.unique().tolist() == [-1.0]


def test_best_is_no_worse_than_last() -> None:
    """SGD with a rate this large jumps about, so that the last step is not the best one."""
    wild = {
        "opt": "sgd",
        "lr": 30.0,
        "schedule": "fixed",
        "steps": 8,
        "loss": "100*L2",
        "eps": 1e-9,
    }
    last, best = pulse(**wild), pulse(**wild, return_image="best")
    lr = faces(last)
    along = mses(last, lr, KEYS)
    assert (along[-1] > along.amin(0)).any(), "nothing to tell best from last"
    last.restore(lr, KEYS)
    torch.testing.assert_close(last.findings["lr_mse"], along[-1])
    torch.testing.assert_close(last.findings["best_lr_mse"], along.amin(0))
    images = best.restore(lr, KEYS)
    torch.testing.assert_close(best.findings["lr_mse"], along.amin(0), rtol=1e-4, atol=0)
    assert images.shape == (8, 3, 32, 32)


def test_converged_is_decided_per_image() -> None:
    method = pulse(steps=10)
    lr = faces(method)
    method.restore(lr, KEYS)
    lowest = method.findings["best_lr_mse"]
    between = float(lowest.sort().values[3:5].mean())
    split = pulse(steps=10, eps=between)
    split.restore(lr, KEYS)
    found = split.findings
    assert torch.equal(found["converged"], (found["best_lr_mse"] <= between).float())
    assert 0 < found["converged"].mean() < 1
    # An MSE of exactly eps, as float32, has converged.
    exact = pulse(steps=1, eps=2e-3)
    exact.synthesis.forward = lambda *_: torch.zeros(1, 3, 32, 32)  # type: ignore[method-assign]
    exact.restore(torch.full((1, 3, 8, 8), 0.5 + 2e-3**0.5), ["a"])
    assert exact.findings["best_lr_mse"].item() == pytest.approx(2e-3, rel=1e-6)


def test_duplicates_keep_the_restart_of_the_lowest_loss() -> None:
    one, three = pulse(), pulse(duplicates=3)
    lr = faces(one, 4)
    keys = KEYS[:4]
    found = list(three.restarts(lr, keys))
    assert len(found) == 3
    losses = torch.stack([f.loss for f in found])
    chosen = three.restore(lr, keys)
    assert torch.equal(three.findings["loss"], losses.amin(0))
    for index, restart in enumerate(losses.argmin(0).tolist()):
        assert torch.equal(chosen[index], found[restart].images[index])
    assert torch.equal(found[0].images, one.restore(lr, keys))
    assert len(set(losses.argmin(0).tolist())) > 1, "nothing to choose"


def test_larger_priors_are_reduced(tmp_path: Path) -> None:
    large = pulse(stylegan2_prior(64), hr_size=32)
    own = pulse(stylegan2_prior(64))
    lr = faces(own, 2, side=8)
    images = own.restore(lr, KEYS[:2])
    assert images.shape == (2, 3, 64, 64)
    reduced = large.restore(lr, KEYS[:2])
    torch.testing.assert_close(reduced, large.shrink(images).clamp(0, 1))
    assert reduced.shape == (2, 3, 32, 32)
