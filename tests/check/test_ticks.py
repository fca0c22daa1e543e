"""Each tick of ``check``: a method that breaks one promise fails that tick, and no other."""

import json
import os
from functools import partial
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_module

import check_toys
from facesr_bench.check import checkpoints as checkpoint_ticks
from facesr_bench.check import ranks
from facesr_bench.check import training as training_ticks
from facesr_bench.check.__main__ import main
from facesr_bench.check.composing import FEW_FACES, Composer
from facesr_bench.check.rank_worker import main as worker
from facesr_bench.check.running import TICKS, check, chosen_ticks
from facesr_bench.check.subject import Subject
from facesr_bench.check.tick import Fault, Outcome
from facesr_bench.config import plain
from facesr_bench.errors import UsageError
from forked import Forked

WORDS = ("+data=noise",)

VIOLATORS = {
    "yaml": ("Toy", {"name": "another"}, "name is 'another'"),
    "budget": ("Toy", {"budget": {"images": 8, "batch_size": 4}}, "must grow from smoke"),
    "paper": ("Unnamed", {}, "Unnamed.reference is empty"),
    "arguments": ("WholeConfig", {}, "takes 'cfg', a whole configuration"),
    "metrics": ("check_toy_with_metric.Measuring", {}, "line 11: it imports torchmetrics"),
    "sizes": ("Cropped", {}, "makes (4, 3, 15, 16) of (4, 3, 8, 8)"),
    "range": ("Unclamped", {}, "must lie in [0, 1]"),
    "random": ("Drawing", {}, "draws from a global random generator"),
    "deterministic": ("Counting", {}, "another image the second time"),
    "batch": ("Sharing", {}, "depends on its batch"),
    "odd": ("Square", {}, "makes 18x18 of 13x9, not 26x18"),
    "graph": ("Leaking", {}, "still carry their graph"),
    "untouched": ("Remembering", {}, "changes seen"),
    "parameters": ("Overstated", {}, "counts 32 of 116 parameters"),
    "parameters ": ("Understated", {}, "leaves out conv.bias"),
    "export": ("Branching", {}, "differs from its trace"),
    "flops": ("Toy", {"cost": {"smoke": {"params": 85}}}, "cost.smoke.params says 85"),
    "losses": ("Silent", {}, "logs no losses in step 1"),
    "optimizers": ("Forgetful", {}, "leaves conv.bias out"),
    "changes": ("Detached", {}, "never sends a gradient to shift"),
    "draws": ("Dicing", {}, "in 4 of 4 steps"),
    "overfit": ("Climbing", {}, "lowers none of its losses"),
    "bf16": ("Coarse", {}, "is claimed, but the first step's pixel"),
    "checkpoint": ("Pickling", {}, "puts more than tensors"),
    "reload": ("Unregistered", {}, "makes other images after saving and loading"),
    "resume": ("Stateful", {}, "ends elsewhere when the run was stopped"),
}
"""Tick to a class, what its YAML says otherwise, and a part of the sentence."""


