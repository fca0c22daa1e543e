"""One whole step against a reference written from the specification, number by number."""

import math
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import torch
from torch import Tensor
from torch.nn.functional import softplus

from facesr_bench.budget import Budget, Phase
from facesr_bench.method import TrainingContext
from facesr_bench.methods.stylegan2 import StyleGAN2Prior
from facesr_bench.seeding import torch_rng

SEED, BATCH = 2020, 4


def build() -> StyleGAN2Prior:
    torch.manual_seed(0)
    method = StyleGAN2Prior(
        hr_size=16, z_dim=8, w_dim=8, map_layers=2, channel_base=128, channel_max=16, gamma=0.7
    )
    budget = Budget([Phase("train", 10_000, BATCH)])
    method.bind(TrainingContext(seed=SEED, budget=budget, train_images=100))
    return method


def normal(role: str, *shape: int, seen: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch_rng(SEED, role, seen))


def codes(method: StyleGAN2Prior, role: str, samples: int) -> Tensor:
    g = method.generator
    w = g.mapping(normal(f"z-{role}", samples, g.z_dim))
    ws = w[:, None].repeat(1, g.num_codes, 1)
    rng = torch_rng(SEED, f"mixing-{role}", 0)
    chance, place = torch.rand((), generator=rng), torch.rand((), generator=rng)
    if chance < 0.9:
        cut = 1 + int(place * (g.num_codes - 1))
        other = g.mapping(normal(f"other-z-{role}", samples, g.z_dim))
        ws = torch.cat([ws[:, :cut], other[:, None].repeat(1, g.num_codes - cut, 1)], 1)
    return ws


def images(method: StyleGAN2Prior, ws: Tensor, role: str) -> Tensor:
    shapes = enumerate(method.generator.noise_shapes)
    maps = [normal(f"map{i}-{role}", len(ws), 1, *shape) for i, shape in shapes]
    made: Tensor = method.generator.synthesis(ws, maps)
    return made


def test_every_loss_of_a_step_is_what_the_specification_says() -> None:
    """Each loss is caught on its way to ``backward``, and computed again just before it acts."""
    method = build()
    hr = torch.rand(BATCH, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    before = method.generator.mapping.w_avg.clone()
    coins = torch.rand(BATCH, generator=torch_rng(SEED, "mirror", 0))[:, None, None, None]
    real = torch.where(coins < 0.5, hr.flip(3), hr) * 2 - 1
    seen: list[tuple[float, float]] = []

    def reference(step: int) -> Tensor:
        d = method.discriminator
        if step == 0:
            return softplus(-d(images(method, codes(method, "G", BATCH), "G"))).mean()
        if step == 1:
            ws = codes(method, "path", BATCH // 2)
            made = images(method, ws, "path")
            y = normal("directions", BATCH // 2, 3, 16, 16) / math.sqrt(16 * 16)
            (j,) = torch.autograd.grad((made * y).sum(), ws, create_graph=True)
            lengths = j.square().sum(2).mean(1).sqrt()
            average = 0.01 * lengths.mean()  # from zero
            return 4 * 2.0 * (lengths - average).square().mean()
        if step == 2:
            with torch.no_grad():
                fake = images(method, codes(method, "D", BATCH), "D")
            return softplus(-d(real)).mean() + softplus(d(fake)).mean()
        x = real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
        return 16 * 0.7 / 2 * slope.square().sum((1, 2, 3)).mean()

    first_codes = method.generator.mapping(normal("z-G", BATCH, 8)).detach()
    adams = method.configure_optimizers()
    method.optimizers = lambda: adams  # type: ignore[method-assign,assignment,return-value]

    def backward(loss: Tensor, *args: Any, **kwargs: Any) -> None:
        seen.append((float(loss.detach()), float(reference(len(seen)).detach())))
        loss.backward()

    method.manual_backward = backward  # type: ignore[method-assign]
    method.training_step({"hr": hr, "lr": hr}, 0)
    assert len(seen) == 4
    for ours, expected in seen:
        assert math.isclose(ours, expected, rel_tol=2e-5), seen
    w_avg = 0.995 * before + 0.005 * first_codes.mean(0)
    torch.testing.assert_close(method.generator.mapping.w_avg, w_avg)
    assert float(method.path_average) > 0
