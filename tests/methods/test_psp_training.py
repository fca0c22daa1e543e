"""pSp's training step: who learns, what its inputs are, resuming, sizes, the YAML."""

import copy
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from command_line import ROOT
from facesr_bench.budget import Budget, Phase
from facesr_bench.config import HARNESS_KEYS, plain, register_resolvers
from facesr_bench.degradations.mirrored import keys
from facesr_bench.errors import ConfigError
from facesr_bench.method import TrainingContext
from facesr_bench.methods.psp import PSP
from methods.propulse_smoke import eye, small_prior

BATCH = 2
SMALL: dict[str, Any] = {
    "hr_size": 32,
    "factor": 2,
    "input_size": 32,
    "style_width": 8,
    "depths": (1, 1, 1, 1),
    "body_weights": None,
    "lpips": None,
    "identity": None,
    "factors": (1, 2),
}


def build(seed: int = 0, **arguments: Any) -> PSP:
    prior = small_prior(32)
    torch.manual_seed(seed)
    method = PSP(prior=prior, **SMALL | arguments)
    budget = Budget([Phase("train", 10_000, BATCH)])
    method.bind(TrainingContext(seed=2020, budget=budget, train_images=100))
    return method


class Images(pl.Callback):
    def __init__(self, look: Callable[[PSP], None] | None) -> None:
        self._look = look

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        module.images_seen += BATCH
        if self._look is not None:
            self._look(module)


def fit(
    method: PSP,
    steps: int,
    checkpoint: Path | None = None,
    look: Callable[[PSP], None] | None = None,
) -> pl.Trainer:
    coarse = torch.rand(BATCH, 3, 5, 5, generator=torch.Generator().manual_seed(7))
    hr = nn.functional.interpolate(coarse, 32, mode="bilinear", align_corners=True)
    run = pl.Trainer(
        max_epochs=steps,
        callbacks=[Images(look)],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = DataLoader([{"hr": image} for image in hr], BATCH)
    run.fit(method, loader, ckpt_path=checkpoint, weights_only=True)
    return run


def test_the_encoder_learns_and_the_prior_does_not() -> None:
    method = build()
    method.recogniser = eye()
    prior = copy.deepcopy(method.prior.network.state_dict())
    before = copy.deepcopy(dict(method.encoder.named_parameters()))
    fit(method, 1)
    after = dict(method.encoder.named_parameters())
    assert not [name for name in before if torch.equal(before[name], after[name])]
    assert all(torch.equal(prior[k], v) for k, v in method.prior.network.state_dict().items())
    assert set(method.losses) == {"l2", "w", "id", "E"}
    total = method.losses["l2"] + 0.005 * method.losses["w"] + 0.1 * method.losses["id"]
    assert method.losses["E"].item() == pytest.approx(total.item(), rel=1e-5)
    assert not any("synthesis" in name or "mapping" in name for name in method.state_dict())


def test_one_batch_overfits() -> None:
    losses: list[float] = []
    method = build(lr=3e-3, w_norm_weight=0.0)
    fit(method, 16, look=lambda m: losses.append(m.losses["l2"].item()))
    assert sum(losses[-3:]) / 3 < 0.7 * losses[0], losses


def test_resuming_equals_not_stopping(tmp_path: Path) -> None:
    """Stopped after four steps: Ranger's slow weights, of every sixth, travel in the checkpoint."""
    whole, first, second = build(), build(), build(seed=1)
    fit(whole, 7)
    fit(first, 4).save_checkpoint(tmp_path / "half.ckpt")
    fit(second, 7, tmp_path / "half.ckpt")
    assert second.images_seen == whole.images_seen
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_each_face_is_reduced_by_a_factor_of_its_own() -> None:
    method = build()
    hr = torch.rand(64, 3, 32, 32) * 2 - 1
    inputs = method.inputs(hr)
    own = build(factors=(1,)).inputs(hr)
    same = [bool(torch.equal(a, b)) for a, b in zip(own, inputs, strict=True)]
    assert 15 < sum(same) < 49
    assert torch.equal(inputs, method.inputs(hr))
    method.images_seen += 64
    assert not torch.equal(inputs, method.inputs(hr))
    flat = torch.full((4, 3, 32, 32), 0.3)
    torch.testing.assert_close(method.inputs(flat), flat)


@pytest.mark.parametrize(("side", "factor"), [(32, 1), (96, 1), (96, 4), (32, 2), (96, 2)])
def test_inputs_are_the_authors(side: int, factor: int) -> None:
    """Pillow's bilinear to the input's side, PULSE's filter at every factor, Pillow's bilinear back.

    The authors keep 8 bits between the steps, which leaves a level or so.
    """
    pixels = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(1))
    grown = nn.functional.interpolate(pixels[None], side, mode="bilinear", align_corners=True)
    hr = grown.mul(255).round().div(255)
    got = build(factors=(factor,)).inputs(hr * 2 - 1)[0].add(1).mul(127.5)

    picture = Image.fromarray(hr[0].mul(255).round().byte().permute(1, 2, 0).numpy())
    theirs = np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR), np.float32)
    taps = [keys((np.array(i) - 2 * factor + 0.5) / factor).item() for i in range(4 * factor)]
    kernel = torch.tensor(taps).div(sum(taps))
    before, after = 3 * factor // 2, 3 * factor - 3 * factor // 2
    x = torch.from_numpy(theirs.copy()).permute(2, 0, 1)[:, None]
    padded = nn.functional.pad(x, (before, after, before, after), "reflect")
    x = nn.functional.conv2d(padded, kernel.outer(kernel)[None, None], stride=factor)
    small = Image.fromarray(x[:, 0].clamp(0, 255).byte().permute(1, 2, 0).numpy())
    back = np.asarray(small.resize((32, 32), Image.Resampling.BILINEAR), np.float32)
    gap = (got - torch.from_numpy(back.copy()).permute(2, 0, 1)).abs()
    assert gap.mean() < 0.8 and gap.max() < 2.5
    unmoved = nn.functional.interpolate(hr, 32, mode="area")[0] * 255  # what was here before
    assert factor > 1 or (unmoved - got).abs().mean() > 4 * gap.mean()


