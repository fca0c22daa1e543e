"""Strategies beside a method's own: what they change, and that each does what its name says."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaptation.two_lights import HR, TwoLights, data_of
from facesr_bench.adaptation.contract import Exemplars
from facesr_bench.adaptation.fine_tuning import _mined, fine_tune
from facesr_bench.adaptation.prior_task import PriorFaces
from facesr_bench.adaptation.settings import AdaptationSettings, FineTuning, StyleNet
from facesr_bench.adaptation.source_faces import SourceFaces
from facesr_bench.adaptation.strategies import make_adapter
from facesr_bench.adaptation.style_training import trained_stylist
from facesr_bench.adaptation.stylist import Style, Stylist, adain, style_of
from facesr_bench.adaptation.tasks import Reconstruction, task_of
from facesr_bench.console import progress_bar
from facesr_bench.errors import ConfigError
from facesr_bench.method import Method
from facesr_bench.methods.bicubic import Interpolation
from facesr_bench.methods.scgan import SCGAN
from methods.dap_fsr_models import exemplars, small_prior

CPU = torch.device("cpu")
SMALL = StyleNet(features="vgg19_random", steps=3, batch=2, lr=1e-3)


class Enlarger(Method):
    """Enlarges, then a convolution and a batch normalisation; a second network is for training only."""

    paper = "none"

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
        self.critic = nn.Linear(2, 2)

    def super_resolve(self, lr: Tensor) -> Tensor:
        sr: Tensor = self.net(lr)
        return sr.clamp(0, 1)

    def inference_modules(self) -> list[nn.Module]:
        return [self.net]


class Searcher(Method):
    """Holds a prior as PULSE does, and trains nothing."""

    paper, trainable = "none", False

    def __init__(self) -> None:
        super().__init__()
        self.prior = small_prior()
        self.synthesis = self.prior.network.synthesis
        self.told = 0

    def super_resolve(self, lr: Tensor) -> Tensor:
        return lr

    def prior_changed(self) -> None:
        self.told += 1


def source() -> SourceFaces:
    return SourceFaces(data_of(TwoLights()), seed=1, device=CPU)


def nothing() -> None:
    """A progress bar nobody watches."""


def moved(method: Method, before: dict[str, Tensor]) -> set[str]:
    return {n for n, v in method.state_dict().items() if not torch.equal(v, before[n])}


def copies(method: Method) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in method.state_dict().items()}


def test_direct_fine_tuning_learns_the_exemplar_with_what_runs_at_test_time() -> None:
    method, shown = Enlarger().train(), exemplars()
    before = copies(method)
    task = task_of(method, source(), 0, 3)
    found = fine_tune(method, task, shown, None, FineTuning(20, 4, 1e-2), 0, nothing)
    assert found["loss_last"] < 0.7 * found["loss_first"]
    assert moved(method, before) == {"net.1.weight", "net.1.bias", "net.2.weight", "net.2.bias"}
    assert all(p.requires_grad and p.grad is None for p in method.parameters())


def test_scgan_is_fine_tuned_by_the_same_code() -> None:
    torch.manual_seed(0)
    method = SCGAN(
        hr_size=32, factor=2, restore_widths=(8, 8), restore_depths=(1,), degrade_widths=(8, 8, 16),
        degrade_head=4, critic_widths=(8,) * 6, critic_hidden=8, noise_dim=4,
    )  # fmt: skip
    before = copies(method)
    task = task_of(method, source(), 0, 3)
    found = fine_tune(method, task, exemplars(), None, FineTuning(3, 2, 1e-3), 0, nothing)
    assert found["loss_last"] < found["loss_first"]
    changed = moved(method, before)
    assert changed and all(name.startswith("nets.R_LS.") for name in changed)
    assert not any("running" in name or "num_batches" in name for name in changed)


@pytest.mark.parametrize("strategy", ["direct", "adain", "asm"])
def test_the_prior_of_a_search_learns_restyled_faces_of_its_own(
    strategy: str, tmp_path: Path
) -> None:
    method = Searcher()
    before = copies(method)
    settings = AdaptationSettings(
        strategy=strategy, fine_tuning=FineTuning(2, 2, 1e-3, 2), style_net=SMALL  # type: ignore[arg-type]
    )  # fmt: skip
    data = data_of(TwoLights())
    adapter = make_adapter(method, settings, data, tmp_path, CPU, 0, progress_bar)
    assert adapter.steps == 2
    adapter.adapt(exemplars(), 0, nothing)
    expected = {f"synthesis.{n}" for n, _ in method.synthesis.named_parameters() if ".affine." in n}
    assert moved(method, before) == expected
    assert method.told == 1  # so that constants made of the prior are made anew


def test_what_cannot_be_adapted_is_a_sentence(tmp_path: Path) -> None:
    data = data_of(TwoLights())
    bicubic = Interpolation("bicubic", 2)

    def adapter(method: Method, **settings: Any) -> Any:
        wanted = AdaptationSettings(**settings)
        return make_adapter(method, wanted, data, tmp_path, CPU, 0, progress_bar)

    with pytest.raises(ConfigError, match="has no adaptation of its own"):
        adapter(bicubic)
    assert adapter(bicubic, strategy="none").adapt(exemplars(), 0, nothing) == {}
    with pytest.raises(ConfigError, match="nothing that could be adapted"):
        adapter(bicubic, strategy="direct").adapt(exemplars(), 0, nothing)
    with pytest.raises(ConfigError, match="strategy=dann does not exist; choose own"):
        AdaptationSettings.from_config({"strategy": "dann"})
    with pytest.raises(ConfigError, match=r"adaptation\.fine_tuning has no entry 'step'"):
        AdaptationSettings.from_config({"fine_tuning": {"step": 3}})


# -- restyling --------------------------------------------------------------------------------------


def test_adain_gives_features_the_wanted_mean_and_spread_and_keeps_places() -> None:
    content, wanted = torch.rand(2, 5, 8, 8), torch.randn(2, 5, 8, 8) * 3 + 1
    made = adain(content, style_of(wanted))
    torch.testing.assert_close(style_of(made).mean, wanted.mean((2, 3)))
    torch.testing.assert_close(style_of(made).spread, style_of(wanted).spread, rtol=1e-3, atol=1e-3)
    assert torch.equal(made[0, 0].argmax(), content[0, 0].argmax())
    torch.testing.assert_close(adain(content, style_of(content)), content, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("coded", [False, True])
def test_the_stylist_learns_is_kept_and_comes_back_equal(coded: bool, tmp_path: Path) -> None:
    def make(folder: str, settings: StyleNet = SMALL) -> Stylist:
        path = tmp_path / folder / "stylist.ckpt"
        return trained_stylist(
            path, settings, source(), "two_lights", CPU, 0, coded=coded, bar=progress_bar
        )

    one = make("one")
    written = (tmp_path / "one" / "stylist.ckpt").stat().st_mtime_ns
    same, again = make("one"), make("two")
    assert (tmp_path / "one" / "stylist.ckpt").stat().st_mtime_ns == written
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
        assert torch.equal(value, again.state_dict()[name]), "training is not deterministic"
    make("one", StyleNet(features="vgg19_random", steps=4, batch=2))
    assert (tmp_path / "one" / "stylist.ckpt").stat().st_mtime_ns != written
    assert (one.code is not None) == coded
    faces = source().hr(0, 2)
    assert one.restyled(faces, one.style(exemplars().hr)).shape == (2, 3, HR, HR)


def test_training_lowers_the_stylists_loss() -> None:
    torch.manual_seed(0)
    stylist = Stylist(SMALL, coded=True)
    adam = torch.optim.Adam(stylist.parameters(), lr=2e-3)
    faces, noise = source().hr(0, 4), torch.randn(2, 128)
    losses = []
    for _ in range(12):
        loss = stylist.loss(faces[:2], faces[2:], noise)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.grad is not None for p in stylist.parameters())


def test_mining_moves_a_style_to_where_the_task_does_worse() -> None:
    torch.manual_seed(0)
    method = Enlarger().eval()
    task = Reconstruction(method, source())
    task.parameters(exemplars())
    content, style = source().hr(0, 2), Style(torch.rand(2, 128), torch.rand(2, 128))

    def loss_after(moves: int) -> float:
        torch.manual_seed(0)
        settings = StyleNet(features="vgg19_random", moves=moves, move=0.02)
        stylist = Stylist(settings, coded=True).requires_grad_(False)
        moved_style = _mined(task, stylist, content, None, style, 0, 0)
        faces = stylist.restyled(content, moved_style)
        return float(task.loss(task.draft(faces, None), faces).detach())

    assert loss_after(3) > loss_after(0)


def test_lr_of_restyled_faces_is_the_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = source()
    hr = faces.hr(0, 2)
    assert torch.equal(faces.lr_of(hr, 5), faces.lr_of(hr, 5))
    pooled = nn.functional.interpolate(hr, scale_factor=0.5, mode="bicubic", antialias=True)
    assert (faces.lr_of(hr, 5) - pooled).abs().max() < 0.02


def test_the_faces_of_a_prior_are_its_codes() -> None:
    method = Searcher()
    task = PriorFaces(method, method.prior, seed=0, search=0)
    faces, codes = task.content(0, 2)
    assert codes is not None and faces.shape == (2, 3, 32, 32)
    loss = float(task.loss(codes, faces).detach())
    assert loss < float(task.loss(codes, 1 - faces).detach())
    shown = Exemplars(("a",), torch.rand(1, 3, 16, 16), torch.rand(1, 3, 32, 32))
    assert all(".affine." in name for name in task.parameters(shown))


def test_an_exemplars_code_makes_its_lr_and_looking_for_it_changes_nothing() -> None:
    """Then fine-tuning on the pair alone brings the face of that code to the HR."""
    method, shown = Searcher(), exemplars(2)
    before = copies(method)

    def lr_mse(search: int) -> float:
        codes = PriorFaces(method, method.prior, 0, search).exemplar_inputs(shown)
        assert codes.shape == (2, 8, 16) and not codes.requires_grad
        with torch.no_grad():
            faces = (method.synthesis(codes, "const") + 1) / 2
        reduced = nn.functional.interpolate(faces, 16, mode="bicubic", antialias=True)
        return float((reduced - shown.lr).square().mean())

    assert lr_mse(30) < 0.7 * lr_mse(0)
    assert moved(method, before) == set()
    assert all(p.grad is None for p in method.synthesis.parameters())
    task = task_of(method, source(), 0, 30)
    found = fine_tune(method, task, shown, None, FineTuning(15, 2, 1e-2), 0, nothing)
    assert found["loss_last"] < 0.8 * found["loss_first"]
    assert all(".affine." in name for name in moved(method, before))
