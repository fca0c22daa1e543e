"""Procurement: who learns, that one batch overfits, that a resumed run is an uninterrupted one."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from torchvision.models import resnet50

from facesr_bench.budget import Budget, Phase
from facesr_bench.checkpoints import load_weights
from facesr_bench.errors import MissingRequirement
from facesr_bench.method import TrainingContext
from facesr_bench.methods.dap_fsr import DAPFSR
from facesr_bench.methods.dap_fsr.encoder import Encoder
from methods.dap_fsr_models import BATCH, SMALL, build, faces, small_prior

Look = Callable[[DAPFSR], None]


class Counter(pl.Callback):
    """What the harness does: count images."""

    def __init__(self, look: Look | None = None) -> None:
        self._look = look

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        module.images_seen += BATCH
        if self._look:
            self._look(module)


def fit(method: DAPFSR, steps: int, look: Look | None = None, **how: Any) -> pl.Trainer:
    """Train on one batch, over and over."""
    batch = faces()
    loader = DataLoader([{k: v[i] for k, v in batch.items()} for i in range(BATCH)], BATCH)
    trainer = pl.Trainer(
        max_epochs=steps, callbacks=[Counter(look)], accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(method, loader, **how)
    return trainer


def test_a_step_trains_the_encoder_and_nothing_else() -> None:
    method = build(lr=1e-2)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    fit(
        method, 2
    )  # an aligner's first layers learn from the second step on: its last starts at zero
    moved = {n for n, value in method.state_dict().items() if not torch.equal(value, before[n])}
    assert all(name.startswith("nets.E.") for name in moved)
    still = {name for name, _ in method.nets.E.named_parameters(prefix="nets.E")} - moved
    # Biases before an instance or batch normalisation do not exist here, so everything moves.
    assert not still, still
    assert all(p.grad is None for p in method.nets.G.parameters())
    assert set(method.losses) == {"pix", "percept", "E"}


def test_one_batch_overfits() -> None:
    losses: list[float] = []
    fit(build(lr=5e-3), 20, lambda m: losses.append(float(m.losses["E"])))
    assert losses[-1] < 0.8 * losses[0], losses


def test_rates_follow_images_seen_and_aligners_learn_slower() -> None:
    rates: list[list[float]] = []
    method = build(lr=1e-3, lr_floor=1e-5)
    budget = Budget([Phase("train", 4 * BATCH, BATCH)])
    method.bind(TrainingContext(seed=0, budget=budget, train_images=BATCH))

    def look(m: DAPFSR) -> None:
        rates.append([g["lr"] for g in m.optimizers(use_pl_optimizer=False).param_groups])

    fit(method, 4, look)
    cosine = [1e-5 + (1e-3 - 1e-5) * (1 + math.cos(math.pi * t / 4)) / 2 for t in range(4)]
    assert [fast for fast, _ in rates] == pytest.approx(cosine)
    assert [slow for _, slow in rates] == pytest.approx([0.1 * rate for rate in cosine])


def test_checkpoints_are_plain_and_resume_to_the_bit(tmp_path: Path) -> None:
    straight, file = build(), tmp_path / "two.ckpt"
    fit(straight, 3)
    fit(build(), 2).save_checkpoint(file)
    content = torch.load(file, weights_only=True)
    assert content["trained_on"][-1]["images"] == 2 * BATCH
    resumed = build(seed=1)
    fit(resumed, 3, ckpt_path=file, weights_only=True)
    assert resumed.images_seen == straight.images_seen == 3 * BATCH
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_file_of_the_encoder_alone_is_enough() -> None:
    one, other = build(), build(seed=1)
    encoder = {k: v for k, v in one.state_dict().items() if not k.startswith("nets.G.")}
    load_weights(other, {"state_dict": encoder}, "file")
    lr = faces()["lr"]
    with torch.no_grad():
        assert torch.equal(one.eval().super_resolve(lr), other.eval().super_resolve(lr))


def test_the_backbone_is_torchvisions() -> None:
    """Names and numbers: torchvision's state dict fits, and gives torchvision's maps."""
    theirs = resnet50(weights=None).eval()
    ours = Encoder(2, 8, istn=0, lateral=4).eval()
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}
    ours.resnet.load_state_dict(state, strict=True)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        maps = ours.resnet(x)
        y = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
        c3 = theirs.layer2(theirs.layer1(y))
        c4 = theirs.layer3(c3)
        assert torch.equal(maps.c3, c3) and torch.equal(maps.c4, c4)
        assert torch.equal(maps.c5, theirs.layer4(c4))


def test_missing_weights_are_told_together_before_training() -> None:
    method = DAPFSR(
        prior=small_prior(),
        **{**SMALL, "features": "vgg19", "backbone_weights": "resnet50"},
        hr_size=32, factor=2,
    )  # fmt: skip
    context = TrainingContext(0, Budget([Phase("train", 8, 4)]), 8)
    with pytest.raises(MissingRequirement, match=r"(?s)vgg19.*resnet50"):
        method.bind(context)
    assert method.loss_networks == ("vgg19",)


def test_options_of_the_encoder_change_it() -> None:
    """Configurations Baseline, A, B and C differ as Table 2 says, in size and in what they make."""
    lr = faces()["lr"]
    made, counts = {}, {}
    for name, arguments in (
        ("Baseline", {"multi_scale": False, "istn": 0, "offset": False}),
        ("A", {"istn": 0, "offset": False}),
        ("B", {"offset": False}),
        ("C", {}),
        ("istn 1", {"istn": 1}),
        ("istn 2", {"istn": 2}),
        ("l2", {"norm": "l2"}),
        ("no F", {"features": "none", "target": "exemplar"}),
    ):
        method = build(**arguments)
        counts[name] = sum(p.numel() for p in method.nets.E.parameters())
        losses: dict[str, float] = {}
        fit(
            method,
            1,
            lambda m, found=losses: found.update({k: float(v) for k, v in m.losses.items()}),
        )
        made[name] = losses
        with torch.no_grad():
            assert method.eval().super_resolve(lr).shape == (BATCH, 3, 32, 32)
    aligners = [13_286, 20 * 25 * (16 - 3) + 13_286, 20 * 25 * (32 - 3) + 13_286]
    assert counts["B"] - counts["A"] == sum(aligners)
    assert counts["istn 1"] - counts["A"] == aligners[0]
    assert counts["istn 2"] - counts["A"] == sum(aligners[:2])
    assert counts["C"] == counts["B"] and made["C"]["E"] != made["B"]["E"]
    assert len({losses["E"] for losses in made.values()}) == len(made)
    assert made["l2"]["E"] > 10 * made["C"]["E"]
    assert set(made["no F"]) == {"pix", "E"} and made["no F"]["E"] == made["no F"]["pix"]