def write_conf(folder: Path, name: str, target: str, changes: dict[str, object]) -> Path:
    data = {
        "defaults": [{"/degradation@degradation": "bicubic"}, "_self_"],
        "_target_": "facesr_bench.datamodule.FaceSRDataModule",
        "name": "noise", "version": 1, "factor": 2, "hr_size": 16,
        "source": {"_target_": "check_toys.NoiseFaces"},
    }  # fmt: skip
    budget = {"images": "${scale_of:{full: 900, slim: 90, smoke: 16}}", "batch_size": 4}
    target = target if "." in target else f"check_toys.{target}"
    method = {"name": name, "_target_": target, "factor": "${data.factor}", "budget": budget}
    for group, file, content in (("data", "noise", data), ("method", name, method | changes)):
        (folder / group).mkdir(parents=True, exist_ok=True)
        (folder / group / f"{file}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


EVAL_ONLY = {"sizes", "range", "random", "batch", "odd", "graph", "untouched", "export", "flops"}
"""Their violators change eval mode or the YAML alone, so nothing is trained to see the others hold."""


def tried(conf: Path, name: str, *, training: bool = True) -> dict[str, Outcome]:
    left_out = () if training else (*training_ticks.TICKS, *checkpoint_ticks.TICKS)
    ticks = [tick for tick in chosen_ticks((), fast=True) if tick not in left_out]
    outcomes = check([f"+method={name}", *WORDS], [conf], ticks)
    return {outcome.tick.name: outcome for outcome in outcomes}


def test_a_method_that_keeps_every_promise_passes(tmp_path: Path) -> None:
    outcomes = tried(write_conf(tmp_path, "toy", "Toy", {}), "toy")
    assert {n: o.said for n, o in outcomes.items() if o.state == "broken"} == {}
    not_claimed = {name for name, outcome in outcomes.items() if outcome.state == "not claimed"}
    assert not_claimed == {"bf16", "flops"}


@pytest.mark.parametrize("case", VIOLATORS)
def test_a_violator_fails_its_tick_alone(case: str, tmp_path: Path) -> None:
    (target, changes, said), tick = VIOLATORS[case], case.strip()
    outcomes = tried(
        write_conf(tmp_path, "toy", target, dict(changes)), "toy", training=tick not in EVAL_ONLY
    )
    broken = {name: outcome.said for name, outcome in outcomes.items() if outcome.state == "broken"}
    assert list(broken) == [tick], broken
    assert said in broken[tick]
    assert broken[tick].startswith("Open ")
    for name, outcome in outcomes.items():  # nothing is skipped but what stands on the broken one
        assert outcome.state != "not tried" or stands_on(name, tick)


def stands_on(name: str, other: str) -> bool:
    after = {tick.name: tick.after for tick in TICKS}
    return other in after[name] or any(stands_on(each, other) for each in after[name])


def test_every_tick_has_its_violator() -> None:
    assert {case.strip() for case in VIOLATORS} | {"ranks"} == {tick.name for tick in TICKS}


def test_a_tick_comes_after_what_it_stands_on() -> None:
    names = [tick.name for tick in TICKS]
    assert len(set(names)) == len(names) >= 20
    for number, tick in enumerate(TICKS):
        assert set(tick.after) <= set(names[:number]), tick.name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the ranks fork")
def test_two_processes_train_as_one_or_are_told_why_not(tmp_path: Path) -> None:
    """Forked, so that nothing is imported again; both jobs in one pair of processes."""
    subjects = []
    for name, target in (("toy", "Toy"), ("same", "SameNoise")):
        conf = write_conf(tmp_path / "conf", name, target, {})
        (tmp_path / name).mkdir()
        subjects.append(Subject(Composer([f"+method={name}", *WORDS], [conf]), tmp_path / name))
    folders, port = [ranks.write_job(subject) for subject in subjects], ranks.free_port()
    both = [
        Forked(
            partial(worker, folders), tmp_path / f"{rank}.log", tmp_path,
            ranks.environment_of(rank, port),
        )
        for rank in (0, 1)
    ]  # fmt: skip
    for process in both:
        assert process.wait(300) == 0, process.said
    whole = [row["pixel"] for row in subjects[0].learnt.losses]
    halves = [
        [row["pixel"] for row in json.loads((folders[0] / f"losses.{rank}.json").read_text())]
        for rank in (0, 1)
    ]
    assert len(halves[0]) == len(halves[1]) == len(whole) > ranks.COMPARED
    for first, second, both_halves in zip(*halves, whole, strict=True):
        assert first != second  # each had images of its own
        assert (first + second) / 2 == pytest.approx(both_halves, rel=ranks.WITHIN)
    assert "losses of 3 steps within" in ranks.compare(subjects[0], folders[0])
    with pytest.raises(Fault, match=r"SameNoise.training_step has pixel=.* in step 1 on two"):
        ranks.compare(subjects[1], folders[1])


def test_a_process_that_ends_is_told(tmp_path: Path) -> None:
    """Started as the tick starts them; without a job they end before they import anything heavy."""
    conf = write_conf(tmp_path / "conf", "toy", "Toy", {})
    subject = Subject(Composer(["+method=toy", *WORDS], [conf]), tmp_path)
    ranks.train_on_two([tmp_path])
    with pytest.raises(
        Fault, match=r"does not train on two processes: FileNotFoundError.*job.json"
    ):
        ranks.compare(subject, tmp_path)


def test_all_scales_come_of_one_composition_and_are_what_a_run_would_get() -> None:
    composer = Composer(["+method=pan"])
    composer.at("smoke")
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        run = compose("config", ["+method=pan", *FEW_FACES, "scale=slim", "trainer=cpu",
                                 "metrics=none", "logger=none"])  # fmt: skip
    assert composer.at("slim") == plain(run)
    assert composer.at("slim")["method"] != composer.at("smoke")["method"]


def test_the_command_prints_and_tells_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = write_conf(tmp_path, "toy", "Cropped", {})
    words = ["+method=toy", *WORDS, "--config-dir", str(conf), "--only", "paper", "sizes", "range"]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "✓ paper" in said
    assert "check_toys.py, line" in said
    assert "1 kept, 1 broken, 1 not tried" in said
    assert main([*words, "--json"]) == 1
    states = {row["tick"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert states == {"paper": "kept", "sizes": "broken", "range": "not tried"}
    assert main(["--list"]) == 0
    with pytest.raises(UsageError, match="no tick 'size'"):
        main([*words[:-3], "size"])
    with pytest.raises(UsageError, match="Say which method"):
        main(["+data=noise"])


def test_the_toys_are_all_used() -> None:
    used = {target for target, _, _ in VIOLATORS.values()} | {"SameNoise"}
    toys = {n for n, kind in vars(check_toys).items() if isinstance(kind, type)
            and issubclass(kind, check_toys.Toy)}  # fmt: skip
    assert toys <= used
