"""PAN's phases: the paper's table for any size, and what cannot be trained by."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from facesr_bench.budget import Budget, Phase
from facesr_bench.config import HARNESS_KEYS, build_data, build_method, plain, register_resolvers
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.method import TrainingContext
from facesr_bench.methods.pan import PAN
from facesr_bench.methods.pan.fade import Stage
from facesr_bench.methods.pan.schedule import Recipe, check_phases, stage_at
from facesr_bench.stream import StreamSampler

CONFIG = Path(__file__).parents[2] / "conf" / "method" / "pan.yaml"

BATCHES = {8: 64, 16: 32, 32: 16, 64: 8, 128: 4, 256: 4, 512: 4, 1024: 4}
RATES = {8: 1e-3, 16: 1e-3, 32: 1e-3, 64: 1e-3, 128: 1.5e-3, 256: 2e-3, 512: 3e-3, 1024: 3e-3}
"""As printed in section 5.1."""

NARROW: dict[str, Any] = {"hr_size": 64, "factor": 4, "channel_base": 64, "channel_max": 4}


def test_the_papers_phases() -> None:
    phases = Recipe().phases(1024)
    assert [p.name for p in phases[:3]] == ["8px", "16px-fade", "16px"]
    assert len(phases) == 15
    assert sum(p.images for p in phases) == 9_000_000
    for phase in phases:
        side = phase.facts["side"]
        assert phase.images == 600_000
        assert phase.batch_size == 4 * BATCHES[side]
        assert phase.facts["lr"] == RATES[side]
        assert phase.facts["fade"] == phase.name.endswith("-fade")


def test_steps_of_the_whole_training() -> None:
    """Images, not iterations: 9.0 M optimiser steps would not fit five days."""
    images = sum(p.images / p.batch_size for p in Recipe().phases(1024))
    iterations = Recipe().phases(1024, unit="iterations")
    # 600k / 256, then 1.2 M / 128, 64, 32 and four times 1.2 M / 16
    assert images == 2_343.75 + 9_375 + 18_750 + 37_500 + 4 * 75_000
    assert sum(p.images / p.batch_size for p in iterations) == 9_000_000


def test_non_progressive_is_one_phase_of_as_many_images() -> None:
    (phase,) = Recipe().phases(1024, progressive=False)
    facts = {"side": 1024, "fade": False, "lr": 3e-3}
    assert phase == Phase("1024px", 9_000_000, 16, facts)


@pytest.mark.parametrize(("hr_size", "count"), [(16, 3), (64, 7), (128, 9), (2048, 17)])
def test_other_sides_end_where_they_should(hr_size: int, count: int) -> None:
    phases = Recipe().phases(hr_size)
    assert len(phases) == count
    assert phases[-1].name == f"{hr_size}px"
    if hr_size > 1024:
        assert (phases[-1].batch_size, phases[-1].facts["lr"]) == (16, 3e-3)


def test_alpha_rises_over_a_fade_and_stays() -> None:
    fading = Phase("16px-fade", 100, 4, {"side": 16, "fade": True, "lr": 1e-3})
    stable = Phase("16px", 100, 4, {"side": 16, "fade": False, "lr": 1e-3})
    assert [stage_at(fading, n).alpha for n in (0, 25, 99, 104)] == [0, 0.25, 0.99, 1]
    assert stage_at(stable, 0) == Stage(16, 1.0)


def test_the_budget_block() -> None:
    method = PAN(**NARROW)
    assert method.make_budget({}).images == 7 * 600_000
    assert method.make_budget({"fade": 10, "stable": 30}).images == 4 * 30 + 3 * 10
    scaled = method.make_budget({}, images=7000)
    assert [p.images for p in scaled.phases] == [1000] * 7
    batches = method.make_budget({"gpus": 1, "batch_per_gpu": {"8": 6, 32: 2}})
    assert [p.batch_size for p in batches.phases] == [6, 6, 6, 2, 2, 2, 2]
    row = {"name": "all", "images": 8, "batch_size": 4, "side": 64, "fade": False, "lr": 1e-3}
    given = method.make_budget({"phases": [row], "gpus": 4}, images=16)
    assert given.phases == (Phase("all", 16, 4, {"side": 64, "fade": False, "lr": 1e-3}),)
    everywhere = method.make_budget({"gpus": 2, "batch_per_gpu": 6, "lr": 5e-3})
    assert {(p.batch_size, p.facts["lr"]) for p in everywhere.phases} == {(12, 5e-3)}
    assert PAN(**NARROW, progressive=False).make_budget({}).phases[0].images == 7 * 600_000
    assert PAN(**NARROW, phase_unit="iterations").make_budget({"fade": 2, "stable": 2}).images == 2 * (
        256 + 2 * 128 + 2 * 64 + 2 * 32
    )  # fmt: skip


@pytest.mark.parametrize("config", [{"stabel": 3}, {"images": 100, "batch_size": 4}], ids=str)
def test_a_key_that_means_nothing_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"method\.budget has no (stabel|batch_size, images)\."):
        PAN(**NARROW).make_budget(config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"gpus": None}, "gpus must be a whole number, but is None"),
        ({"gpus": 0}, "gpus must be at least 1"),
        ({"fade": -8}, "fade must be at least 1"),
        ({"stable": 2.5}, "stable must be a whole number"),
        ({"batch_per_gpu": {8: 2.5}}, r"batch_per_gpu of 8 px must be a whole number, but is 2\.5"),
        ({"batch_per_gpu": {8: "many"}}, "batch_per_gpu of 8 px"),
        ({"batch_per_gpu": {"small": 4}}, "batch_per_gpu is a table by side.* has small"),
        ({"batch_per_gpu": None}, "batch_per_gpu of 8 px must be a whole number, but is None"),
        ({"lr": {8: "abc"}}, "lr of 8 px must be a learning rate above 0, but is 'abc'"),
        ({"lr": {8: 1e-3, 64: 0}}, "lr of 64 px"),
        ({"lr": -1e-3}, "lr of 8 px"),
        ({"phases": [3]}, r"phases is a list of \{name"),
        ({"phases": [{"name": "a", "images": "x", "batch_size": 4}]}, "images of phase 'a'"),
        ({"phases": [{"name": "a", "images": 8, "batch_size": 4.5}]}, "batch_size of phase 'a'"),
    ],
    ids=str,
)
def test_values_that_cannot_be_used_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"{message}.*\.$"):
        PAN(**NARROW).make_budget(config)


SMOKE: dict[str, Any] = {"fade": 8, "stable": 8, "gpus": 1, "batch_per_gpu": 4}


@pytest.mark.parametrize("images", [3, 7, 24])
def test_images_that_would_leave_a_phase_out_are_refused(images: int) -> None:
    """Seven phases of one image each: one batch of four would train 8 px, the next 32 px."""
    with pytest.raises(ConfigError, match=rf"images={images} are too few .* images=25 or more"):
        PAN(**NARROW).make_budget(SMOKE, images)


def test_the_least_images_train_every_phase() -> None:
    budget = PAN(**NARROW).make_budget(SMOKE, 25)
    sampler = StreamSampler(budget, 0, 0, 1)
    trained = [budget.phase_at(positions[0])[0].name for positions in sampler]
    assert trained == [p.name for p in Recipe().phases(64)]


def test_phases_given_as_they_are_scale_by_the_same_rule() -> None:
    rows = [
        {"name": "a", "images": 80, "batch_size": 8, "side": 32, "fade": False, "lr": 1e-3},
        {"name": "b", "images": 8, "batch_size": 4, "side": 64, "fade": False, "lr": 1e-3},
    ]
    assert [p.images for p in PAN(**NARROW).make_budget({"phases": rows}, 44).phases] == [40, 4]
    with pytest.raises(ConfigError, match=r"Give images=(\d+) or more") as caught:
        PAN(**NARROW).make_budget({"phases": rows}, 13)
    least = int(str(caught.value).split("Give images=")[1].split()[0])
    PAN(**NARROW).make_budget({"phases": rows}, least)
    with pytest.raises(ConfigError, match="too few"):
        PAN(**NARROW).make_budget({"phases": rows}, least - 1)


def test_a_phase_that_is_jumped_over_is_refused() -> None:
    phases = Recipe(fade=1, stable=8, gpus=1, batch_per_gpu={8: 6}).phases(64)
    with pytest.raises(ConfigError, match=r"'16px-fade' of 1 images gets no step"):
        check_phases(Budget(phases), 64, 1, 1)


def test_a_table_that_starts_too_high_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch_per_gpu has no entry for 8 px"):
        PAN(**NARROW).make_budget({"batch_per_gpu": {16: 4}})


GOOD: Mapping[str, Any] = {"side": 64, "fade": False, "lr": 1e-3}


@pytest.mark.parametrize(
    ("facts", "batch", "ranks", "message"),
    [
        ({}, 4, 1, "lacks side, fade, lr"),
        ({"side": 64, "fade": False}, 4, 1, "lacks lr"),
        ({**GOOD, "side": 128}, 4, 1, "side=128, which is not one of"),
        ({**GOOD, "side": 24}, 4, 1, "side=24"),
        ({**GOOD, "side": 8, "fade": True}, 4, 1, "fades 8 px in"),
        ({**GOOD, "side": 32}, 4, 1, "would stay random"),
        (GOOD, 6, 1, "6 images, but the discriminator compares them in groups of 4"),
        (GOOD, 12, 2, "6 images"),
        (GOOD, 8, 3, r"8 images, which 3 processes cannot share evenly.*gpus times batch_per_gpu"),
        (GOOD, 1, 1, "gives each process one image"),
        (GOOD, 2, 2, "gives each process one image"),
        ({**GOOD, "alpha": 1}, 4, 1, "has alpha, which means nothing"),
        ({**GOOD, "fade": "no"}, 4, 1, "fade='no'"),
        ({**GOOD, "side": "64"}, 4, 1, "side=64"),
        ({**GOOD, "lr": "abc"}, 4, 1, "lr of phase 'odd' must be a learning rate"),
        ({**GOOD, "lr": True}, 4, 1, "lr of phase 'odd' must be a learning rate"),
    ],
)
def test_phases_that_cannot_work_are_refused(
    facts: dict[str, Any], batch: int, ranks: int, message: str
) -> None:
    phases = (Phase("odd", 8, batch, facts),)
    with pytest.raises(ConfigError, match=rf"^PAN: .*{message}.*\.$"):
        check_phases(Budget(phases), 64, ranks, 4)
    context = TrainingContext(0, Budget(phases), 8, world_size=ranks)
    with pytest.raises(ConfigError, match=message):
        PAN(**NARROW).bind(context)


@pytest.mark.parametrize(("batch", "ranks"), [(2, 1), (8, 2), (6, 2)])
def test_batches_that_can_be_grouped(batch: int, ranks: int) -> None:
    check_phases(Budget([Phase("64px", 8, batch, GOOD)]), 64, ranks, 4)


@pytest.mark.parametrize("batch", [1, 6])
def test_a_distance_needs_no_groups(batch: int) -> None:
    budget = Budget([Phase("64px", 8, batch, GOOD)])
    PAN(**NARROW, objective="l1").bind(TrainingContext(0, budget, 8))


def test_a_distance_must_be_shared_evenly_all_the_same() -> None:
    """In PAN's own words: the harness would name method.budget.batch_size, which PAN has not."""
    budget = Budget([Phase("64px", 8, 8, GOOD)])
    with pytest.raises(ConfigError, match=r"3 processes .* method\.budget\.gpus"):
        PAN(**NARROW, objective="l1").bind(TrainingContext(0, budget, 8, world_size=3))


