"""The suite: built from its configuration, honest about what it could not do."""

import dataclasses
import json
import sys
import types

import numpy as np
import pytest
import torch

from facesr_bench.errors import ConfigError, DataError, MissingRequirement, UsageError
from facesr_bench.metrics.base import Expected, PerImageMetric, ScoreBatch
from facesr_bench.metrics.choosing import compose_metrics
from facesr_bench.metrics.psnr_ssim import PSNR
from facesr_bench.metrics.scores import Scores, read_per_image, write_per_image
from facesr_bench.metrics.suite import MetricSuite, _merge
from facesr_bench.metrics.value import MetricValue, settings_hash

CORE = ["psnr_rgb", "psnr_y", "ssim_rgb", "ssim_y", "lr_psnr", "lr_l2"]
SWD_KEYS = ["swd_32@toy-test", "swd_16@toy-test", "swd_mean@toy-test"]


def batch(keys="ab", hr=True, lr=True):
    def images(side, seed):
        draws = np.random.default_rng(seed).integers(0, 256, (len(keys), 3, side, side))
        return torch.from_numpy(draws.astype(np.uint8))

    high, low = images(32, 1) if hr else None, images(8, 2) if lr else None
    return ScoreBatch(list(keys), images(32, 0), high, low, [None] * len(keys))


def core(downsample=None, **changes):
    config = compose_metrics(["core"])
    config["measures"].update(changes)
    return MetricSuite.from_config(config, "toy-test", downsample)


class Fragile(PerImageMetric):
    """Fails in the way it is told to."""

    higher_is_better = True
    keys = ("fragile",)

    def __init__(self, outcome):
        super().__init__()
        self.outcome = outcome

    def settings(self):
        return {}

    def score(self, batch):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return {"fragile": np.full(len(batch.keys), self.outcome)}


def test_core_yields_every_metric_with_its_facts():
    scores = core(lambda images: torch.nn.functional.avg_pool2d(images, 4)).score([batch()])
    assert list(scores.values) == [*CORE, *SWD_KEYS] and list(scores.per_image) == CORE
    assert not scores.skipped and not scores.failed
    record = json.loads(json.dumps(scores.to_json(), allow_nan=False))["metrics"]
    for name, value in record.items():
        assert value["n"] == 2 and len(value["ci95"]) == 2 and len(value["settings_hash"]) == 12
        assert value["higher_is_better"] is not (name.startswith("swd") or name == "lr_l2")
    assert record["swd_mean@toy-test"]["floor"] > 0 and "floor" not in record["psnr_y"]
    assert record["psnr_y"]["settings_hash"] != record["psnr_rgb"]["settings_hash"]


def test_what_is_missing_is_skipped_and_said():
    scores = core().score([batch(hr=False)])
    assert list(scores.values) == ["lr_psnr_bicubic", "lr_l2_bicubic"]
    assert scores.skipped["psnr_rgb"] == "needs HR images, which this set lacks"
    assert set(scores.skipped) == {*CORE[:4], "swd_mean@toy-test"}
    assert "needs LR images" in core().score([batch(lr=False)]).skipped["lr_psnr_bicubic"]
    assert set(core().score([]).skipped.values()) == {"no images came"}


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (DataError("Image 'a' is upside down."), "Image 'a' is upside down."),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
    ],
)
def test_an_error_in_one_metric_costs_no_other(outcome, sentence):
    scores = MetricSuite([Fragile(outcome), PSNR()]).score([batch()])
    assert scores.failed["fragile"].startswith(sentence)
    assert list(scores.values) == ["psnr_rgb"]


def test_a_metric_that_could_score_nothing_is_not_computed_and_says_why():
    scores = MetricSuite([Fragile(float("nan")), PSNR()]).score([batch()])
    assert scores.skipped == {"fragile": "none of the 2 images could be scored"}
    assert not scores.failed and list(scores.values) == ["psnr_rgb"]


class Unwritable(Fragile):
    def settings(self):
        return {"error": float("nan")}


