"""FID, KID and fd_squeezenet of images, against torchmetrics and torch-fidelity; the suite's rules."""

import dataclasses
import json
import os
import sys
from importlib.metadata import version
from inspect import signature
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn

from facesr_bench.datasets.synthface import render_face
from facesr_bench.errors import DataError, MissingRequirement, NotComputed, WeightsError
from facesr_bench.images import encode_png
from facesr_bench.metrics import feature_cache
from facesr_bench.metrics.base import Expected, ScoreBatch
from facesr_bench.metrics.building import build_measures
from facesr_bench.metrics.choosing import compose_metrics
from facesr_bench.metrics.distances import FeatureDistance
from facesr_bench.metrics.frechet import frechet_distance
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.kid import kernel_distance
from facesr_bench.metrics.reference_halves import halves
from facesr_bench.metrics.suite import MetricSuite
from metrics.fabricated import FabricatedWeights
from metrics.sharding import assert_shards_agree, intervals_of, part

REAL = os.environ.get("FACESR_TEST_WEIGHTS")


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory):
    """The FID Inception's layout with random weights that keep the signal's size; 95 MB."""
    from torch_fidelity import feature_extractor_inceptionv3 as module

    kind = module.FeatureExtractorInceptionV3
    with (
        mock.patch.object(module, "load_state_dict_from_url", lambda *_, **__: {}),
        mock.patch.object(kind, "load_state_dict", lambda *_: None),
    ):
        network = kind("fabricated", ["2048"])
    generator = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))
    return FabricatedWeights(tmp_path / "fabricated", monkeypatch)


@pytest.fixture
def inception(weights, inception_file):
    weights.put("fid_inception", lambda path: os.link(inception_file, path))
    return inception_file


@pytest.fixture
def squeezenet(weights):
    from torchvision.models import squeezenet1_1

    torch.manual_seed(3)
    network = squeezenet1_1(weights=None)
    weights.put("squeezenet1_1", lambda path: torch.save(network.state_dict(), path))
    return network


