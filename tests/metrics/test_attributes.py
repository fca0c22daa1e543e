"""attribute_diff: its definition by hand-made classifiers, its own ResNet by a fabricated file."""

import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hydra.utils import get_class
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from facesr_bench.errors import ConfigError, MissingRequirement, NotComputed, WeightsError
from facesr_bench.metrics.attributes import AttributeClassifier, AttributeDiff
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.building import build_measures
from facesr_bench.metrics.frozen import FrozenNetwork
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.nets.attribute_resnet import METADATA, resnet_attributes
from metrics.fabricated import FabricatedWeights, random_batch
from metrics.sharding import assert_shards_agree
from metrics.train_synthface_attributes import ATTRIBUTES


class Colours(AttributeClassifier):
    """p(red) and p(green) are the mean of the channel over 255; blue images are no faces."""

    name, attributes = "colours", ("red", "green")
    error, group_error = {"red": 0.1, "green": 0.3}, {"male": 0.25}

    def __init__(self):
        super().__init__()
        means = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.means = FrozenNetwork(means, lambda images: images / 255)

    def forward(self, images):
        means = self.means(images)
        return torch.where(means[:, 2:] == 1, torch.nan, means[:, :2])

    def settings(self):
        return {"network": "channel means"}


def uniform(colours):
    """One uint8 image of each RGB colour."""
    flat = torch.tensor(colours, dtype=torch.uint8).view(-1, 3, 1, 1)
    return flat.expand(-1, 3, 4, 4).contiguous()


def batch_of(sr, hr, attributes=None):
    number = len(sr)
    keys = [f"{i}.png" for i in range(number)]
    return ScoreBatch(
        keys, uniform(sr), uniform(hr), None, [None] * number, [None] * number, attributes or []
    )


SR = [(255, 0, 0), (51, 102, 0), (0, 0, 0), (204, 204, 0)]
HR = [(255, 0, 0), (0, 0, 0), (255, 255, 0), (204, 0, 0)]
BY_HAND = [0.0, (0.2 + 0.4) / 2, 1.0, (0.0 + 0.8) / 2]
STORED = [{"male": 1.0}, {"male": 0.0}, {}, {"male": 0.7}]


def test_is_the_mean_absolute_difference():
    metric = AttributeDiff(Colours())
    metric.update(batch_of(SR, HR))
    value = metric.results(Intervals())["attribute_diff@colours"]
    assert value.value == pytest.approx(np.mean(BY_HAND), abs=1e-6)
    assert not value.higher_is_better and value.n == 4
    column = metric.per_image()["attribute_diff@colours"]
    assert list(column.values()) == pytest.approx(BY_HAND, abs=1e-6)
    assert value.settings["classifier_error"] == pytest.approx(0.2)
    assert value.settings["classifier_error_by_attribute"] == {"red": 0.1, "green": 0.3}


def test_groups_split_by_what_is_stored():
    metric = AttributeDiff(Colours(), groups=["male", "hat"])
    assert metric.keys[1:3] == ("attribute_diff@colours/male", "attribute_diff@colours/not_male")
    metric.update(batch_of(SR, HR, STORED))
    values = metric.results(Intervals())
    male, other = (values[key] for key in metric.keys[1:3])
    assert (male.value, male.n) == (pytest.approx((0 + 0.4) / 2, abs=1e-6), 2)
    assert (other.value, other.n) == (pytest.approx(0.3, abs=1e-6), 1)
    assert male.settings["classifier_error"] == 0.25 and other.settings["classifier_error"] is None
    assert male.settings["images"] == "stored 'male' >= 0.5" and male.ci95 is not None
    assert (
        values["attribute_diff@colours"].n == 4
    )  # the image of which nothing is known counts here
    assert not any("hat" in key for key in values)
    assert list(metric.per_image()) == ["attribute_diff@colours"]


def test_every_attribute_can_have_a_value_of_its_own():
    metric = AttributeDiff(Colours(), groups=["male"], each=True)
    red, green = "attribute_diff@colours:red", "attribute_diff@colours:green"
    assert metric.keys[:3] == ("attribute_diff@colours", red, green)
    metric.update(batch_of(SR, HR, STORED))
    values = metric.results(Intervals())
    assert values[red].value == pytest.approx((0 + 0.2 + 1 + 0) / 4, abs=1e-6)
    assert values[green].value == pytest.approx((0 + 0.4 + 1 + 0.8) / 4, abs=1e-6)
    mean = (values[red].value + values[green].value) / 2
    assert values["attribute_diff@colours"].value == pytest.approx(mean, abs=1e-6)
    assert [values[key].settings["classifier_error"] for key in (red, green)] == [0.1, 0.3]
    assert values[red].settings["attributes"] == ["red"] and values[red].ci95 is not None
    assert values["attribute_diff@colours/male"].value == pytest.approx(0.2, abs=1e-6)
    assert set(metric.per_image()) == {"attribute_diff@colours", red, green}


