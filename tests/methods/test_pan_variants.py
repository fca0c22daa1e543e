"""Every switch of PAN changes what it should, trains, and nothing else moves (narrow).

A variant is compared with the default by its parameters, its phases and the losses of its first step
at every stage; networks are filled from their parameters' names, so equal networks have equal weights.
"""

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning)
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from facesr_bench.callbacks import ImageCounter
from facesr_bench.errors import ConfigError
from facesr_bench.method import TrainingContext
from facesr_bench.methods.pan import PAN
from facesr_bench.methods.pan.variants import PAPER_VARIANTS
from facesr_bench.stream import StreamSampler
from facesr_bench.training import build_trainer

NARROW: dict[str, Any] = {
    "hr_size": 64, "factor": 4, "channel_base": 128, "channel_max": 8, "flip": False
}  # fmt: skip
RECIPE = {"fade": 4, "stable": 4, "gpus": 1, "batch_per_gpu": {8: 4}}

STAGES = ("8px", "16px-fade", "16px", "32px-fade", "32px", "64px-fade", "64px")
UNET, ABOVE = set(STAGES[:3]), set(STAGES[3:])


@dataclass(frozen=True)
class Row:
    """A variant and what must differ from the default.

    Attributes:
        arguments: its constructor arguments.
        more: parameters of G more than the default's.
        stages: names of its phases.
        changed: stages whose losses differ.
        critic: whether there is a discriminator.
    """

    arguments: Mapping[str, Any]
    more: int = 0
    stages: tuple[str, ...] = STAGES
    changed: set[str] = field(default_factory=set)
    critic: bool = True


# Channels: 8 up to 16 px, then 4, 2 and 1. At LR 16 there are skips at 8 and 16, each 3x3 weights from
# 8 to 8. A side above has up, conv, two noise weights and a toRGB.
SKIP = 9 * 8 * 8
NOISE_ABOVE = 2 * (4 + 2)
TOP_64 = (9 * 4 * 2 + 2) + (9 * 2 * 2 + 2) + 2 * 2 + (3 * 2 + 3)
TOP_128 = (9 * 2 * 1 + 1) + (9 * 1 * 1 + 1) + 2 * 1 + (3 * 1 + 3)
# A fade begins as the stage before, so its first step tells nothing of its own side. Noise follows the
# images seen, so a stage that comes at another image has other noise.
NOISY = ABOVE - {"32px-fade"}
TABLE: dict[str, Row] = {
    "PAN": Row({}),
    "L1 loss": Row({"objective": "l1"}, changed=UNET | ABOVE, critic=False),
    "L2 loss": Row({"objective": "l2"}, changed=UNET | ABOVE, critic=False),
    "non-progressive": Row({"progressive": False}, stages=("64px",), changed={"64px"}),
    "non-noise": Row({"noise": "none"}, -NOISE_ABOVE, changed=NOISY),
    "noise at each resolution": Row({"noise": "all"}, 4 * 8, changed=UNET | ABOVE),
    "skips to 8": Row({"skip_resolutions": (8,)}, -SKIP, changed={"16px"} | ABOVE),
    "no skips": Row({"skip_resolutions": ()}, -2 * SKIP, changed=UNET | ABOVE),
    "pixel norm": Row({"pixelnorm": True}, changed=UNET | ABOVE),
    "iterations": Row({"phase_unit": "iterations"}, changed=NOISY),
    "x2": Row({"hr_size": 32, "factor": 2}, -TOP_64, STAGES[:5]),
    "x8": Row({"hr_size": 128, "factor": 8}, TOP_128, (*STAGES, "128px-fade", "128px")),
    "gamma": Row({"gamma": 0.1}, changed=UNET | ABOVE),
    "flip": Row({"flip": True}, changed=UNET | ABOVE),
}  # fmt: skip


@torch.no_grad()
def fill_by_name(method: PAN) -> PAN:
    for name, p in method.named_parameters():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        p.copy_(torch.randn(p.shape, generator=generator) * (1 if p.ndim > 1 else 0.1))
    return method


class Faces(Dataset[dict[str, torch.Tensor]]):
    """Random images by position in the stream; four of them, the same at every size."""

    def __init__(self, hr_size: int, factor: int) -> None:
        coarse = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(3))
        self.hr = torch.nn.functional.interpolate(coarse, hr_size)
        self.lr = torch.nn.functional.avg_pool2d(self.hr, factor)

    def __getitem__(self, position: int) -> dict[str, torch.Tensor]:
        return {"hr": self.hr[position % 4], "lr": self.lr[position % 4]}


@dataclass(frozen=True)
class Trial:
    """What a variant's short training showed."""

    method: PAN
    params: int
    first: dict[str, dict[str, float]]
    """Losses of the first step of each phase, all from the same weights."""


