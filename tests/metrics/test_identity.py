"""Identity: the crop, the counterparts, the thresholds, and what is said when something is missing."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.transform import SimilarityTransform

from facesr_bench.errors import ConfigError, MissingRequirement, NotComputed
from facesr_bench.faces.alignment import TEMPLATE, aligned, crop, similarity, template
from facesr_bench.faces.recognition import RECOGNISERS
from facesr_bench.faces.yunet import Face
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.identity import Identity
from facesr_bench.metrics.identity_scores import _above, against_hr
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.verification import (
    Calibration,
    accepting,
    calibrate,
    degrees,
    distances,
    other_photos,
    unit,
)
from facesr_bench.nets.mobilefacenet import MobileFaceNet
from metrics.fabricated import FabricatedWeights
from metrics.sharding import assert_shards_agree, intervals_of

REAL = os.environ.get("FACESR_TEST_WEIGHTS")
NET = "mobilefacenet"
POINTS = np.array([[22, 28], [42, 27], [32, 39], [24, 48], [41, 47]], dtype=np.float32)


# -- alignment ------------------------------------------------------------------------------------


def turned(
    points: np.ndarray, angle: float, scale: float, shift: tuple[float, float]
) -> np.ndarray:
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + np.array(shift)


def smooth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A picture that can be looked up anywhere, on 0..255."""
    planes = [np.sin(x / 9 + k) * np.cos(y / 11 - k) for k in range(3)]
    return 127 + 100 * np.stack(planes)


def test_similarity_is_the_least_squares_one_of_scikit_image():
    rng = np.random.default_rng(0)
    for _ in range(5):
        source = TEMPLATE * 3 + rng.normal(0, 8, (5, 2))
        if hasattr(SimilarityTransform, "from_estimate"):  # scikit-image 0.26
            expected = SimilarityTransform.from_estimate(source, TEMPLATE)
        else:
            expected = SimilarityTransform()
            assert expected.estimate(source, TEMPLATE)
        assert similarity(source, TEMPLATE) == pytest.approx(expected.params[:2], abs=1e-9)


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
def test_a_turned_scaled_and_shifted_face_gives_the_same_crop(angle):
    """The image is written down analytically, so that only the crop's own interpolation is left."""
    scale, shift = 1.3, (115.0, 120.0)
    y, x = np.mgrid[:240, :240].astype(np.float64)
    pose = turned(POINTS, angle, scale, shift)
    pixels = np.stack([x.ravel(), y.ravel()], axis=1) - np.array(shift)
    back = (turned(pixels, -angle, 1 / scale, (0, 0))).T.reshape(2, 240, 240)
    images = torch.from_numpy(np.stack([smooth(*back)])).float()
    straight = torch.from_numpy(np.stack([smooth(x, y)])).float()
    (moved,), kept = aligned(images, [pose], (112, 112))
    (still,), _ = aligned(straight, [POINTS], (112, 112))
    inner = slice(30, 100)  # the straight image begins at 0; what lies before is black there only
    assert kept == [0]
    gap = (moved - still)[:, inner, inner].abs()
    assert float(gap.max()) < 1.0 and float(still.std()) > 20


def test_landmarks_land_on_the_template_and_outside_is_black():
    image = torch.zeros(3, 64, 64)
    for value, (x, y) in enumerate(POINTS.astype(int), start=1):
        image[:, y - 1 : y + 2, x - 1 : x + 2] = 40.0 * value
    to = similarity(POINTS, TEMPLATE)
    assert to is not None
    out = crop(image, to, (112, 112))
    exact = POINTS @ to[:, :2].T + to[:, 2]
    assert np.abs(exact - TEMPLATE).max() < 4  # five points do not fit exactly
    for value, (x, y) in enumerate(exact, start=1):
        assert float(out[0, round(y), round(x)]) == pytest.approx(40.0 * value, abs=1e-3)
    shifted = np.array([[1.0, 0, 100], [0, 1.0, 100]])
    assert float(crop(torch.full((3, 64, 64), 255.0), shifted, (112, 112))[:, :98, :].max()) == 0.0


