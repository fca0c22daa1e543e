"""pyiqa's face quality: nothing may touch the network, and an image without a face is not scored.

The real weights are not at hand. The whole chain runs once through pyiqa itself with fabricated files
(all zeros, so no face is ever found); what becomes of a score is tested with a stand-in.
"""

import os
import socket
import sys
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from facesr_bench.errors import ConfigError, MissingRequirement, NotComputed, WeightsError
from facesr_bench.metrics import face_quality
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.face_quality import OneFace, TopiqFace
from facesr_bench.metrics.intervals import Intervals
from metrics.fabricated import FabricatedWeights, random_batch
from metrics.sharding import assert_shards_agree

NAMES = ("topiq_nr_face", "retinaface_resnet50", "parsenet")


@pytest.fixture
def no_network(monkeypatch):
    """Any connection, and any look-up of a name, fails the test."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("touched the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def weights(tmp_path, monkeypatch, no_network):
    monkeypatch.setattr(face_quality, "declare_missing_operators", lambda: False)
    return FabricatedWeights(tmp_path, monkeypatch)


class MeanRed(nn.Module):
    """In place of pyiqa: asserts as it does; a dark image shows no face."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, image):
        assert image.shape[0] == 1, f"Only support batch size 1, but got {image.shape[0]}"
        assert image.min() >= 0 and image.max() <= 1, "Input must be normalized to [0, 1]"
        if image.mean() < 0.1:
            raise AssertionError("No face detected in the input image.")
        return image[:, :1].mean(dim=(2, 3)) * self.weight


@pytest.fixture
def stand_in(weights, monkeypatch):
    for name in NAMES:
        content = {"params": {}} if name == NAMES[0] else {}
        weights.put(name, partial(torch.save, content))
    monkeypatch.setattr(face_quality, "build", lambda model, files: MeanRed())


def faces(number=5, dark=()):
    batch = random_batch(number, 16)
    sr = batch.sr.clone()
    sr[list(dark)] = 1
    return ScoreBatch(batch.keys, sr, None, None, batch.identities)


def test_all_that_is_missing_is_told_before_pyiqa_is_imported(weights, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pyiqa", "facexlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    weights.put("parsenet", partial(torch.save, {}))
    with pytest.raises(MissingRequirement) as caught:
        TopiqFace()
    said = str(caught.value)
    assert "--as topiq_nr_face" in said and "--as retinaface_resnet50" in said
    assert "topiq_nr_cgfiqa_res50-0a8b8e4f.pth" in said and "parsenet" not in said
    with pytest.raises(MissingRequirement, match="--as topiq_nr_face_v1"):
        TopiqFace("topiq_nr-face-v1")


def test_operators_that_do_not_load_are_told(stand_in, monkeypatch):
    monkeypatch.setattr(face_quality, "declare_missing_operators", lambda: True)
    with pytest.raises(MissingRequirement, match=r"^torchvision's compiled operators"):
        TopiqFace()


def test_a_missing_package_is_told(weights, monkeypatch):
    for name in NAMES:
        weights.put(name, partial(torch.save, {"params": {}}))
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyiqa"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(MissingRequirement, match="pip install pyiqa"):
        TopiqFace()


def test_files_that_hold_code_are_not_opened(weights):
    weights.put("topiq_nr_face", partial(torch.save, {"params": {}}))
    weights.put("retinaface_resnet50", partial(torch.save, {"body": os.system}))
    weights.put("parsenet", partial(torch.save, {}))
    with pytest.raises(WeightsError, match="run code"):
        TopiqFace()


def test_another_file_under_the_official_name_is_refused(weights):
    for name in NAMES:
        weights.put(name, partial(torch.save, {"params": {}}))
    (weights.folder / "detection_Resnet50_Final.pth").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="not the registered file"):
        TopiqFace()