def test_what_the_record_could_not_hold_costs_one_metric_alone():
    scores = MetricSuite([Unwritable(1.0), PSNR()]).score([batch()])
    assert "not plain JSON" in scores.failed["fragile"] and list(scores.values) == ["psnr_rgb"]
    json.dumps(scores.to_json(), allow_nan=False)


def test_the_operator_is_among_the_settings_of_lr_consistency():
    def settings(operator):
        suite = MetricSuite.from_config(
            compose_metrics(["lr_psnr"]),
            "toy",
            lambda x: torch.nn.functional.avg_pool2d(x, 4),
            operator,
        )
        return suite.score([batch()]).values["lr_psnr"].to_json()

    box, nearest = settings({"operator": "box"}), settings({"operator": "nearest"})
    assert box["settings"]["operator"] == {"operator": "box"}
    assert box["settings_hash"] != nearest["settings_hash"]


def test_intervals_say_what_was_resampled():
    alone = batch("abcd")
    people = ScoreBatch(alone.keys, alone.sr, alone.hr, alone.lr, ["x", "x", "y", None])
    assert MetricSuite([PSNR()]).score([alone]).values["psnr_rgb"].ci_units == "4 images"
    assert (
        MetricSuite([PSNR()]).score([people]).values["psnr_rgb"].ci_units == "2 people and 1 image"
    )


def test_images_that_cannot_be_scored_are_counted():
    outcome = np.array([1.0, np.nan])
    value = MetricSuite([Fragile(outcome)]).score([batch()]).values["fragile"]
    assert (value.value, value.n, value.not_scored) == (1.0, 1, 1)


class Shy(Fragile):
    minimum_images = 3


def test_a_metric_steps_aside_before_any_work_when_there_are_too_few_images():
    suite = MetricSuite([Shy(AssertionError("was called"))])
    scores = suite.score([batch()], Expected(2))
    assert scores.skipped["fragile"].startswith("needs at least 3 images, but there are 2 ")


LACKING = {"_target_": "facesr_bench.metrics.lacking.X"}


class Lacking(Fragile):
    def __init__(self):
        raise MissingRequirement("weights 'x' are missing: facesr-bench weights import FILE --as x")


def test_everything_missing_is_told_in_one_message(monkeypatch):
    module = types.ModuleType("facesr_bench.metrics.lacking")
    module.X = Lacking
    monkeypatch.setitem(sys.modules, "facesr_bench.metrics.lacking", module)
    monkeypatch.setattr("facesr_bench.metrics.lacking", module, raising=False)
    with pytest.raises(MissingRequirement) as caught:
        core(one=LACKING, two=LACKING)
    assert str(caught.value).count("weights import FILE --as x") == 2
    config = compose_metrics(["core"])
    config["measures"]["one"], config["on_missing"] = LACKING, "skip"
    scores = MetricSuite.from_config(config, "toy-test").score([batch()])
    assert scores.skipped["one"].startswith("weights 'x' are missing") and "psnr_y" in scores.values
    assert "one" not in scores.values


def test_only_keeps_what_it_names():
    config = {**compose_metrics(["core"]), "only": ["psnr_y", "swd"]}
    suite = MetricSuite.from_config(config, "toy-test")
    assert [type(metric).__name__ for metric in suite.metrics] == ["PSNR", "SWD"]
    with pytest.raises(ConfigError, match="'nope', which is no measure"):
        MetricSuite.from_config({**config, "only": ["nope"]}, "toy-test")


def test_a_suite_starts_afresh_for_the_next_set():
    suite = MetricSuite([PSNR()])
    first = suite.score([batch("ab")])
    assert suite.score([batch("c")]).values["psnr_rgb"].n == 1
    assert suite.score([batch("ab")]) == first


def test_measures_can_be_left_out_and_none_is_a_suite():
    assert "swd_mean@toy-test" not in core(swd=None).score([batch()]).values
    empty = MetricSuite.from_config(compose_metrics(["none"]), "toy-test")
    assert empty.score([batch()]) == Scores(images=2)


