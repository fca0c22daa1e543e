"""Every argument that scales a term of a loss does so: with another value another loss descends.

What these arguments are is read off the constructors: whoever adds one must say here what it is.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import pytorch_lightning as pl
import torch
import yaml
from hydra.utils import get_class
from torch import Tensor, nn

from command_line import ROOT
from facesr_bench.methods.propulse.objectives import VGG_LAYER
from facesr_bench.methods.pulse import PULSE
from facesr_bench.methods.pulse.losses import TERMS, Loss
from methods.few_steps import few_steps
from methods.propulse_smoke import eye
from methods.pulse_priors import stylegan2_prior

WEIGHTS: dict[str, dict[str, Any]] = {
    "scgan": {"theta": 2.0, "gamma": 0.5, "weights": "paper"},
    "cyclegan": {"l1_weight": 2.0, "adv_weight": 0.5},
    "pan": {"gamma": 2.0},
    "stylegan2": {"gamma": 7.0, "r1_interval": 3, "path_weight": 1.0, "path_interval": 2},
    "propulse": {
        "rec_weight": 2.0, "id_weight": 3.0, "adv_weight": 0.5, "pp_weight": 3.0, "gamma": 2.0,
        "r1_interval": 2,
    },
    "psp": {"l2_weight": 2.0, "lpips_weight": 2.0, "id_weight": 2.0, "w_norm_weight": 2.0},
    "pulse": {"loss": "50*L2"},
}  # fmt: skip
"""By method: arguments that scale a term, each with another value than it has."""

NO_WEIGHTS: dict[str, set[str]] = {
    "scgan": {"lr", "lr_floor"},
    "cyclegan": {"lr", "lr_floor"},
    "spandrel": {"fidelity"},
    "pan": {"beta2"},
    "stylegan2": {"mixing", "lr", "lr_generator", "average_half_life"},
    "propulse": {"losses", "critic_weights", "lr", "critic_lr"},
    "psp": {"weights", "body_weights", "loss_size", "lr"},
    "dap_fsr": {
        "backbone_weights", "lr", "lr_floor", "istn_lr", "alpha_start", "alpha_lr", "phi_lr",
    },
    "pulse": {"eps", "lr"},
}  # fmt: skip
"""Rates, probabilities, files and sizes."""

METHODS = sorted(path.stem for path in (ROOT / "conf" / "method").glob("*.yaml"))


def looks_like_a_weight(name: str, parameter: inspect.Parameter) -> bool:
    """A number that is no whole one, or what is called so."""
    words = ("weight", "loss", "gamma", "theta", "lambda", "interval")
    return "float" in str(parameter.annotation) or any(word in name for word in words)


@pytest.mark.parametrize("name", METHODS)
def test_every_argument_that_looks_like_a_weight_is_judged(name: str) -> None:
    target = yaml.safe_load((ROOT / "conf" / "method" / f"{name}.yaml").read_text())["_target_"]
    parameters = inspect.signature(get_class(target)).parameters
    found = {word for word, parameter in parameters.items() if looks_like_a_weight(word, parameter)}
    weights, others = set(WEIGHTS.get(name, {})), NO_WEIGHTS.get(name, set())
    assert found == weights | others
    assert not weights & others


class Descended(pl.Callback):
    """Every loss that a step goes down, in order."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_before_backward(self, trainer: Any, module: Any, loss: Tensor) -> None:
        self.losses.append(float(loss.detach()))


class Blurred(nn.Module):
    """Stands for VGG-16."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {VGG_LAYER: nn.functional.avg_pool2d(images, 2).square()}


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Stands for LPIPS."""
    return (one - other).abs().mean((1, 2, 3))


@contextmanager
def networks() -> Iterator[None]:
    """What losses look through, without anybody's weights."""
    module = "facesr_bench.methods.{}.module.{}"
    with (
        patch(module.format("propulse", "vgg_features"), lambda *_: Blurred()),
        patch(module.format("propulse", "identity_network"), lambda _: eye()),
        patch(module.format("psp", "identity_network"), lambda _: eye()),
        patch(module.format("psp", "lpips_distance"), lambda _: distance),
    ):
        yield


EVERY_TERM: dict[str, dict[str, Any]] = {
    "propulse": {"perceptual": "vgg16", "identity": "mobilefacenet_casia"},
    "psp": {"lpips": "alex", "identity": "mobilefacenet_casia"},
}


def descended(name: str, **arguments: Any) -> list[float]:
    losses = Descended()
    with networks():
        few_steps(name, [losses], **EVERY_TERM.get(name, {}) | arguments)
    return losses.losses


@pytest.fixture(scope="module")
def defaults() -> dict[str, list[float]]:
    """What each method descends with the weights it has; filled as tests come by."""
    return {}


@pytest.mark.parametrize(
    ("name", "weight"),
    [(name, weight) for name, weights in WEIGHTS.items() for weight in weights if name != "pulse"],
)
def test_another_weight_descends_another_loss(
    name: str, weight: str, defaults: dict[str, list[float]]
) -> None:
    if name not in defaults:
        defaults[name] = descended(name)
        assert defaults[name] == descended(name), "or a difference would mean nothing"
    assert defaults[name] != descended(name, **{weight: WEIGHTS[name][weight]})


def test_pro_pulse_adds_the_perceptual_term_times_its_weight() -> None:
    """Branches come first, and one step of theirs: pix + 3 pp, of the parts that are logged."""

    class Parts(pl.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            logged.append({n: float(value) for n, value in module.losses.items()})

    for weight in (1.0, 3.0):
        logged: list[dict[str, float]] = []
        losses = Descended()
        with networks():
            few_steps("propulse", [Parts(), losses], **EVERY_TERM["propulse"], pp_weight=weight)
        assert logged[0].keys() == {"pix", "pp"}
        assert logged[0]["pp"] > 0
        total = logged[0]["pix"] + weight * logged[0]["pp"]
        assert losses.losses[0] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("term", TERMS)
def test_pulse_sums_its_terms_times_their_weights(term: str) -> None:
    rng = torch.Generator().manual_seed(3)
    y, x = (torch.rand(2, 3, 4, 4, generator=rng) for _ in range(2))
    codes = torch.randn(2, 5, 8, generator=rng)
    one = Loss.parse(f"1*{term}", 1e-3)(y, x, codes)
    assert (one > 0).all()
    torch.testing.assert_close(Loss.parse(f"7*{term}", 1e-3)(y, x, codes), 7 * one)
    both = Loss.parse(f"2*L2+0.5*{term}", 1e-3)(y, x, codes)
    torch.testing.assert_close(both, 2 * Loss.parse("1*L2", 1e-3)(y, x, codes) + 0.5 * one)


def test_pulse_reports_the_loss_it_was_asked_for() -> None:
    def loss_of(text: str) -> Tensor:
        method = PULSE(
            prior=stylegan2_prior(), hr_size=32, loss=text, steps=1, latent_map="none", eps=0.0
        )
        method.restore(torch.full((1, 3, 8, 8), 0.5), ["a"])
        return method.findings["loss"]

    torch.testing.assert_close(2 * loss_of(WEIGHTS["pulse"]["loss"]), loss_of("100*L2"))
