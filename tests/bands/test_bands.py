"""Recorded bands, and the watching of a training."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from hydra.utils import get_class

from facesr_bench.bands.__main__ import main
from facesr_bench.bands.curve import FACES, trace
from facesr_bench.bands.plan import Plan, Statistic, read_plan
from facesr_bench.bands.recording import blind_spots, read_recording, write_recording
from facesr_bench.check.composing import Composer
from facesr_bench.check.learning import learn
from facesr_bench.config import build_data, build_method
from facesr_bench.errors import ConfigError, UsageError

ROOT = Path(__file__).parents[2]
BANDS = ROOT / "docs" / "bands"
PLANS = sorted(BANDS.glob("*.yaml"))
SMALL = (
    "data.hr_size=16",
    "data.factor=2",
    "data.source.identities={train: 4, train_lr: 4, val: 1, test: 4}",
)


def test_every_trainable_method_has_a_band() -> None:
    targets = {
        path.stem: yaml.safe_load(path.read_text())["_target_"]
        for path in (ROOT / "conf" / "method").glob("*.yaml")
    }
    trainable = {name for name, target in targets.items() if get_class(target).trainable}
    assert trainable == {path.stem for path in PLANS}


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_recorded_band_sees_its_faults(path: Path) -> None:
    plan = read_plan(path)
    recording = read_recording(path.with_suffix(".json"), plan)
    assert [curve.seed for curve in recording.curves] == list(plan.seeds)
    assert set(recording.faults) == set(plan.faults)
    assert "learning rate x0.3" in plan.faults
    assert ("average off" in plan.faults) == (plan.average is not None)
    assert recording.reason
    assert blind_spots(plan, recording) == []


def toy_plan(**changes: object) -> Plan:
    values: dict[str, object] = {
        "method": "pan", "words": SMALL, "images": 24, "points": 3, "seeds": (1, 2),
        "statistics": (Statistic("error", 0.1), Statistic("movement", 0.1)),
        "average": ("G", "G_ema"), "faults": {"twice": ("method.budget.lr=2.0e-3",)},
    }  # fmt: skip
    return Plan(**(values | changes))  # type: ignore[arg-type]


def test_watching_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesr_bench.bands import curve as module

    kept = []
    monkeypatch.setattr(module, "build_method", lambda s: kept.append(build_method(s)) or kept[-1])
    found = trace(toy_plan(images=24, points=6), seed=5)
    assert found.images[-1] >= 24
    assert {"error", "mean_face", "spread", "movement", "average_gap", "loss.D"} <= set(
        found.values
    )

    settings = Composer(("+method=pan", *FACES, *SMALL)).at("smoke")
    import pytorch_lightning as pl

    pl.seed_everything(5, workers=True, verbose=False)
    data, method = build_data(settings["data"]), build_method(settings["method"])
    budget = {**settings["method"]["budget"], "phases": None}
    whole = method.make_budget(budget, 24)
    monkeypatch.setattr(type(method), "make_budget", lambda self, config, images=None: whole)
    learn(method, data, budget, tmp_path, 5)
    for name, value in method.state_dict().items():
        assert torch.equal(value, kept[0].state_dict()[name]), name


def test_the_same_seed_draws_the_same_curve_and_a_fault_another() -> None:
    plan = toy_plan()
    first, second = trace(plan, 1), trace(plan, 1)
    assert first.values == second.values
    other = trace(plan, 1, plan.faults["twice"])
    ratio = other.values["movement"][-1] / first.values["movement"][-1]
    assert 1.3 < ratio < 3


def test_recording_and_judging_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = {
        "words": [*SMALL, "method.ema_half_life=1000"],
        "images": 24, "points": 3, "seeds": [1, 2], "average": ["G", "G_ema"],
        "statistics": {"movement": {"floor": 0.1}, "average_gap": {"floor": 0.1}},
        "faults": {"average off": ["method.ema_half_life=0"]},
    }  # fmt: skip
    (tmp_path / "pan.yaml").write_text(yaml.safe_dump(text))
    with pytest.raises(ConfigError, match="pan has no recorded curves; record them: python -m"):
        main(["--folder", str(tmp_path)])
    with pytest.raises(UsageError, match="for a reason"):
        main(["pan", "--folder", str(tmp_path), "--record"])
    assert main(["pan", "--folder", str(tmp_path), "--record", "--reason", "a test"]) == 0
    content = json.loads((tmp_path / "pan.json").read_text())
    assert content["reason"] == "a test"
    assert len(content["curves"]) == 2
    capsys.readouterr()
    assert main(["--folder", str(tmp_path)]) == 0
    assert "pan, seed 1: within the band" in capsys.readouterr().out
    assert main(["pan", "--folder", str(tmp_path), "--fault", "average off"]) == 1
    said = capsys.readouterr().out
    assert "LEFT THE BAND" in said
    assert "distance between the network and its average" in said
    assert "If the change is meant" in said
    with pytest.raises(UsageError, match="no fault 'nothing'; it has 'average off'"):
        main(["pan", "--folder", str(tmp_path), "--fault", "nothing"])


def test_a_blind_band_is_not_recorded(tmp_path: Path) -> None:
    text = {
        "words": list(SMALL), "images": 24, "points": 3, "seeds": [1, 2],
        "statistics": {"movement": {"floor": 0.1}},
        "faults": {"nothing": ["method.noise_seed=1"]},
    }  # fmt: skip
    path = tmp_path / "pan.yaml"
    path.write_text(yaml.safe_dump(text))
    with pytest.raises(ConfigError, match="'nothing' stays inside the band"):
        main(["pan", "--folder", str(tmp_path), "--record", "--reason", "a test"])
    assert not path.with_suffix(".json").exists()


def test_a_recording_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scgan.json"
    plan = read_plan(BANDS / "scgan.yaml")
    recording = read_recording(BANDS / "scgan.json", plan)
    write_recording(path, plan, recording)
    assert read_recording(path, plan) == recording
    other = Plan(plan.method, plan.words, plan.images + 1, plan.points, plan.seeds, plan.statistics)
    with pytest.raises(ConfigError, match="recorded for another training than scgan"):
        read_recording(path, other)


@pytest.mark.parametrize(
    ("text", "said"),
    [("words: []", "no plan"), ("seeds: 3", "no plan"), ("- 1", "no plan"), ("", "no plan")],
)
def test_a_broken_plan_is_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "pan.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_plan(path)
    with pytest.raises(ConfigError, match="There is no convergence band"):
        read_plan(tmp_path / "other.yaml")