def test_truth_is_resized_as_the_inputs_and_the_image_is_averaged() -> None:
    method = build(loss_size=8)
    method.recogniser = eye()
    seen: list[torch.Tensor] = []
    method.recogniser.register_forward_pre_hook(lambda _, faces: seen.append(faces[0]))
    hr = torch.rand(BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    step = method.training_step({"hr": hr}, 0)
    assert step.isfinite()
    faces, truth = seen
    assert faces.shape == truth.shape == (BATCH, 3, 8, 8)
    picture = Image.fromarray(hr[0].mul(255).round().byte().permute(1, 2, 0).numpy())
    theirs = torch.tensor(np.asarray(picture.resize((8, 8), Image.Resampling.BILINEAR)))
    assert (truth[0].mul(255) - theirs.permute(2, 0, 1)).abs().max() < 1.6


def test_ranks_draw_as_one_process() -> None:
    hr = torch.rand(8, 3, 32, 32)
    one, two = build(), build()
    whole, parts = one.inputs(hr), []
    for rank in (0, 1):
        budget = one.context.budget
        two.bind(TrainingContext(2020, budget, 100, rank=rank, world_size=2))
        parts.append(two.inputs(hr[rank::2]))
    assert torch.equal(whole, torch.stack(parts, 1).flatten(0, 1))


def test_it_starts_at_the_average_code() -> None:
    method = build()
    with torch.no_grad():
        for head in method.encoder.styles:
            head.linear.weight.zero_()
        codes = method.codes(torch.rand(2, 3, 16, 16))
    average = method.prior.network.mapping.w_avg
    torch.testing.assert_close(codes, average.expand(2, 8, -1))


def test_sizes_and_arguments_that_cannot_be() -> None:
    method = build()
    method.check_sizes((16, 16), (32, 32))
    with torch.no_grad():
        assert method.eval().super_resolve(torch.rand(1, 3, 8, 8)).shape == (1, 3, 32, 32)
    with pytest.raises(ConfigError, match="faces of 32 pixels"):
        build(factor=4).check_sizes((16, 16), (64, 64))
    with pytest.raises(ConfigError, match="stands on a StyleGAN2"):
        PSP(prior=None, **SMALL)
    with pytest.raises(ConfigError, match="must divide"):
        build(factors=(1, 3))


@pytest.mark.parametrize("scale", ["full", "slim", "smoke"])
def test_the_yaml_names_every_argument_and_holds_the_authors_size(scale: str) -> None:
    register_resolvers()
    config = OmegaConf.create({"scale": scale, "data": {"hr_size": 1024, "factor": 64}})
    method = OmegaConf.load(ROOT / "conf" / "method" / "psp.yaml")
    assert method.pop("defaults")[0] == {"/prior@prior": "synthface64"}
    config.method = method
    settings = plain(config)["method"]
    arguments = {k: v for k, v in settings.items() if k not in {*HARNESS_KEYS, "_target_"}}
    parameters = inspect.signature(PSP.__init__).parameters
    defaults = {n: p.default for n, p in parameters.items() if n not in ("self", "prior")}
    assert set(arguments) == set(defaults)
    if scale == "full":
        own = {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}
        assert arguments == own


def test_inputs_and_results_stay_within_their_range() -> None:
    """Bicubic overshoots at edges, and nothing bounds what the prior paints."""
    method = build(factors=(2,))
    edges = torch.ones(2, 3, 32, 32)
    edges[:, :, :, 14:] = -1
    assert method.inputs(edges).abs().max() <= 1
    with torch.no_grad():
        method.decoder.network.synthesis.b4.torgb.bias.add_(torch.tensor([5.0, -5.0, 0.0]))
        sr = method.eval().super_resolve(torch.rand(1, 3, 16, 16))
    assert sr.min() == 0 and sr.max() == 1
