"""No step sees a gradient of the one before: whoever forgets ``zero_grad`` takes nan into its weights.

After each step of any optimiser its parameters' gradients are made nan; only setting them to zero or
none takes that away.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from adaptation.two_lights import TwoLights, data_of
from facesr_bench.adaptation.fine_tuning import fine_tune
from facesr_bench.adaptation.prior_task import PriorFaces
from facesr_bench.adaptation.settings import FineTuning, StyleNet
from facesr_bench.adaptation.source_faces import SourceFaces
from facesr_bench.adaptation.style_training import trained_stylist
from facesr_bench.adaptation.tasks import task_of
from facesr_bench.console import progress_bar
from facesr_bench.methods.pulse.losses import Loss
from facesr_bench.methods.pulse.search import Recipe, search
from facesr_bench.methods.pulse.variables import Variables
from methods.dap_fsr_models import build as build_dap_fsr
from methods.dap_fsr_models import exemplars, small_prior
from methods.few_steps import few_steps
from methods.training_ranks import METHODS

CPU = torch.device("cpu")


def spoil(optimizer: Optimizer) -> None:
    """Make every gradient nan."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.full_like(parameter, torch.nan)


@pytest.fixture
def steps() -> Iterator[Counter[int]]:
    """Steps of each optimiser so far; gradients are spoilt after every one."""
    made: Counter[int] = Counter()

    def after(optimizer: Optimizer, *_: Any) -> None:
        made[id(optimizer)] += 1
        spoil(optimizer)

    handle = register_optimizer_step_post_hook(after)
    yield made
    handle.remove()


def source() -> SourceFaces:
    return SourceFaces(data_of(TwoLights()), seed=1, device=CPU)


def nothing() -> None:
    """A progress bar nobody watches."""


def finite(module: nn.Module) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in module.state_dict().values())


class SpoiltFirst(pl.Callback):
    """Gradients are nan before the first step, too: some networks are trained for one step only."""

    def __init__(self) -> None:
        self.optimizers: list[Optimizer] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self.optimizers = trainer.optimizers
        for optimizer in trainer.optimizers:
            spoil(optimizer)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        assert finite(module)  # at once: nan coordinates of an aligner would crash the next step


@pytest.mark.parametrize("name", METHODS)
def test_a_training_step_starts_without_gradients(name: str, steps: Counter[int]) -> None:
    watch = SpoiltFirst()
    few_steps(name, [watch])
    assert all(steps[id(optimizer)] for optimizer in watch.optimizers), "all of them stepped"


def test_deployment_of_dap_fsr(steps: Counter[int]) -> None:
    """One optimiser of phi, and one of alpha in each outer iteration."""
    method = build_dap_fsr(phi_lr=1e-3)
    found = method.adapt(exemplars(), 3, nothing)
    assert sum(steps.values()) == 2 * 4
    assert 0 <= found["alpha_mean"] <= 1
    assert finite(method)


def test_fine_tuning(steps: Counter[int]) -> None:
    method = build_dap_fsr(features="none", adapt="hard", target="exemplar")
    shown = exemplars()
    settings = FineTuning(steps=3, batch=1, lr=1e-3)
    seen: list[bool] = []

    def done() -> None:
        seen.append(finite(method))
        assert seen[-1]

    fine_tune(method, task_of(method, source(), 1, 0), shown, None, settings, 1, done)
    assert sum(steps.values()) == len(seen) == 3


def test_the_search_for_an_exemplars_code(steps: Counter[int]) -> None:
    task = PriorFaces(build_dap_fsr(), small_prior(), 1, search=3)
    assert torch.isfinite(task.exemplar_inputs(exemplars())).all()
    assert sum(steps.values()) == 3


def test_training_a_style_network(steps: Counter[int], tmp_path: Path) -> None:
    settings = StyleNet(features="vgg19_random", steps=3, batch=2, lr=1e-3)
    stylist = trained_stylist(
        tmp_path / "s.pt", settings, source(), "two_lights", CPU, 1, coded=False, bar=progress_bar
    )
    assert sum(steps.values()) == 3
    assert finite(stylist)


def test_a_search_of_pulse(steps: Counter[int]) -> None:
    latent = torch.randn(2, 1, 4, generator=torch.Generator().manual_seed(0))

    def generate(codes: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        return codes.reshape(-1, 1, 2, 2).expand(-1, 3, -1, -1), codes

    recipe = Recipe(Loss.parse("1*L2", 0.0), 4, "adam", 0.1, "fixed", False, "last")
    found = search(
        torch.rand(2, 3, 2, 2), Variables(latent, [], [latent]), generate, nn.Identity(), recipe
    )
    assert torch.isfinite(found.images).all()
    assert sum(steps.values()) == 3  # nothing is learnt from the last image