def test_configuration_errors_name_the_measure():
    with pytest.raises(ConfigError, match=r"'mine' \(facesr_bench.metrics.psnr_ssim.NOPE\)"):
        core(mine={"_target_": "facesr_bench.metrics.psnr_ssim.NOPE"})
    with pytest.raises(ConfigError, match=r"'mine' .* is not a FaceMetric"):
        core(mine={"_target_": "torch.nn.ReLU"})
    with pytest.raises(ConfigError, match="'mine' has no _target_"):
        core(mine={"colour": "y"})
    with pytest.raises(ConfigError, match="'psnr_rgb' is asked for twice"):
        MetricSuite([PSNR(), PSNR()])


def test_per_image_table_keeps_every_bit(tmp_path):
    table = {"psnr_rgb": {"b/1,2.png": 0.1 + 0.2, "a.png": 31.5}, "niqe": {"a.png": float("nan")}}
    write_per_image(tmp_path / "per_image.csv", table)
    lines = (tmp_path / "per_image.csv").read_text().splitlines()
    assert lines[0] == "key,identity,psnr_rgb,niqe"
    assert lines[1:] == ["a.png,,31.5,nan", '"b/1,2.png",,0.30000000000000004,']
    again = read_per_image(tmp_path / "per_image.csv")
    assert again["psnr_rgb"] == table["psnr_rgb"] and np.isnan(again["niqe"]["a.png"])
    (tmp_path / "other.csv").write_text("name,psnr\n")
    with pytest.raises(DataError, match="first column must be 'key'"):
        read_per_image(tmp_path / "other.csv")


def test_settings_hash_is_canonical_and_settings_must_be_json():
    assert settings_hash({"a": 1, "b": [2]}) == settings_hash({"b": [2], "a": 1}) == "0855bfc20eb6"
    with pytest.raises(ValueError, match="JSON"):
        MetricValue(1.0, True, 1, {"a": float("inf")}).to_json()


def test_measures_chosen_for_a_run_keep_its_reference_and_its_papers_list():
    data = {"reference": "ffhq64-scgan-train", "paper_metrics": ["psnr_y", "fid_kid"]}
    chosen = compose_metrics(["fd_squeezenet", "paper"], data=data)["measures"]
    assert list(chosen) == ["fd_squeezenet", "psnr_y", "fid_kid"]
    assert {chosen[k]["reference"] for k in ("fd_squeezenet", "fid_kid")} == {data["reference"]}
    assert compose_metrics(["fid_kid"])["measures"]["fid_kid"]["reference"] is None
    with pytest.raises(UsageError, match="no metric 'paper'"):
        compose_metrics(["paper"])


@pytest.mark.parametrize(
    "wrong", [{"ci95": (0.5, np.inf)}, {"ci95": (-np.inf, 1.5)}, {"se": np.nan}, {"floor": np.nan}]
)
def test_nothing_beside_a_value_may_be_no_number(wrong):
    """The record could not be written with it: it costs this metric, not the run."""

    class Loose(Fragile):
        def results(self, intervals):
            return {"fragile": dataclasses.replace(MetricValue(1.0, True, 2, {}), **wrong)}

    scores = MetricSuite([Loose(1.0), PSNR()]).score([batch()])
    assert list(scores.values) == ["psnr_rgb"]
    assert "which is no result" in scores.failed["fragile"]


def test_of_what_two_ranks_say_the_lower_ones_word_counts():
    said = [({"a": "ann"}, {0: "first"}, {1: "one", 2: "only"}),
            ({"a": "bob", "b": None}, {0: "second"}, {1: "two"})]  # fmt: skip
    gathering = types.SimpleNamespace(everyone=lambda own: said)
    seen, refused, broken = _merge(gathering, said[1])
    assert seen == {"a": "ann", "b": None}
    assert refused == {0: "first"}
    assert broken == {1: "one", 2: "only"}