def test_an_identity_warp_returns_the_pixels():
    image = torch.rand(3, 112, 112) * 255
    same = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    assert float((crop(image, same, (112, 112)) - image).abs().max()) < 2e-3
    assert (crop(image, same, (112, 96)) - image[:, :, :96]).abs().max() < 2e-3


def test_templates_of_other_crops_show_the_same_part():
    assert template(112, 96) == pytest.approx(TEMPLATE - [8, 0])
    assert (template(224, 224) + 0.5) / 2 - 0.5 == pytest.approx(TEMPLATE)
    with pytest.raises(ValueError, match="100x50"):
        template(100, 50)


def test_landmarks_that_say_nothing_give_no_crop():
    spoiled = POINTS.copy()
    spoiled[2, 0] = np.nan
    images = torch.zeros(4, 3, 64, 64, dtype=torch.uint8)
    crops, kept = aligned(images, [None, POINTS, spoiled, np.ones((5, 2))], (112, 96))
    assert kept == [1] and crops.shape == (1, 3, 112, 96)


# -- from embeddings to scores --------------------------------------------------------------------


def at(*angles: float) -> np.ndarray:
    """Unit vectors in the plane at these degrees."""
    radians = np.radians(angles)
    return unit(np.stack([np.cos(radians), np.sin(radians)], axis=1))


def test_angles_and_distances():
    a, b = at(0, 10, 90, 5), at(0, 70, 270, 5.00001)
    assert degrees(a, b) == pytest.approx([0, 60, 180, 1e-5], abs=1e-9)
    assert distances(a, b)[:3] == pytest.approx([0, 1, 2])


def test_the_next_photo_of_a_person_is_cyclic_and_skips_what_cannot_be_compared():
    keys = ["a", "b", "c", "d", "e", "f", "g"]
    people = {"a": "P", "c": "P", "e": "P", "b": "Q", "d": "R", "g": "R"}
    usable = np.array([True, True, True, True, False, True, False])
    assert other_photos(keys, people, usable).tolist() == [2, -1, 0, -1, 0, -1, 3]


def test_the_threshold_accepts_exactly_the_share_asked_for():
    cosines = np.random.default_rng(0).permutation(np.arange(2000) / 2000)
    threshold = accepting(cosines, 1e-3)
    assert threshold == 1997 / 2000
    assert int(np.sum(cosines > threshold)) == 2
    assert accepting(np.array([0.5, 0.7]), 1e-3) == 0.7


def test_impostors_are_pairs_of_different_known_people():
    keys = ["a", "b", "c", "d", "e"]
    people = {"a": "P", "b": "P", "c": "Q", "d": "Q"}  # e may be anybody
    found = calibrate(keys, at(0, 10, 60, 100, 10), people, seed=0)
    assert (found.pairs, found.images) == (4, 4)
    assert found.threshold == pytest.approx(np.cos(np.radians(50)))  # b and c, the nearest two
    without = np.vstack([at(0, 10), [[np.nan, np.nan]], at(100, 10)])
    assert calibrate(keys, without, people, seed=0).pairs == 2


def circle(
    people: int, photos: int, rng: np.random.Generator
) -> tuple[list[str], dict, np.ndarray]:
    """A crowd in many dimensions: photos of a person lie around the person."""
    centres = rng.normal(size=(people, 1, 24))
    vectors = unit((centres + 0.6 * rng.normal(size=(people, photos, 24))).reshape(-1, 24))
    keys = [f"{person:03d}/{photo}.png" for person in range(people) for photo in range(photos)]
    return keys, {key: key[:3] for key in keys}, vectors