def test_side_outputs_against_truth_of_their_side_or_at_its_own_size():
    """Fig. 8a compares with the full-size truth: here it is green where the reduced one is red."""
    whole = torch.tensor([0, 255, 0], dtype=torch.uint8).view(1, 3, 1, 1).expand(-1, -1, 8, 8)
    batch = replace(batch_of([[255, 0, 0]], [[255, 0, 0]]), whole_hr=whole)
    for truth, key, expected in (
        ("reduced", "attribute_diff@colours", 0.0),
        ("full", "attribute_diff_full@colours", 1.0),
    ):
        metric = AttributeDiff(Colours(), truth=truth)
        assert metric.compares_whole_hr == (truth == "full")
        metric.update(batch)
        value = metric.results(Intervals())[key]
        assert value.value == pytest.approx(expected)
        assert value.settings.get("truth") == ("full size" if truth == "full" else None)
    alone = AttributeDiff(Colours(), truth="full")  # no side output: HR is whole already
    alone.update(batch_of([[255, 0, 0]], [[255, 0, 0]]))
    assert alone.results(Intervals())["attribute_diff_full@colours"].value == 0.0
    with pytest.raises(ConfigError, match="truth=both does not exist; choose reduced or full"):
        AttributeDiff(Colours(), truth="both")


def test_the_classifiers_own_error_is_printed_beside():
    from rich.console import Console

    from facesr_bench.console import result_table

    metric = AttributeDiff(Colours(), groups=["male"], each=True)
    metric.update(batch_of(SR, HR, STORED))
    record = {
        "method": "toy", "protocol": {"name": "faces", "version": 1}, "n_images": 4,
        "origin": "untrained", "cost": None,
        "metrics": {k: v.to_json() for k, v in metric.results(Intervals()).items()},
    }  # fmt: skip
    text = io.StringIO()
    Console(width=200, file=text).print(result_table(record))
    lines = text.getvalue().splitlines()
    green, male, other = (
        next(line for line in lines if name in line) for name in (":green", "/male", "/not_male")
    )
    assert "the classifier errs on 30.0%" in green and "the classifier errs on 25.0%" in male
    assert "errs" not in other


def test_shards_agree():
    rng = np.random.default_rng(0)
    sr, hr = rng.integers(0, 256, (2, 7, 3))
    facts = [{"male": float(i % 2)} for i in range(7)]
    assert_shards_agree(lambda: AttributeDiff(Colours(), ["male"], True), batch_of(sr, hr, facts))


def test_no_probability_is_counted_not_averaged():
    metric = AttributeDiff(Colours(), ["male"])
    metric.update(batch_of([*SR[:2], (0, 0, 255)], HR[:3], [{"male": 1.0}] * 3))
    values = metric.results(Intervals())
    for value in values.values():
        assert (value.n, value.not_scored, value.value) == (2, 1, pytest.approx(0.15, abs=1e-6))
    metric.reset()
    metric.update(batch_of([(0, 0, 255)], HR[:1], STORED[:1]))
    with pytest.raises(NotComputed):
        metric.results(Intervals())


@pytest.mark.parametrize("wrong", [{}, {"_target_": "types.SimpleNamespace"}, SimpleNamespace()])
def test_what_is_no_classifier_is_refused(wrong):
    with pytest.raises(ConfigError, match="AttributeClassifier"):
        AttributeDiff(wrong)


# -- the ResNet from a file -----------------------------------------------------------------------

FACTS = {
    "architecture": "resnet18", "attributes": ["Smiling", "Eyeglasses"], "size": [40, 32],
    "crop": [0.25, 0.0, 1.0, 0.5], "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4],
    "error": {"Smiling": 0.08, "Eyeglasses": 0.02}, "group_error": {"male": 0.06},
    "trained_on": "nothing",
}  # fmt: skip


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return models.resnet18(weights=None, num_classes=2).eval()


@pytest.fixture
def weights(tmp_path, monkeypatch):
    return FabricatedWeights(tmp_path, monkeypatch)


def written(network, **change):
    facts = {key: value for key, value in (FACTS | change).items() if value is not None}
    return partial(save_file, network.state_dict(), metadata={METADATA: json.dumps(facts)})


def put(weights, write):
    return weights.put("attribute_classifier", lambda path: write(str(path)))


