"""The identity network that ships: what its card says of it is true, and tables know it."""

import re
from pathlib import Path

import pytest
import torch

from facesr_bench.datasets.synthface import SynthFace
from facesr_bench.faces.recognition import RECOGNISERS
from facesr_bench.leaderboard.provenance import _RECOGNISERS, cell_marks
from facesr_bench.methods.propulse.train_identity import PHOTOS, told_apart, vectors_of
from facesr_bench.nets.identity import identity_network
from facesr_bench.nets.identity_cnn import IdentityCNN
from facesr_bench.weights.loading import locate

PEOPLE = 40


def card() -> str:
    return locate("synthface_identity").path.with_suffix(".md").read_text(encoding="utf-8")


def test_unit_vectors_whose_gradient_reaches_the_image() -> None:
    network = identity_network("synthface_identity")
    assert sum(p.numel() for p in network.network.parameters()) < 500_000
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    vectors = network(images)
    assert vectors.shape == (2, network.length) == (2, 128)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    (vectors[0] @ vectors[1]).backward()
    assert images.grad is not None and float(images.grad.abs().amax((1, 2, 3)).min()) > 0


def test_it_tells_people_apart_whom_it_has_never_seen_as_well_as_its_card_says() -> None:
    """Forty people of the ``val`` range: nobody of them is in a train or test split."""
    split = SynthFace(64, {"val": PEOPLE}, {"val": PHOTOS}).split("val")
    assert split is not None
    pixels = torch.stack([torch.from_numpy(split[i].hr) for i in range(len(split))])
    images = pixels.permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        found = told_apart(*[vectors_of(identity_network("synthface_identity"), images)] * 2)
    printed = re.search(r"\| all pairs \| ([\d.]+) \|", card())
    assert printed is not None
    assert found["auc"] == pytest.approx(float(printed[1]), abs=0.02)
    assert found["auc"] > 0.95 and found["same"] - found["different"] > 0.3
    # and pixels that show nobody are nobody
    with torch.no_grad():
        nobody = told_apart(*[vectors_of(identity_network("synthface_identity"),
                                         torch.rand(images.shape))] * 2)  # fmt: skip
    assert abs(nobody["auc"] - 0.5) < 0.1


def test_the_card_is_of_this_file() -> None:
    file = locate("synthface_identity")
    assert file.sha256 in card()
    assert Path(file.path).stat().st_size < 2_000_000


def test_a_metric_with_the_network_of_the_loss_is_marked() -> None:
    """Tables know every network by the name methods give; a row that trained with it is no judge."""
    assert {known.name: known.weights for known in RECOGNISERS.values()} == _RECOGNISERS
    trained = {"loss_networks": ["synthface_identity"]}
    (mark,) = cell_marks("identity_cos@synthface-own", trained)
    assert mark.disqualifies and "synthface_identity" in mark.why
    assert not cell_marks("identity_cos@mobilefacenet-own", trained)
    assert not cell_marks("identity_cos@synthface-own", {"loss_networks": []})


def test_a_crop_of_another_size_is_refused_by_shapes() -> None:
    with pytest.raises(RuntimeError):
        IdentityCNN()(torch.zeros(2, 3, 112, 112))