def test_scores_images_one_by_one(stand_in):
    batch = faces()
    metric = TopiqFace()
    expected = batch.sr[:, 0].double().mean(dim=(1, 2)) / 255
    np.testing.assert_allclose(metric.score(batch)["topiq_nr_face"], expected, atol=1e-6)
    assert metric.higher_is_better and not metric.needs
    assert_shards_agree(TopiqFace, batch)


def test_no_face_is_nan_and_counted(stand_in):
    metric = TopiqFace()
    metric.update(faces(dark=[1, 3]))
    value = metric.results(Intervals())["topiq_nr_face"]
    assert (value.n, value.not_scored) == (3, 2) and np.isfinite(value.value)
    assert sum(np.isnan(list(metric.per_image()["topiq_nr_face"].values()))) == 2


def test_no_face_anywhere_says_nothing(stand_in):
    metric = TopiqFace()
    metric.update(faces(2, dark=[0, 1]))
    with pytest.raises(NotComputed):
        metric.results(Intervals())


def test_other_assertions_are_not_swallowed():
    with pytest.raises(AssertionError, match="normalized"):
        OneFace(MeanRed())(torch.full((1, 3, 4, 4), 2.0))


def test_settings_name_the_files(stand_in):
    settings = TopiqFace().settings()
    assert settings["network"] == "topiq_nr-face" and settings["weights"] == "topiq_nr_face"
    assert set(settings["helpers"]) == {"retinaface_resnet50", "parsenet"}
    assert settings["implementation"].startswith("pyiqa ")


def test_an_unknown_model_is_refused():
    with pytest.raises(ConfigError, match="topiq_nr-face-v1"):
        TopiqFace("topiq_nr")


@pytest.fixture
def zeros(weights):
    """Files of the networks' real layouts; their zeros take no space."""
    pytest.importorskip("pyiqa")
    from facexlib.detection.retinaface import RetinaFace
    from facexlib.parsing.parsenet import ParseNet
    from pyiqa.archs.topiq_arch import CFANet

    with torch.device("meta"):
        networks = {
            "topiq_nr_face": CFANet(use_ref=False, pretrained=False, backbone_pretrain=False),
            "retinaface_resnet50": RetinaFace("resnet50", device="meta"),
            "parsenet": ParseNet(in_size=512, out_size=512, parsing_ch=19),
        }
    for name, network in networks.items():
        shapes = network.state_dict().items()
        state = {
            key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in shapes
        }
        weights.put(name, partial(torch.save, {"params": state} if name == NAMES[0] else state))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pyiqa_itself_builds_and_runs_without_network(zeros, monkeypatch):
    import pyiqa.archs.topiq_arch as architecture

    def nms(boxes, threshold):  # torchvision's may be missing on a test machine
        return list(range(len(boxes)))

    monkeypatch.setattr("facexlib.detection.retinaface.py_cpu_nms", nms)

    folder, before = architecture.DEFAULT_CACHE_DIR, torch.get_rng_state()
    metric = TopiqFace()
    assert folder == architecture.DEFAULT_CACHE_DIR and torch.equal(torch.get_rng_state(), before)
    network = metric.quality.network.metric.net
    assert network.model_name == "topiq_nr_cgfiqa_res50"
    assert not any(value.any() for value in network.state_dict().values())  # all came from the file
    assert np.isnan(metric.score(faces(2))["topiq_nr_face"]).all()  # through RetinaFace: no face


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_file_pyiqa_wants_beside_those_is_not_fetched(zeros, weights):
    files = face_quality.preflight("topiq_nr-face")
    files["retinaface_resnet50"].path.rename(weights.folder / "elsewhere.pth")
    with (
        pytest.raises(MissingRequirement, match=r"detection_Resnet50_Final\.pth; nothing is downl"),
        face_quality._closed(files),
    ):
        from facexlib.detection import init_detection_model

        init_detection_model(
            "retinaface_resnet50", device="cpu", model_rootpath=str(weights.folder)
        )