def test_the_shipped_measure_builds_and_equals_torchvision(weights, network):
    put(weights, written(network))
    node = {"_target_": "facesr_bench.metrics.attributes.AttributeDiff", "groups": ["male"],
            "classifier": {"_target_": "facesr_bench.nets.attribute_resnet.resnet_attributes",
                           "weights": "attribute_classifier"}}  # fmt: skip
    before = torch.get_rng_state()
    (metric,), _ = build_measures({"measures": {"attribute_diff": node}}, {})
    assert torch.equal(torch.get_rng_state(), before)
    batch = random_batch(3, 64)
    scores = metric.score(batch)["attribute_diff@attribute_classifier"]

    def probabilities(images):
        mean, std = (torch.tensor(FACTS[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
        cut = images[:, :, 16:64, 0:32].float()
        small = torch.nn.functional.interpolate(cut, (40, 32), mode="bilinear", antialias=True)
        with torch.no_grad():
            return torch.sigmoid(network((small / 255 - mean) / std))

    expected = (probabilities(batch.sr) - probabilities(batch.hr)).abs().mean(dim=1)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert scores[0] == 0 and scores[2] > 1e-3
    settings = metric.settings()
    assert settings["classifier_error"] == pytest.approx(0.05)
    assert settings["weights"] == "attribute_classifier" and settings["crop"] == FACTS["crop"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"error": {"Smiling": 0.1}}, "own error on 'Eyeglasses'"),
        ({"error": None}, "error"),
        ({"architecture": "vit_b_16"}, "vit_b_16.*resnet18"),
        ({"architecture": "resnet50"}, "does not fit resnet50"),
        ({"attributes": ["Smiling"], "error": {"Smiling": 0.1}}, "does not fit resnet18 with 1"),
        ({"attributes": ["Smiling", "Smiling"]}, "twice"),
        ({"crop": [0, 0, 2, 1]}, "within the image"),
        ({"std": [0.2, 0.0, 0.4]}, "not positive"),
        ({"mean": [0.5]}, "3 numbers"),
        ({"size": [64]}, "IndexError"),
    ],
)
def test_files_that_do_not_say_enough_are_refused(weights, network, change, said):
    put(weights, written(network, **change))
    with pytest.raises(WeightsError, match=said):
        resnet_attributes("attribute_classifier")


def test_a_file_without_metadata_is_refused(weights, network):
    put(weights, partial(save_file, network.state_dict()))
    with pytest.raises(WeightsError, match="facesr_attributes"):
        resnet_attributes("attribute_classifier")


def test_missing_weights_are_told_with_the_command(weights):
    with pytest.raises(MissingRequirement, match="weights import FILE --as attribute_classifier"):
        AttributeDiff(
            {"_target_": "facesr_bench.nets.attribute_resnet.resnet_attributes",
             "weights": "attribute_classifier"}
        )  # fmt: skip


# -- the classifier of the embedded faces -----------------------------------------------------------

SYNTHFACE = Path(__file__).with_name("synthface_attributes.safetensors")


def test_the_embedded_faces_classifier_errs_as_it_says():
    """Exact attributes are known of every face, so its own error can be measured again."""
    kind = get_class("facesr_bench.datasets.synthface.SynthFace")
    source = kind(
        size=64, identities={"test": 200}, photos={"test": 2}, seed=2020, domain="studio",
        shipped_test="tiny_test.zip",
    )  # fmt: skip
    split = source.split("test")
    samples = [split[i] for i in range(len(split))]
    images = torch.from_numpy(np.stack([s.hr for s in samples])).permute(0, 3, 1, 2)
    classifier = resnet_attributes(str(SYNTHFACE))
    assert SYNTHFACE.stat().st_size < 200_000
    found = classifier(images) > 0.5
    for column, name in enumerate(classifier.attributes):
        truth = torch.tensor([ATTRIBUTES[name](s.attributes) for s in samples])
        wrong = (found[:, column] != truth).float().mean().item()
        assert wrong == pytest.approx(classifier.error[name], abs=0.006), name
        assert wrong < 0.6 * min(truth.float().mean().item(), (~truth).float().mean().item()), name
    # faces enlarged from 8 pixels keep less of what they show than faces from 32
    metric = AttributeDiff(classifier, groups=["male"], each=True)
    values = {}
    for side in (8, 32):
        small = torch.nn.functional.interpolate(images.float(), (side, side), mode="area")
        sr = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear").round().byte()
        keys = [s.key for s in samples]
        facts = [s.attributes for s in samples]
        metric.update(ScoreBatch(keys, sr, images, None, [None] * len(keys), [], facts))
        values[side] = metric.results(Intervals(replicates=0, groups=1))
        metric.reset()
    name = "attribute_diff@synthface_attributes"
    assert values[8][name].value > 2 * values[32][name].value > 0
    assert values[8][f"{name}:glasses"].value > values[32][f"{name}:glasses"].value
    assert values[8][f"{name}/male"].settings["classifier_error"] == classifier.group_error["male"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nobody\.safetensors does not exist"):
        resnet_attributes(str(tmp_path / "nobody.safetensors"))


def test_an_attribute_stored_as_one_half_is_there():
    metric = AttributeDiff(Colours(), groups=["male"])
    metric.update(batch_of(SR, HR, [{"male": 0.5}, {"male": 0.49}, {}, {}]))
    values = metric.results(Intervals())
    assert values["attribute_diff@colours/male"].value == pytest.approx(BY_HAND[0], abs=1e-6)
    assert values["attribute_diff@colours/not_male"].value == pytest.approx(BY_HAND[1], abs=1e-6)