@pytest.mark.parametrize("scale", ["full", "slim", "smoke"])
def test_the_yaml_names_every_argument_and_holds_the_papers_size(scale: str) -> None:
    register_resolvers()
    config = OmegaConf.create({"scale": scale, "data": {"hr_size": 1024, "factor": 8}})
    config.method = OmegaConf.load(CONFIG)
    settings = plain(config)["method"]
    arguments = {k: v for k, v in settings.items() if k not in {*HARNESS_KEYS, "_target_"}}
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(PAN.__init__).parameters.items()
        if name != "self"
    }
    assert set(arguments) == set(defaults)
    assert settings["budget"].pop("phases") is None
    recipe = Recipe.from_config(settings["budget"])
    if scale == "full":
        assert arguments == defaults
        assert recipe.phases(1024) == Recipe().phases(1024)
    else:
        method = PAN(**{**arguments, "hr_size": 64, "factor": 4})
        budget = method.make_budget(settings["budget"])
        method.bind(TrainingContext(0, budget, 8))
        assert len(budget.phases) == 7
        assert budget.images <= {"slim": 60_000, "smoke": 64}[scale]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("lr={8: 2e-3}", {"lr": {8: 2e-3}}),
        ("lr=2e-3", {"lr": 2e-3}),
        ("batch_per_gpu={8: 8}", {"batch_per_gpu": {8: 8}}),
        ("batch_per_gpu=8", {"batch_per_gpu": 8}),
    ],
)
def test_an_override_gives_a_whole_table(word: str, found: dict[str, Any]) -> None:
    """Both tables alike: nothing of the paper's is left below the one that is given."""
    register_resolvers()
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        words = ["+method=pan", "+data=tiny", "metrics=none", "logger=none"]
        budget = plain(compose("config", [*words, f"method.budget.{word}"]))["method"]["budget"]
    assert {key: budget[key] for key in found} == found
    Recipe.from_config({key: value for key, value in budget.items() if key != "phases"})


@pytest.mark.parametrize(
    ("name", "factor", "recipe", "size"),
    [("pan_celebahq_x2", 2, "ffhq", 1024), ("pan_lsun_cat_x4", 4, "lsun_cat", 256)],
)
def test_smaller_protocols_prepare_what_the_network_is_built_for(
    name: str, factor: int, recipe: str, size: int, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("FACESR_DATA", str(tmp_path))
    register_resolvers()
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        words = ["+method=pan", f"+data={name}", "scale=smoke", "metrics=none", "logger=none"]
        config = plain(compose("config", words))
    data, method = build_data(config["data"]), build_method(config["method"])
    method.check_sizes((data.lr_size, data.lr_size), (data.hr_size, data.hr_size))
    assert (method.side, method.factor, data.name) == (256, factor, name)
    with pytest.raises(DataError, match=f"prepare {recipe} --src .* --size {size}\n"):
        data.required("train")
    with pytest.raises(DataError, match=f"--size {size}"):
        data.required("test")