def test_scores_of_a_crowd_by_plain_loops():
    rng = np.random.default_rng(1)
    keys, people, hr = circle(60, 3, rng)
    sr = unit(hr + 0.15 * rng.normal(size=hr.shape))
    columns = against_hr(keys, sr, hr, people, seed=0)
    impostors = sorted(
        float(hr[i] @ hr[j])
        for i in range(len(keys))
        for j in range(i)
        if people[keys[i]] != people[keys[j]]
    )
    threshold = impostors[-1 - len(impostors) // 1000]
    other = [float(sr[i] @ hr[i + 1 if i % 3 < 2 else i - 2]) for i in range(len(keys))]
    own = [float(a @ b) for a, b in zip(sr, hr, strict=True)]
    got = {name: column.scores for name, column in columns.items()}
    assert got["identity_cos@{}-own"] == pytest.approx(own)
    assert got["identity_cos@{}-other"] == pytest.approx(other)
    assert got["tar_far1e-3@{}-other"].tolist() == [float(x > threshold) for x in other]
    assert 0.3 < np.mean(got["tar_far1e-3@{}-other"]) < np.mean(got["tar_far1e-3@{}-own"])
    told = columns["tar_far1e-3@{}-other"].settings
    assert told["impostor_pairs"] == len(impostors) == 60 * 59 // 2 * 9
    assert told["threshold"] == round(threshold, 3)
    perfect = columns["identity_cos@{}-other"].perfect
    assert perfect[:3] == pytest.approx([hr[0] @ hr[1], hr[1] @ hr[2], hr[2] @ hr[0]])


def test_too_few_impostors_or_no_second_photo_leave_names_out_with_the_reason():
    keys, people, hr = circle(20, 1, np.random.default_rng(2))
    columns = against_hr(keys, hr, hr, people, seed=0)
    assert "10000 pairs" in columns["tar_far1e-3@{}-own"] and "190" in columns["tar_far1e-3@{}-own"]
    assert "another photo" in columns["identity_cos@{}-other"]
    assert not isinstance(columns["identity_cos@{}-own"], str)


# -- the metric -----------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A MobileFaceNet of random but lively weights in the published layout."""
    torch.manual_seed(0)
    network = MobileFaceNet()
    for name, values in network.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(0.05, 0.2)
    folder = FabricatedWeights(tmp_path, monkeypatch)
    state = {"net_state_dict": network.state_dict()}
    folder.put("mobilefacenet_casia", lambda path: torch.save(state, path))
    return folder


def faces(number: int = 7) -> ScoreBatch:
    """Structured images; SR is HR with growing blocks, image 3 has no landmarks."""
    y, x = np.mgrid[:64, :64]
    hr = np.stack([smooth(x * (1 + k / 4), y + 9 * k) for k in range(number)]).round()
    sr = hr.copy()
    for index in range(number):
        sr[index, :, : 9 * index] = np.flip(sr[index, :, : 9 * index], axis=1)
    tensors = (torch.from_numpy(images).to(torch.uint8) for images in (sr, hr))
    landmarks = [POINTS + k / 3 for k in range(number)]
    people = [None if k == 5 else f"P{k % 3}" for k in range(number)]
    keys = [f"{k}.png" for k in range(number)]
    batch = ScoreBatch(keys, *tensors, None, people, landmarks)
    batch.landmarks[3] = None
    return batch


class Sees:
    """A detector that finds a face where the image's corner is bright."""

    settings = {"detector": "stub"}  # noqa: RUF012

    def best(self, image):
        score = 0.95 if image[0, 0, 0] > 100 else 0.61
        return Face(score, (0, 0, 64, 64), POINTS)


def scored(metric: Identity, batch: ScoreBatch):
    metric.update(batch)
    return metric.results(intervals_of(batch))


def test_hr_against_itself_is_the_same_person_exactly(weights):
    batch = faces()
    values = scored(Identity(NET, "stored"), replace(batch, sr=batch.hr))
    assert values[f"identity_cos@{NET}-own"].value == pytest.approx(1.0, abs=1e-12)
    assert values[f"deg@{NET}-own"].value == 0.0
    other = values[f"identity_cos@{NET}-other"]
    assert other.value == pytest.approx(other.floor) and other.value < 0.999


def test_the_rows_are_what_the_network_says_of_the_crops(weights):
    batch = faces()
    metric = Identity(NET, "stored")
    values = scored(metric, batch)
    network = metric.network.network

    def embed(images):
        crops, kept = aligned(images, batch.landmarks, (112, 96))
        with torch.no_grad():
            return kept, network((crops - 127.5) / 128).double().numpy()

    kept, sr = embed(batch.sr)
    _, hr = embed(batch.hr)
    own = np.sum(sr * hr, axis=1)
    assert kept == [0, 1, 2, 4, 5, 6] and own.min() < 0.99
    column = metric.per_image()[f"identity_cos@{NET}-own"]
    assert [column[batch.keys[index]] for index in kept] == pytest.approx(own, abs=1e-5)
    assert np.isnan(column["3.png"])
    value = values[f"identity_cos@{NET}-own"]
    assert (value.n, value.not_scored) == (6, 1)
    assert value.value == pytest.approx(own.mean(), abs=1e-5)
    # P0 is 0 and 6 (3 has no landmarks), P1 is 1 and 4, P2 is 2 alone: 5 is nobody known.
    assert values[f"identity_cos@{NET}-other"].n == 4
    assert values[f"deg@{NET}-own"].higher_is_better is False
    assert (
        value.settings["weights"] == "mobilefacenet_casia"
        and value.settings["landmarks"] == "stored"
    )
    assert set(metric.omitted()) == {f"tar_far1e-3@{NET}-own", f"tar_far1e-3@{NET}-other"}


def test_ranks_and_batches_cannot_move_it(weights):
    def build():
        return Identity(NET, "auto", 1.1, True, detector=Sees())

    assert_shards_agree(build, faces())


def test_verification_needs_a_near_embedding_and_a_face_in_both(weights):
    batch = faces()
    metric = Identity(NET, "stored", verification_distance=0.4)
    scored(metric, batch)
    angle = metric.per_image()[f"deg@{NET}-own"]
    near = {key: float(2 * np.sin(np.radians(a) / 2) < 0.4) for key, a in angle.items()}
    column = metric.per_image()[f"verification_acc@{NET}"]
    known = [key for key in batch.keys if key != "3.png"]
    assert {key: column[key] for key in known} == {key: near[key] for key in known}
    assert {0.0, 1.0} == {near[key] for key in known}
    batch.sr[0, :, 0, 0] = 0  # the detector stub is blind to the first image now
    batch.hr[1:, :, 0, 0] = batch.sr[1:, :, 0, 0] = 255
    strict = Identity(NET, "stored", 2.0, True, detector=Sees())
    value = scored(strict, batch)[f"verification_acc@{NET}"]
    assert strict.per_image()[f"verification_acc@{NET}"]["0.png"] == 0.0
    assert value.value == pytest.approx(5 / 6)
    assert value.settings["face_found_in_both"] == {"detector": "stub", "score_above": 0.9}


def test_without_hr_the_enlarged_lr_is_the_counterpart(weights):
    batch = faces()
    lr = torch.nn.functional.avg_pool2d(batch.hr.float(), 4).round().to(torch.uint8)
    metric = Identity(NET, "stored")
    values = scored(metric, replace(batch, hr=None, lr=lr))
    assert set(values) == set(metric.keys) == {f"identity_cos@{NET}-lr", f"deg@{NET}-lr"}
    assert -1 < values[f"identity_cos@{NET}-lr"].value < 0.999
    with pytest.raises(NotComputed, match="neither"):
        Identity(NET, "stored").update(replace(batch, hr=None))


def test_landmarks_the_data_set_lacks_are_found_on_hr(weights):
    batch = faces()
    values = scored(Identity(NET, "auto", detector=Sees()), batch)
    value = values[f"identity_cos@{NET}-own"]
    assert value.not_scored == 0
    assert value.settings["landmarks"] == "6 stored, 1 found on HR, score > 0.6"
    assert value.settings["landmarks_from"] == {"detector": "stub"}
    nothing = replace(batch, landmarks=[None] * len(batch.keys))
    with pytest.raises(NotComputed, match="stores no landmarks"):
        scored(Identity(NET, "stored"), nothing)


class Blind:
    settings = {"detector": "stub"}  # noqa: RUF012

    def best(self, image):
        return None


def test_where_no_face_is_found_the_reason_names_the_image_looked_at(weights):
    nothing = replace(faces(), landmarks=[None] * 7)
    small = torch.zeros(7, 3, 16, 16, dtype=torch.uint8)
    for batch, said in (
        (nothing, "no face was found on HR"),
        (replace(nothing, hr=None, lr=small), "no face was found on the enlarged LR"),
    ):
        with pytest.raises(NotComputed, match=said):
            scored(Identity(NET, "auto", detector=Blind()), batch)


@pytest.mark.parametrize(
    ("name", "divisor"),
    [("mobilefacenet", 128.0), ("mobilefacenet_y1", 128.0), ("arcface", 127.5), ("facenet", 128.0)],
)
def test_pixels_are_scaled_as_each_network_was_trained(name, divisor):
    scaled = RECOGNISERS[name].prepare(torch.tensor([0.0, 127.5, 255.0], dtype=torch.float64))
    assert scaled.tolist() == [-127.5 / divisor, 0.0, 127.5 / divisor]
    assert RECOGNISERS[name].settings["input"] == f"rgb, (x - 127.5) / {divisor:g}"
    ours = {"synthface"}  # of the embedded faces; tests/nets/test_identity_cnn.py
    assert set(RECOGNISERS) - ours == {"mobilefacenet", "mobilefacenet_y1", "arcface", "facenet"}


def test_what_is_missing_or_wrong_is_told_at_construction(weights):
    for name, weight in (("mobilefacenet_y1", "mobilefacenet_y1"), ("arcface", "arcface_irse50")):
        with pytest.raises(MissingRequirement, match=weight):
            Identity(name)
    for origin in ("detect", "auto"):
        with pytest.raises(MissingRequirement, match="yunet"):
            Identity(NET, origin)
    with pytest.raises(MissingRequirement, match="yunet"):
        Identity(NET, "stored", 1.1, True)
    with pytest.raises(MissingRequirement) as both:
        Identity("facenet", "auto", 1.1, True)
    assert "--as facenet_vggface2; and weights 'yunet'" in str(both.value)
    assert str(both.value).count("--as yunet") == 1
    assert "landmarks=stored" not in str(both.value)  # verifying needs YuNet all the same
    for arguments, word in (
        (("resnet",), "resnet"),
        ((NET, "guessed"), "guessed"),
        ((NET, "stored", 3.0), "verification_distance"),
    ):
        with pytest.raises(ConfigError, match=word):
            Identity(*arguments)


def test_it_can_be_pickled_with_its_rows(weights):
    batch = faces()
    metric = Identity(NET, "stored")
    before = scored(metric, batch)
    again: Callable[[Intervals], object] = pickle.loads(pickle.dumps(metric)).results
    assert again(intervals_of(batch)) == before


@pytest.mark.skipif(REAL is None, reason="FACESR_TEST_WEIGHTS names no weights folder")
def test_with_the_real_network_a_blurred_copy_is_nearer_than_a_coarse_one(monkeypatch):
    from facesr_bench.datasets.synthface import render_face

    monkeypatch.setenv("FACESR_WEIGHTS", str(REAL))
    drawn = [
        render_face(2020, person, photo, 64, "studio") for person in range(6) for photo in (0, 1)
    ]
    hr = torch.from_numpy(np.stack([face.image for face in drawn])).permute(0, 3, 1, 2)
    values = []
    for factor in (1, 2, 4):
        small = torch.nn.functional.avg_pool2d(hr.float(), factor)
        sr = torch.nn.functional.interpolate(small, size=64, mode="bicubic", antialias=True)
        batch = ScoreBatch(
            [f"{k:02d}" for k in range(12)],
            sr.clamp(0, 255).round().to(torch.uint8),
            hr,
            None,
            [str(k // 2) for k in range(12)],
            [face.landmarks for face in drawn],
        )
        values.append(scored(Identity(NET, "stored"), batch)[f"identity_cos@{NET}-own"].value)
    assert values[0] == pytest.approx(1.0) and values[0] > values[1] + 0.05 > values[2] + 0.2


def test_a_pair_at_the_threshold_itself_is_not_accepted():
    """The threshold is an impostor's own score: one that may not pass."""
    found = Calibration(0.25, 10_000, 200)
    scores = np.array([0.24, 0.25, 0.26, np.nan])
    np.testing.assert_array_equal(_above(scores, found), [0.0, 0.0, 1.0, np.nan])
