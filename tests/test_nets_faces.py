"""The identity networks are the published ones: names, sizes, numbers, and, with real files, people."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facesr_bench.errors import WeightsError
from facesr_bench.faces.alignment import aligned
from facesr_bench.faces.recognition import RECOGNISERS, fill, open_network
from facesr_bench.nets.facenet import FaceNet
from facesr_bench.nets.irse50 import IRSE50
from facesr_bench.nets.mobilefacenet import MobileFaceNet
from facesr_bench.nets.mobilefacenet_y1 import MobileFaceNetY1
from facesr_bench.weights.loading import check_layout
from facesr_bench.weights.registry import entry
from nets.golden import EXACT

REAL = os.environ.get("FACESR_TEST_WEIGHTS")
NETWORKS: tuple[Callable[[], nn.Module], ...] = (MobileFaceNet, MobileFaceNetY1, IRSE50, FaceNet)


def noise(shape: torch.Size | tuple[int, ...], phase: int) -> Tensor:
    """Numbers in [-1, 1] that anybody can write down."""
    count = int(np.prod(shape))
    waves = torch.sin(torch.arange(1, count + 1, dtype=torch.float64) * 12.9898 + phase)
    return (2 * (waves * 43758.5453 % 1.0) - 1).reshape(shape)


def formula_weights(network: nn.Module) -> nn.Module:
    """Every tensor from its name; the same for whoever implements the same names."""
    state = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        values = noise(tensor.shape, sum(name.encode()))
        if tensor.ndim > 1:
            values *= (6.0 / tensor[0].numel()) ** 0.5
        elif name.endswith(("bias", "running_mean")):
            values *= 0.1
        else:
            values = 0.75 + 0.2 * values
        state[name] = values.float()
    network.load_state_dict(state, strict=False)
    return network.eval()


def formula_image(side: int) -> Tensor:
    k = torch.arange(3 * side * side, dtype=torch.float64)
    return torch.sin(k * 0.0137 + torch.sin(k * 0.37)).reshape(1, 3, side, side).float()


@pytest.mark.parametrize("build", NETWORKS)
def test_names_and_shapes_are_those_of_the_registered_files(build: Callable[[], nn.Module]) -> None:
    (known,) = [known for known in RECOGNISERS.values() if known.build is build]
    with torch.device("meta"):
        state = build().state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if build is FaceNet:  # the file's classifier, which is not built
        shapes |= {"logits.weight": (8631, 512), "logits.bias": (8631,)}
    check_layout(shapes, entry(known.weights).layout, Path("fabricated"))


def test_the_two_large_networks_have_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        arcface, facenet = IRSE50(), FaceNet()
    assert len(arcface.state_dict()) == 397
    assert sum(p.numel() for p in arcface.parameters()) == 43_797_696
    assert len(facenet.state_dict()) + 2 == 716
    assert sum(p.numel() for p in facenet.parameters()) + 8631 * 513 == 27_910_327


@pytest.mark.parametrize(
    ("build", "side", "expected"),
    [
        # facenet-pytorch 2.6.0, and IR-SE50 built apart from its layer table; weights of the formula.
        (FaceNet, 160, (-0.039794, 0.019682, -0.008289, 0.047122, 0.016502, -0.007089)),
        (IRSE50, 112, (0.019722, 0.070610, -0.079258, 0.090961, -0.026781, 0.078949)),
    ],
)
def test_golden_embeddings(
    build: Callable[[], nn.Module], side: int, expected: tuple[float, ...]
) -> None:
    network = formula_weights(build()).double()
    with torch.no_grad():
        embedding = network(formula_image(side).double())
    assert embedding.shape == (1, 512)
    # float32 would not do: with these weights IR-SE50's embedding is 2.4e-3 off with AVX2, 1.1e-3
    # with AVX-512 and 6e-5 with SSE4.1.
    assert embedding[0, :6].tolist() == pytest.approx(expected, abs=EXACT)


def test_facenets_norms_have_the_eps_of_tensorflow() -> None:
    """Where variances are near one, as above, an embedding cannot tell 1e-3 from PyTorch's 1e-5."""
    network, unit = FaceNet().eval(), torch.zeros(1, 3, 3, 3)
    first = network.conv2d_1a
    with torch.no_grad():
        first.conv.weight.zero_()
        first.bn.running_var.fill_(0.003)
        first.bn.running_mean.fill_(-1.0)
        assert first(unit).unique().item() == pytest.approx((0.003 + 0.001) ** -0.5, rel=1e-5)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {1e-3}


@pytest.mark.parametrize("name", ["mobilefacenet", "mobilefacenet_y1"])
def test_embeddings_are_unit_vectors_and_gradients_reach_the_image(name: str) -> None:
    known = RECOGNISERS[name]
    network = formula_weights(known.build())
    crops = (noise((2, 3, *known.size), 3).float() * 90 + 127).requires_grad_()
    embeddings = network(known.prepare(crops))
    assert embeddings.shape == (2, known.length)
    assert torch.linalg.norm(embeddings, dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    (embeddings[0] @ embeddings[1]).backward()
    assert crops.grad is not None and bool(torch.isfinite(crops.grad).all())
    assert float(crops.grad.abs().amax(dim=(1, 2, 3)).min()) > 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda state: state.pop("conv2.bn.bias"), "conv2.bn.bias"),
        (lambda state: state.update({"head.weight": torch.zeros(2)}), "head.weight"),
        (lambda state: state.update({"linear1.bn.bias": torch.zeros(64)}), r"\(64,\)"),
    ],
)
def test_a_file_that_does_not_fit_exactly_is_refused(
    change: Callable[[dict[str, Tensor]], object], complaint: str
) -> None:
    state = dict(MobileFaceNet().state_dict())
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    for name in counters:  # older files lack these, which does not matter
        del state[name]
    fill(MobileFaceNet(), state, "there.ckpt")
    change(state)
    with pytest.raises(WeightsError, match=complaint):
        fill(MobileFaceNet(), state, "there.ckpt")


def area(same: np.ndarray, different: np.ndarray) -> float:
    """Under the receiver operating curve: how often a genuine pair scores above an impostor pair."""
    return float(np.mean(same[:, None] > different[None]))


@pytest.mark.skipif(REAL is None, reason="FACESR_TEST_WEIGHTS names no weights folder")
@pytest.mark.parametrize("name", ["mobilefacenet", "mobilefacenet_y1"])
def test_the_real_files_tell_rendered_people_apart(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facesr_bench.datasets.synthface import render_face

    monkeypatch.setenv("FACESR_WEIGHTS", str(REAL))
    known = RECOGNISERS[name]
    network, _ = open_network(known)
    faces = [
        render_face(2020, person, photo, 64, "studio") for person in range(15) for photo in (0, 1)
    ]
    images = torch.from_numpy(np.stack([face.image for face in faces])).permute(0, 3, 1, 2)
    crops, _ = aligned(images, [face.landmarks for face in faces], known.size)
    with torch.no_grad():
        vectors = network(known.prepare(crops)).double().numpy()
    cosines = vectors @ vectors.T
    people = np.repeat(np.arange(15), 2)
    upper = np.triu(np.ones_like(cosines, dtype=bool), 1)
    same = people[:, None] == people[None]
    assert area(cosines[upper & same], cosines[upper & ~same]) > 0.95
