"""``facesr-bench tsne``: SCGAN's Fig. 3, on a look-alike of LFW and fabricated weights."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import resnet101

from facesr_bench.errors import DataError, MissingRequirement, WeightsError
from facesr_bench.feature_map import features as features_module
from facesr_bench.feature_map.__main__ import main
from facesr_bench.feature_map.features import ResNet101, features_of, map_of
from facesr_bench.feature_map.lfw import face_of, people_of
from metrics.fabricated import FabricatedWeights

PHOTOS = {"Ann_Bee": 2, "Cy_Dee_Jr": 4, "Eve_Foe": 3, "Gus_Hay": 3}


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    """As lfw.tgz unpacks, with what may lie beside it."""
    rng = np.random.default_rng(0)
    for person, count in PHOTOS.items():
        (tmp_path / "lfw" / person).mkdir(parents=True)
        for number in range(1, count + 1):
            noise = rng.integers(0, 256, (250, 250, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "lfw" / person / f"{person}_{number:04d}.jpg")
    (tmp_path / "lfw" / "notes").mkdir()
    (tmp_path / "lfw" / "Ann_Bee" / "Thumbs.db").touch()
    return tmp_path / "lfw"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FabricatedWeights:
    return FabricatedWeights(tmp_path / "fabricated", monkeypatch)


def fabricated(path: Path) -> None:
    torch.manual_seed(0)
    torch.save(resnet101(weights=None).state_dict(), path)


def test_the_people_with_most_photos_are_taken_first(lfw: Path) -> None:
    photos = people_of(lfw, 3, 2)
    assert [(p.person, p.path.name) for p in photos] == [
        (person, f"{person}_{number:04d}.jpg")
        for person in ("Cy_Dee_Jr", "Eve_Foe", "Gus_Hay")
        for number in (1, 2)
    ]
    with pytest.raises(DataError, match="photos of 4 people"):
        people_of(lfw, 5, 2)
    with pytest.raises(DataError, match="There is no folder"):
        people_of(lfw / "deeper", 1, 1)


def test_a_face_is_the_middle_of_its_photo(lfw: Path) -> None:
    photo = people_of(lfw, 1, 1)[0]
    image = np.zeros((250, 250, 3), np.uint8)
    image[50:200, 50:200] = 200
    Image.fromarray(image).save(photo.path.with_suffix(".png"))
    photo.path.write_bytes(photo.path.with_suffix(".png").read_bytes())
    face = face_of(photo, 50)
    assert face.shape == (50, 50, 3)
    assert (face == 200).all()
    Image.fromarray(image[:100]).save(photo.path)
    with pytest.raises(DataError, match="is not 250x250"):
        face_of(photo, 50)


def test_resnet_101_is_torchvisions_on_normalised_faces(weights: FabricatedWeights) -> None:
    with pytest.raises(MissingRequirement, match="resnet101"):
        ResNet101()
    weights.put("resnet101", fabricated)
    network = ResNet101()
    torch.manual_seed(0)
    reference = resnet101(weights=None).eval()
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    normalised = (image - torch.tensor(features_module.MEAN)[None, :, None, None]) / torch.tensor(
        features_module.STD
    )[None, :, None, None]
    with torch.no_grad():
        expected = reference(normalised)
    found = features_of(network, image)
    assert found.shape == (1, 1000)
    assert np.allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)
    weights.put("resnet101", lambda path: torch.save(nn.Linear(2, 2).state_dict(), path))
    with pytest.raises(WeightsError, match="not of the registered layout"):
        ResNet101()


def test_a_map_of_two_clouds_keeps_them_apart() -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    clouds = np.concatenate([rng.normal(0, 1, (12, 8)), rng.normal(30, 1, (12, 8))])
    points = map_of(clouds.astype(np.float32), seed=0)
    assert points.shape == (24, 2)
    centres = points[:12].mean(0), points[12:].mean(0)
    spread = max(points[:12].std(), points[12:].std())
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * spread


def test_the_map_holds_every_face_of_every_run(
    lfw: Path,
    weights: FabricatedWeights,
    trained_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With averages of patches for the network, which is tested apart, and of coordinates for t-SNE."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    monkeypatch.setattr(features_module, "ResNet101", lambda: network)
    monkeypatch.setattr(features_module, "map_of", lambda found, seed: found[:, :2].astype(float))
    words = [str(lfw), str(trained_run), "--out", str(tmp_path / "fig3"), "--people", "2"]
    assert main(words) == 0
    with (tmp_path / "fig3" / "map.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["set"], row["person"]) for row in rows] == [
        (name, person)
        for name in ("HR", trained_run.name)
        for person in ["Cy_Dee_Jr"] * 4 + ["Eve_Foe"] * 3
    ]
    first = torch.from_numpy(face_of(people_of(lfw, 1, 1)[0], 64).copy())
    patch = first[:16, :16, 0].float().div(255).mean()
    assert float(rows[0]["x"]) == pytest.approx(patch.item(), abs=1e-3)
    assert [float(r["x"]) for r in rows[:7]] != [float(r["x"]) for r in rows[7:]]
    said = capsys.readouterr().out
    assert f"{trained_run.name}: " in said
    picture = np.asarray(Image.open(tmp_path / "fig3" / "map.png"))
    assert picture.shape[1] == 2 * picture.shape[0] - 2 * 24
