"""What ``prior examine`` finds: a prior that knows few people, or copies, does not pass."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from facesr_bench.errors import ConfigError, DataError, WeightsError
from facesr_bench.nets.stylegan1.generator import StyleGAN1
from facesr_bench.nets.stylegan2 import StyleGAN2
from facesr_bench.priors import LoadedPrior
from facesr_bench.priors.choosing import open_data, open_prior
from facesr_bench.priors.examining import (
    ALIKE,
    FOUND,
    Vectors,
    _alike,
    _impostors,
    _novelty,
    _pairs,
    _swd,
    examine,
    judge,
    sample_faces,
)
from facesr_bench.priors.shipping import ship
from facesr_bench.priors.sources import from_file


def people(count: int, seed: int, spread: float = 1.0) -> Vectors:
    rng = np.random.default_rng(seed)
    rows = np.eye(1, 64) + spread * rng.normal(size=(count, 64))
    vectors: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return vectors


NAMES = [str(index) for index in range(200)]


def test_a_prior_of_few_people_does_not_pass() -> None:
    real = people(200, 1)
    threshold = float(np.quantile(_impostors(NAMES, real, 0), 0.99))
    varied = _alike(people(200, 2), threshold, 2000, 0)
    narrow = _alike(people(200, 2, spread=0.1), threshold, 2000, 0)
    assert judge([{ALIKE: (varied, 0.01)}])[0].passed
    assert not judge([{ALIKE: (narrow, 0.01)}])[0].passed


def test_copies_do_not_pass_even_if_they_are_few() -> None:
    train, real, new = people(500, 3), people(200, 1), people(200, 2)

    def passed(faces: Vectors) -> list[bool]:
        return [finding.passed for finding in judge([_novelty(faces, real, train)])]

    assert passed(real) == [True, True]
    assert not passed(np.concatenate([new[:-30], train[:30]]))[1]
    assert not passed(np.concatenate([new[:50], train[:150]]))[0]


def test_checks_are_judged_by_their_mean_over_draws() -> None:
    low, high = {"swd_64": (18.0, 10.0)}, {"swd_64": (21.0, 10.0)}
    (finding,) = judge([low, high])
    assert (finding.value, finding.yardstick, finding.passed) == (19.5, 10.0, True)
    assert finding.error == pytest.approx(1.5)
    assert not judge([high])[0].passed
    assert not judge([low, high, high, high])[0].passed
    # of faces that were hardly found nothing else is said
    seen, unseen = {FOUND: (1.0, 1.0), **low}, {FOUND: (0.0, 1.0)}
    assert [(f.name, f.passed) for f in judge([seen, unseen])] == [(FOUND, False)]


def test_distances_compare_as_many_images_of_either_side() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32, 32, 3)).astype(np.uint8) for _ in range(8)]
    flat = [np.full((32, 32, 3), 90, np.uint8)] * 5
    assert set(_swd(images, images[:5])) == {"swd_32", "swd_16", "swd_mean"}
    assert _swd(flat, images)["swd_mean"] > 5 * _swd(images[:5], images)["swd_mean"]


@pytest.mark.parametrize("network", [StyleGAN2(8, 8, 8, 1, 64, 8), StyleGAN1(8, 8, 8, 1, 32, 8)])
def test_faces_follow_from_the_seed(network: StyleGAN1 | StyleGAN2) -> None:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "noise" in name:
                parameter.fill_(1.0)  # noise shows
    prior = LoadedPrior("mine", network)
    one, two, other = (sample_faces(prior, 3, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_bad_requests_are_sentences(tmp_path: Path) -> None:
    prior = LoadedPrior("mine", StyleGAN2(8, 8, 8, 1, 64, 8))
    with pytest.raises(ConfigError, match="no such file"):
        open_prior("nobody")
    with pytest.raises(ConfigError, match="is no data"):
        open_data(["+data=nowhere"], 64)
    with pytest.raises(ConfigError, match="faces of 8 px"):
        open_data(["+data=tiny"], 8)
    with pytest.raises(ConfigError, match=r"\.safetensors"):
        ship(prior, tmp_path / "mine.json")
    with pytest.raises(ConfigError, match="stylegan1"):
        ship(LoadedPrior("old", StyleGAN1(8, 8, 8, 1, 32, 8)), tmp_path / "old.safetensors")


def test_a_card_of_another_file_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    ship(LoadedPrior("mine", StyleGAN2(8, 8, 8, 1, 64, 8)), out)
    card = out.with_suffix(".json").read_text()
    ship(LoadedPrior("mine", StyleGAN2(8, 8, 8, 1, 64, 8)), out)
    out.with_suffix(".json").write_text(card)  # killed before the card was written
    with pytest.raises(WeightsError, match="describes another file"):
        from_file(str(out))
    out.with_suffix(".json").write_text("{")
    with pytest.raises(WeightsError, match="damaged"):
        from_file(str(out))


@pytest.mark.skipif("FACESR_TEST_WEIGHTS" not in os.environ, reason="needs YuNet and MobileFaceNet")
def test_the_shipped_prior_passes_on_the_draws_of_its_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACESR_WEIGHTS", os.environ["FACESR_TEST_WEIGHTS"])
    data = open_data(["+data=tiny", "data.source.identities={train: 4096, val: 16, test: 200}"], 64)
    findings, _ = examine(open_prior("synthface64"), data, seed=101, draws=10)
    assert [f.name for f in findings if not f.passed] == []


def test_a_face_is_never_compared_with_itself() -> None:
    """Nor is a stranger the same person on another photo: either would look like a copy."""
    alone = np.eye(3, dtype=np.float32)
    assert not _pairs(alone, 200, 0).any()
    photos = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    assert not _impostors(["a", "a", "b", "c"], photos, 0).any()
    with pytest.raises(DataError, match="one person only"):
        _impostors(["a", "a"], photos[:2], 0)
