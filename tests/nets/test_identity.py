"""Identity networks of losses: pSp's crop, unit vectors, gradients to the image and to nothing else."""

import os
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.errors import ConfigError, MissingRequirement
from facesr_bench.faces.recognition import RECOGNISERS
from facesr_bench.nets.identity import IdentityNetwork, identity_network
from facesr_bench.nets.irse50 import IRSE50
from facesr_bench.nets.mobilefacenet import MobileFaceNet
from metrics.fabricated import FabricatedWeights

REAL = os.environ.get("FACESR_TEST_WEIGHTS")


def psp_crop(images: Tensor, size: int) -> Tensor:
    """pSp's id_loss, in the steps its authors write."""
    x = nn.AdaptiveAvgPool2d((256, 256))(images)
    x = x[:, :, 35:223, 32:220]
    return nn.AdaptiveAvgPool2d((size, size))(x)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def steady(build: Callable[[], nn.Module]) -> nn.Module:
    """Weights of a fixed seed, and BatchNorm statistics that eval mode can be told by."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = build()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.fill_(1.3)
    return network


@pytest.mark.parametrize("name", ["arcface", "mobilefacenet", "facenet"])
@pytest.mark.parametrize("size", [(64, 64), (100, 133), (256, 256), (512, 512)])
def test_the_crop_is_psps(name: str, size: tuple[int, int]) -> None:
    known = RECOGNISERS[name]
    images = random(2, 3, *size).requires_grad_()
    crop = IdentityNetwork(known, nn.Identity(), {}).crop(images)
    expected = psp_crop(images, known.size[0])
    if known.size == (112, 96):  # the template of 112x96 is that of 112x112 less 8 pixels each side
        expected = expected[..., 8:104]
    assert crop.shape[2:] == known.size
    torch.testing.assert_close(crop, expected, rtol=0, atol=2e-6)
    weights = random(*crop.shape, seed=5)
    (one,) = torch.autograd.grad((crop * weights).sum(), images)
    (other,) = torch.autograd.grad((expected * weights).sum(), images)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("weights", "build", "length", "divisor"),
    [("arcface_irse50", IRSE50, 512, 127.5), ("mobilefacenet_casia", MobileFaceNet, 128, 128.0)],
)
def test_through_the_door_to_unit_vectors_of_the_face(
    weights: str, build: type[nn.Module], length: int, divisor: float, tmp_path, monkeypatch
) -> None:
    network = steady(build).eval()
    state = network.state_dict()
    content = {"net_state_dict": state} if weights == "mobilefacenet_casia" else state
    FabricatedWeights(tmp_path, monkeypatch).put(weights, partial(torch.save, content))
    identity = identity_network(weights)
    images = random(2, 3, 64, 64).requires_grad_()
    vectors = identity(images)
    assert vectors.shape == (2, length) == (2, identity.length)
    assert torch.linalg.norm(vectors, dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    crop = psp_crop(images, 112)[..., 8:104] if divisor == 128 else psp_crop(images, 112)
    with torch.no_grad():
        expected = functional.normalize(network((crop * 255 - 127.5) / divisor))
    torch.testing.assert_close(vectors, expected, rtol=0, atol=1e-4)
    assert float((vectors[0] - vectors[1]).detach().abs().max()) > 1e-3
    (vectors[0] @ vectors[1]).backward()
    assert images.grad is not None
    # Rows 35..222 and columns 32..219 of 256 are rows 8..55 and columns 8..54 of 64.
    seen = images.grad.abs().sum((0, 1)) > 0
    rows, columns = (torch.nonzero(seen.any(d)).flatten().tolist() for d in (1, 0))
    assert (rows[0], rows[-1]) == (8, 55)
    assert (columns[0], columns[-1]) == ((8, 54) if divisor == 127.5 else (11, 51))
    assert identity.weights["weights"] == weights


def test_training_the_method_changes_nothing_of_it() -> None:
    known = RECOGNISERS["mobilefacenet"]
    method = nn.Module()
    method.identity = IdentityNetwork(known, steady(MobileFaceNet), {})
    before = {k: v.clone() for k, v in method.identity.network.state_dict().items()}
    images = random(2, 3, 64, 64)
    first = method.identity(images)
    method.train()
    assert torch.equal(method.identity(images), first)
    after = method.identity.network.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert not method.state_dict() and not list(method.parameters())


def test_a_first_call_in_inference_mode_does_not_spoil_training() -> None:
    network = IdentityNetwork(RECOGNISERS["mobilefacenet"], nn.Identity(), {})
    with torch.inference_mode():
        network.crop(random(1, 3, 64, 64))
    images = random(1, 3, 64, 64).requires_grad_()
    network.crop(images).sum().backward()
    assert images.grad is not None


def test_what_cannot_be_is_a_sentence(tmp_path, monkeypatch) -> None:
    FabricatedWeights(tmp_path, monkeypatch)
    with pytest.raises(
        ConfigError, match=r"no identity network 'arcface' .*choose .*arcface_irse50"
    ):
        identity_network("arcface")
    with pytest.raises(
        MissingRequirement, match=r"weights 'arcface_irse50' are missing .*propulse"
    ):
        identity_network("arcface_irse50")


@pytest.mark.skipif(REAL is None, reason="FACESR_TEST_WEIGHTS names no weights folder")
def test_the_real_network_knows_a_person_again_in_the_fixed_crop(monkeypatch) -> None:
    import numpy as np

    from facesr_bench.datasets.synthface import render_face

    monkeypatch.setenv("FACESR_WEIGHTS", str(REAL))
    faces = [
        render_face(2020, person, photo, 64, "studio") for person in range(10) for photo in (0, 1)
    ]
    images = torch.from_numpy(np.stack([face.image for face in faces])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        vectors = identity_network("mobilefacenet_casia")(images).double()
    cosines, people = vectors @ vectors.T, torch.arange(20) // 2
    same = (people[:, None] == people[None]) & ~torch.eye(20, dtype=torch.bool)
    others = people[:, None] != people[None]
    above = (cosines[same][:, None] > cosines[others][None]).double().mean()
    assert float(above) > 0.9