def try_out(
    arguments: Mapping[str, Any],
    look: Callable[[PAN, Mapping[str, torch.Tensor]], None] | None = None,
) -> Trial:
    """One training step of every phase through Lightning, each from the filled weights.

    ``look`` is shown the method after each step, and the weights before it.
    """
    method = PAN(**{**NARROW, **arguments})
    budget = method.make_budget(RECIPE)
    method.bind(TrainingContext(seed=0, budget=budget, train_images=4))
    fill_by_name(method)
    start = {name: value.clone() for name, value in method.state_dict().items()}
    first: dict[str, dict[str, float]] = {}

    class Look(ImageCounter):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            name = budget.phase_at(method.images_seen)[0].name
            first.setdefault(name, {k: v.item() for k, v in method.losses.items()})
            changed = [n for n, v in method.state_dict().items() if not torch.equal(v, start[n])]
            assert changed
            if look is not None:
                look(method, start)
            method.load_state_dict(start)
            super().on_train_batch_end(trainer, pl_module, *args)

    trainer = build_trainer({"accelerator": "cpu"}, method, [], [Look(budget)], "fit")
    sampler = StreamSampler(budget, 0, 0, 1)
    faces = Faces(method.hr_size, method.factor or 4)
    trainer.fit(method, DataLoader(faces, batch_sampler=sampler))
    assert method.images_seen == budget.images
    return Trial(method, sum(p.numel() for p in method.G.parameters()), first)


@cache
def default() -> Trial:
    return try_out({})


@pytest.mark.parametrize("name", TABLE)
def test_a_variant_trains_and_changes_what_it_should(name: str) -> None:
    row, base, own = TABLE[name], default(), try_out(TABLE[name].arguments)
    assert tuple(own.first) == row.stages
    assert own.params - base.params == row.more
    assert (own.method.D is not None) == row.critic
    assert all(math.isfinite(v) for losses in own.first.values() for v in losses.values())
    changed = {
        stage
        for stage in own.first
        if stage in base.first
        and any(
            not math.isclose(v, base.first[stage][key], rel_tol=1e-4)
            for key, v in own.first[stage].items()
            if key in ("D", "G")
        )
    }
    assert changed == row.changed
    lr = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        sr = own.method.eval().super_resolve(lr)
    assert sr.shape == (2, 3, own.method.hr_size, own.method.hr_size)
    assert sr.min() >= 0 and sr.max() <= 1


def test_the_table_has_every_variant_of_the_paper() -> None:
    """Sizes apart: this suite's tests start at 16 px, the paper at 128."""
    for name, arguments in PAPER_VARIANTS.items():
        if name.startswith("skips to ") and name != "skips to 8":
            PAN(**{**NARROW, "hr_size": 128, "factor": 2, **arguments})
        elif name not in ("x2", "x4"):
            assert TABLE[name].arguments == arguments, name
    # the default of this table is x4 already
    assert {PAPER_VARIANTS[name]["factor"] for name in ("x2", "x4")} == {2, 4}


def test_iterations_multiply_images_by_the_batch() -> None:
    method = PAN(**NARROW, phase_unit="iterations")
    assert method.make_budget(RECIPE).images == 4 * default().method.context.budget.images


def test_the_average_may_be_switched_off() -> None:
    """Then G_ema is G as it was before its step, though it was filled with other weights."""
    looks: list[bool] = []

    def look(method: PAN, start: Mapping[str, torch.Tensor]) -> None:
        looks.append(
            all(
                torch.equal(value, start[f"G.{name}"])
                for name, value in method.G_ema.state_dict().items()
            )
        )

    own = try_out({"ema_half_life": 0}, look)
    assert looks and all(looks)
    looks.clear()
    try_out({"ema_half_life": 4}, look)
    assert not any(looks)
    assert own.first == default().first


@pytest.mark.parametrize(
    "arguments",
    [
        {"hr_size": 48},
        {"hr_size": 8, "factor": 2},
        {"factor": 3},
        {"factor": 1},
        {"factor": 16},
        {"pool": 3},
        {"objective": "l3"},
        {"noise": "pink"},
        {"noise_eval": "some"},
        {"phase_unit": "epochs"},
        {"skip_resolutions": "none"},
        {"skip_resolutions": [32]},
        {"skip_resolutions": [8, 12]},
        {"skip_resolutions": 8},
        {"skip_resolutions": None},
        {"skip_resolutions": [8, "abc"]},
        {"gamma": -5},
        {"gamma": "much"},
        {"beta2": 1.5},
        {"beta2": 1},
        {"beta2": float("nan")},
        {"ema_half_life": -1},
        {"ema_half_life": None},
        {"consistency_every": 0},
        {"consistency_every": 2.5},
        {"noise_seed": "x"},
        {"channel_max": 0},
        {"hr_size": 64.0},
        {"pool": None},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_in_a_sentence(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^PAN.{20,}\.$"):
        PAN(**{**NARROW, **arguments})


def test_other_data_are_refused() -> None:
    method = PAN(**NARROW)
    method.check_sizes((16, 16), (64, 64))
    with pytest.raises(ConfigError, match=r"method\.hr_size=128"):
        method.check_sizes((32, 32), (128, 128))
    with pytest.raises(ConfigError, match="enlarges by 4"):
        method.check_sizes((16, 16), (128, 128))