def images(number, seed, side=32):
    """Waves of random colour and size, uint8 (N, 3, side, side): far apart for any network."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(*[np.arange(side)] * 2)
    planes = [
        rng.uniform(60, 200) + rng.uniform(0, 60) * np.sin(rng.uniform(0.05, 1) * x + i * y / 9)
        for i in range(3 * number)
    ]
    grain = rng.normal(0, 8, (3 * number, side, side))
    return torch.from_numpy(
        np.clip(np.stack(planes) + grain, 0, 255).astype(np.uint8).reshape(number, 3, side, side)
    )


def a_batch(number, side=32, hr_seed=1, people=True):
    keys = [f"{i:03d}.png" for i in range(number)]
    who = [f"person {i // 3}" if people else None for i in range(number)]
    return ScoreBatch(keys, images(number, 2, side), images(number, hr_seed, side), None, who)


def scored(metric, batch, expected=None, groups=20):
    if expected is not None:
        metric.expect(expected)
    metric.update(batch)
    return metric.results(dataclasses.replace(intervals_of(batch), groups=groups))


# -- the FID Inception ----------------------------------------------------------------------------


def test_fid_and_kid_equal_torchmetrics_and_torch_fidelity(inception, tmp_path):
    """One test, since every pass and every 2048 x 2048 eigenvalue problem of theirs takes seconds."""
    from torch_fidelity import calculate_metrics
    from torchmetrics.image.fid import FrechetInceptionDistance

    batch = a_batch(4, side=48)
    metric = FeatureDistance("fid_inception", "toy", allow_small=True)
    ours = scored(metric, batch)
    assert list(ours) == ["fid_n4@toy", "fid_jk_n4@toy", "kid_n4@toy"] == list(metric.keys)
    fid, _, kid = ours.values()
    assert fid.settings["resize"] == "bilinear 299 without antialias (TensorFlow 1)"
    assert len(fid.settings["weights_sha256"]) == 16
    assert (fid.settings["n_sr"], fid.settings["n_reference"]) == (4, 4)

    arguments = {"feature_extractor_weights_path": str(inception), "antialias": False}
    if arguments.keys() <= signature(FrechetInceptionDistance).parameters.keys():
        torchmetrics = FrechetInceptionDistance(feature=2048, **arguments)
        torchmetrics.update(batch.hr, real=True)
        torchmetrics.update(batch.sr, real=False)
        assert fid.value == pytest.approx(float(torchmetrics.compute()), rel=1e-4)
    else:  # an old one can only download its weights
        assert version("torchmetrics").split(".")[:2] in (["1", "4"], ["1", "5"], ["1", "6"])

    for name, some in (("sr", batch.sr), ("hr", batch.hr)):
        (tmp_path / name).mkdir()
        for key, image in zip(batch.keys, some.permute(0, 2, 3, 1).numpy(), strict=True):
            (tmp_path / name / key).write_bytes(encode_png(np.ascontiguousarray(image)))
    theirs = calculate_metrics(
        input1=str(tmp_path / "sr"), input2=str(tmp_path / "hr"), cuda=False, fid=True, kid=True,
        kid_subset_size=2, feature_extractor_weights_path=str(inception), cache=False,
        verbose=False, save_cpu_ram=True,
    )  # fmt: skip
    assert fid.value == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    # torch-fidelity takes the kernel in float32 here; test_kid.py has equal features in float64.
    mean = theirs["kernel_inception_distance_mean"]
    assert kid.value == pytest.approx(mean, abs=1e-6) and abs(mean) > 1e-3
    assert kid.spread == pytest.approx(theirs["kernel_inception_distance_std"], abs=1e-6)
    assert kid.ci95 is None and kid.settings["subsets"] == "100 of 2"


def test_inception_files_without_counters_and_in_half_precision_are_taken(weights, inception_file):
    state = torch.load(inception_file, weights_only=True)
    half = {k: v.half() for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert len(half) == 472
    weights.put("fid_inception", lambda path: torch.save(half, path))
    network = FeatureDistance("fid_inception", "toy")._network
    expected = state["Mixed_7c.branch1x1.conv.weight"].half().float()
    extractor = network.frozen.network.extractor
    assert torch.equal(extractor.Mixed_7c.branch1x1.conv.weight, expected)
    del half["Mixed_7c.branch1x1.conv.weight"]
    weights.put("fid_inception", lambda path: torch.save(half, path))
    with pytest.raises(WeightsError, match="does not fit the FID Inception"):
        FeatureDistance("fid_inception", "toy")


def test_missing_weights_are_told_before_anything_runs(weights):
    with pytest.raises(
        MissingRequirement, match="facesr-bench weights import FILE --as fid_incept"
    ):
        FeatureDistance("fid_inception", "toy")


def test_all_that_is_missing_is_in_one_message(weights, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(MissingRequirement) as caught:
        FeatureDistance("fid_inception", "toy", reference="ffhq")
    reference, package, file = str(caught.value).split("; and ")
    assert "reference save FOLDER --name ffhq" in reference
    assert package.endswith("pip install torch-fidelity")
    assert file.endswith("weights import FILE --as fid_inception")


# -- values, floor, jackknife ---------------------------------------------------------------------


def test_squeezenet_features_as_defined(squeezenet):
    batch = a_batch(5, side=47)  # odd: torchvision's pooling rounds up
    rows = FeatureDistance("squeezenet1_1", "toy").features(batch.sr).numpy()
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    with torch.no_grad():
        maps = squeezenet.eval().features[:8]((batch.sr / 255 - mean) / std)
    np.testing.assert_allclose(rows, maps.mean((2, 3)).numpy(), rtol=1e-4, atol=1e-6)
    assert rows.shape == (5, 256) and rows.std(axis=0).max() > 0


def test_ranks_and_batches_cannot_move_a_distance(squeezenet):
    assert_shards_agree(
        lambda: FeatureDistance("squeezenet1_1", "toy", allow_small=True), a_batch(25)
    )


def test_value_interval_corrected_value_and_floor(squeezenet):
    batch = a_batch(30)
    metric = FeatureDistance("squeezenet1_1", "toy", allow_small=True)
    got = scored(metric, batch)
    assert list(got) == ["fd_squeezenet_n30@toy", "fd_squeezenet_jk_n30@toy"]
    value, corrected = got.values()
    sr, hr = metric.features(batch.sr).numpy(), metric.features(batch.hr).numpy()
    assert value.value == pytest.approx(frechet_distance(sr, hr), rel=1e-6)
    labels = Intervals().group_labels(30)
    left = [frechet_distance(sr[labels != g], hr[labels != g]) for g in range(20)]
    assert value.replicates == pytest.approx(left, rel=1e-5)
    se = np.sqrt(19 / 20 * np.sum((left - np.mean(left)) ** 2))
    assert value.se == pytest.approx(se, rel=1e-4) and value.ci_kind == "jackknife"
    assert value.ci95 == pytest.approx((value.value - 1.96 * se, value.value + 1.96 * se), rel=1e-4)
    assert corrected.value == pytest.approx(20 * value.value - 19 * np.mean(left), rel=1e-4)
    assert corrected.se == value.se and corrected.floor is None
    assert value.settings["jackknife"]["left_out_of"] == "both sets"
    one, other = halves(batch.keys, 2020, intervals_of(batch))
    half = frechet_distance(hr[one], hr[other])
    quarters = [frechet_distance(hr[one[i::2]], hr[other[i::2]]) for i in (0, 1)]
    # Falling on as it fell from quarters to halves; at most as 1 / n.
    assert value.floor == pytest.approx(half * max(0.5, half / np.mean(quarters)), rel=1e-6)
    assert "share no known person; times 0.5^" in value.floor_is
    assert value.n == value.settings["n_reference"] == 30
    json.dumps(value.to_json(), allow_nan=False)


def test_halves_share_no_person():
    keys = [f"{i:02d}" for i in range(23)]
    people = Intervals(identities={key: f"p{i // 4}" for i, key in enumerate(keys[:20])})
    one, other = halves(keys, 7, people)
    assert sorted([*one, *other]) == list(range(23)) and abs(len(one) - len(other)) <= 4
    sides = [set(people.units(keys)[side].tolist()) for side in (one, other)]
    assert not sides[0] & sides[1]
    assert halves(keys, 8, people)[0].tolist() != one.tolist()
    assert halves(keys[:3], 7, None) is None  # a half of one image has no covariance


def test_a_distance_grows_with_damage(squeezenet):
    batch = a_batch(24)
    values = []
    for noise in (2, 20, 60):
        grain = torch.randint(-noise, noise + 1, batch.hr.shape, generator=torch.manual_seed(0))
        sr = (batch.hr + grain).clamp(0, 255).to(torch.uint8)
        metric = FeatureDistance("squeezenet1_1", "toy", allow_small=True)
        values.append(
            scored(metric, dataclasses.replace(batch, sr=sr))["fd_squeezenet_n24@toy"].value
        )
    assert 0 < values[0] < values[1] < values[2]


# -- few images -----------------------------------------------------------------------------------


def test_too_few_images_are_refused_before_and_after(squeezenet, inception):
    for network, least in (("fid_inception", 1000), ("squeezenet1_1", 400)):
        metric = FeatureDistance(network, "toy")
        with pytest.raises(
            NotComputed, match=rf"at least {least} images .* are {least - 1} .*allow_s"
        ):
            metric.expect(Expected(least - 1))
        metric.expect(Expected(least))
    metric.update(a_batch(6))  # told of 400, six came
    with pytest.raises(NotComputed, match="at least 400 images on each side, but there are 6"):
        metric.results(Intervals())
    for network, least in (("fid_inception", 4), ("squeezenet1_1", 2)):
        metric = FeatureDistance(network, "toy", allow_small=True)
        with pytest.raises(
            NotComputed, match=rf"at least {least} images on each side, but there is 1$"
        ):
            metric.expect(Expected(1))
    alone = FeatureDistance("squeezenet1_1", "toy", allow_small=True)
    alone.update(a_batch(1))
    with pytest.raises(NotComputed, match=r"there is 1$"):
        alone.results(Intervals())


def test_enough_images_have_the_plain_name_though_few_are_allowed(squeezenet):
    metric = FeatureDistance("squeezenet1_1", "toy", allow_small=True)
    metric.expect(Expected(400))
    assert metric.keys == ("fd_squeezenet@toy", "fd_squeezenet_jk@toy")
    metric.reset()
    metric.expect(Expected(399))
    assert metric.keys == ("fd_squeezenet_n399@toy", "fd_squeezenet_jk_n399@toy")


def test_two_images_have_a_value_but_no_interval(squeezenet):
    got = scored(FeatureDistance("squeezenet1_1", "toy", allow_small=True), a_batch(2))
    assert list(got) == ["fd_squeezenet_n2@toy"]
    value = got["fd_squeezenet_n2@toy"]
    assert value.value > 0 and value.ci95 is None and value.floor is None


def test_the_corrected_value_of_two_images_is_named_with_the_reason(squeezenet):
    metric = FeatureDistance("squeezenet1_1", "toy", allow_small=True)
    scores = MetricSuite([metric]).score([a_batch(2)], Expected(2))
    assert list(scores.values) == ["fd_squeezenet_n2@toy"]
    assert "at least three images" in scores.skipped["fd_squeezenet_jk_n2@toy"]
    scores = MetricSuite([metric]).score([a_batch(3)], Expected(3))  # nothing is left of the former
    assert len(scores.values) == 2 and not scores.skipped


def test_images_too_small_for_the_network_are_not_computed(squeezenet):
    metric = FeatureDistance("squeezenet1_1", "toy", allow_small=True)
    assert np.isfinite(scored(metric, a_batch(3, side=9))["fd_squeezenet_n3@toy"].value)
    few = MetricSuite([FeatureDistance("squeezenet1_1", "toy", allow_small=True)])
    scores = few.score([a_batch(3, side=8)], Expected(3))
    assert not scores.failed
    assert "at least 9x9 pixels, not 8x8" in scores.skipped["fd_squeezenet@toy"]


# -- features kept between runs -------------------------------------------------------------------


def plain(results):
    return {name: value.to_json() for name, value in results.items()}


def run_with_cache(batch, hr_hash="abc", monkeypatch=None):
    metric = FeatureDistance("squeezenet1_1", "toy", allow_small=True)
    metric.expect(Expected(len(batch.keys), hr_hash))
    for indices in ([0, 1, 2], list(range(3, len(batch.keys)))):
        metric.update(part(batch, indices))
    computed = len(metric.rows()["hr"]) if "hr" in metric.rows() else 0
    return plain(metric.results(intervals_of(batch))), computed


def test_the_cache_spares_the_network_and_changes_nothing(squeezenet, tmp_path):
    batch = a_batch(12)
    without, computed = run_with_cache(batch, hr_hash=None)
    assert computed == 12 and not (tmp_path / "cache").exists()
    first, computed = run_with_cache(batch)
    assert computed == 12
    second, computed = run_with_cache(batch)
    assert computed == 0
    assert without == first == second
    [file] = (tmp_path / "cache" / "features").glob("*.npz")
    for damage in (file.read_bytes()[:-200], b"PK", file.read_bytes().replace(b"\x3f", b"\x3e")):
        file.write_bytes(damage)
        again, computed = run_with_cache(batch)
        assert again == first and computed == 12
        assert run_with_cache(batch)[1] == 0  # and it is whole again
    other, computed = run_with_cache(a_batch(12, hr_seed=9), hr_hash="xyz")
    assert computed == 12 and other != first


def test_other_weights_do_not_see_the_cache(squeezenet, weights):
    batch = a_batch(8)
    before, _ = run_with_cache(batch)
    with torch.no_grad():
        squeezenet.features[0].weight *= 1.5
    weights.put("squeezenet1_1", lambda path: torch.save(squeezenet.state_dict(), path))
    after, computed = run_with_cache(batch)
    assert computed == 8 and after != before


def test_ranks_that_found_different_caches_still_agree(squeezenet):
    batch = a_batch(12)
    expected, _ = run_with_cache(batch)
    early, late = (FeatureDistance("squeezenet1_1", "toy", allow_small=True) for _ in range(2))
    late.update(part(batch, list(range(6))))  # knew of no cache
    early.expect(Expected(12, "abc"))
    early.update(part(batch, list(range(6, 12))))
    tables = early.rows()
    for name, table in late.rows().items():
        keys = table.keys
        early.add(name, keys, table.take(keys))
    assert len(tables["sr"]) == 12 and len(tables["hr"]) == 6
    assert plain(early.results(intervals_of(batch))) == expected
    early._hr_file.unlink()
    with pytest.raises(
        DataError, match="features of 6 HR images, kept by an earlier run, have gone"
    ):
        early.results(intervals_of(batch))


def test_a_cache_that_cannot_be_written_costs_no_result(squeezenet, monkeypatch, caplog):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(feature_cache, "write_atomically", full)
    assert run_with_cache(a_batch(6))[0]
    assert "No space left" in caplog.text


# -- in the suite ---------------------------------------------------------------------------------


def test_measures_build_and_a_suite_scores_them(squeezenet):
    names = ("fd_squeezenet", "fd_vgg16_random")
    given = {"set_name": "toy", "seed": 2020, "allow_small": True, "downsample": None}
    built, _ = build_measures(compose_metrics(names), given)
    batch = a_batch(6)
    scores = MetricSuite(built).score([batch], Expected(6, "h"))
    assert not scores.failed and not scores.skipped
    stand_in = scores.values["fd_vgg16_random@toy"]
    assert stand_in.settings["stand_in"] is True and len(stand_in.settings["weights_sha256"]) == 16
    again = scored(FeatureDistance("vgg16_random", "toy"), batch)["fd_vgg16_random@toy"]
    assert again.value == stand_in.value > 0
    few = MetricSuite([FeatureDistance("squeezenet1_1", "toy")]).score([batch], Expected(6))
    assert "at least 400 images" in few.skipped["fd_squeezenet@toy"]


def test_the_fid_measure_names_its_network():
    node = compose_metrics(["fid_kid"])["measures"]["fid_kid"]
    assert node["network"] == "fid_inception" and node["reference"] is None


def test_kid_has_floor_and_seed(weights, inception, monkeypatch):
    """The values only; the network is replaced by one that is quick."""
    metric = FeatureDistance("fid_inception", "toy", seed=5, allow_small=True)
    rng = np.random.default_rng(0)
    keys = [f"{i:02d}" for i in range(40)]
    sr, hr = (rng.uniform(0, top, (40, 2048)).astype(np.float32) for top in (1.0, 1.1))
    metric.add("sr", keys, sr)
    metric.add("hr", keys, hr)
    kid = metric.results(Intervals(groups=1))["kid_n40@toy"]
    expected = kernel_distance(sr, hr, 5)
    assert (kid.value, kid.spread) == (expected.mean, expected.spread)
    one, other = halves(keys, 2020, None)
    assert kid.floor == kernel_distance(hr[one], hr[other], 5).mean
    assert kid.settings["seed"] == 5 and kid.replicates is None


@pytest.mark.skipif(REAL is None, reason="FACESR_TEST_WEIGHTS names no weights folder")
def test_real_squeezenet_orders_damage(monkeypatch, tmp_path):
    import cv2

    monkeypatch.setenv("FACESR_WEIGHTS", str(REAL))
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path))
    hr = [render_face(2020, person, 0, 64).image for person in range(40)]

    def value(damaged):
        sr, real = (torch.from_numpy(np.stack(x)).permute(0, 3, 1, 2) for x in (damaged, hr))
        keys = [f"{i:02d}" for i in range(40)]
        metric = FeatureDistance("squeezenet1_1", "faces", allow_small=True)
        return scored(metric, ScoreBatch(keys, sr, real, None, keys))["fd_squeezenet_n40@faces"]

    blurred = [value([cv2.GaussianBlur(x, (0, 0), sigma) for x in hr]) for sigma in (0.5, 1, 2)]
    assert 0 < blurred[0].value < blurred[1].value < blurred[2].value
    assert blurred[2].value > blurred[2].floor > 0
