"""Faces out of a photo and back: where they land, and that the rest of the photo is left alone."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facesr_bench.errors import DataError
from facesr_bench.faces.yunet import Face
from facesr_bench.method import Method
from facesr_bench.predict.pasting import cut_out, enlarge, paste_back, scale_of, template_of
from facesr_bench.predict.restoring import Restorer, faces_in

FFHQ = template_of("ffhq")
DATA = {"hr_size": 64, "factor": 4}


class Red(Method):
    """Turns any 16x16 face into a red one of 64x64."""

    paper = "none"
    trainable = False
    factor = 4

    def super_resolve(self, lr: Tensor) -> Tensor:
        assert lr.shape[2:] == (16, 16)
        self.seen = lr
        sr = torch.zeros(len(lr), 3, 64, 64)
        sr[:, 0] = 1
        return sr


def face_at(x: float, y: float, side: float, turned: float = 0.0) -> Face:
    """A face whose crop is a square of this side around (x, y), turned by an angle."""
    points = (FFHQ - 0.5) * side
    c, s = np.cos(turned), np.sin(turned)
    landmarks = points @ np.array([[c, s], [-s, c]]) + (x, y)
    return Face(0.99, (x, y, x + 1, y + 1), landmarks.astype(np.float32))


def photo(height: int = 60, width: int = 90) -> Any:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 0, y * 4, x * 2], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("turned", [0.0, 0.5])
@pytest.mark.parametrize("side", [10.0, 16.0, 30.0])
def test_a_face_lands_where_it_was_and_nothing_else_changes(side: float, turned: float) -> None:
    image, face = photo(), face_at(50.0, 25.0, side, turned)
    result = Restorer(Red(), DATA).photo(image, "k", [face], FFHQ)
    plain = enlarge(image, 4)
    assert result.shape == plain.shape == (240, 360, 3)
    red = (result.astype(int)[..., 0] > 200).nonzero()
    centre = ((50.0 + 0.5) * 4 - 0.5, (25.0 + 0.5) * 4 - 0.5)
    assert np.mean(red[1]) == pytest.approx(centre[0], abs=0.6)
    assert np.mean(red[0]) == pytest.approx(centre[1], abs=0.6)
    # Where the cosine is above 200/255: a square of 1 - 2 * 0.12 * 0.69 of the side, corners rounded.
    assert len(red[0]) == pytest.approx((side * 4 * 0.835) ** 2, rel=0.06)
    y, x = np.mgrid[:240, :360]
    outside = np.maximum(abs(x - centre[0]), abs(y - centre[1])) > side * 4 * 0.75
    assert np.array_equal(result[outside], plain[outside])


def test_the_method_sees_the_face_upright_at_its_own_size_whatever_lies_outside() -> None:
    """A gradient along x stays one after a face of a corner was cut out; borders repeat, no black."""
    image, method = photo(), Red()
    Restorer(method, DATA).photo(image, "k", [face_at(5.0, 25.0, 32.0)], FFHQ)
    blue = method.seen[0, 2].mean(0) * 255
    assert torch.all(blue.diff() >= -0.51)
    assert blue[0] == 0  # left of the photo
    assert float(blue[-1]) == pytest.approx(2 * (5 + 32 * (15.5 / 16 - 0.5)), abs=2)
    turned = cut_out(image, face_at(45.0, 30.0, 16.0, np.pi / 2).landmarks, FFHQ, 16)
    assert np.all(np.diff(turned[..., 2].astype(int), axis=0) <= 0)  # blue now runs upwards
    assert abs(np.diff(turned[..., 2].astype(int), axis=1)).max() <= 1


def test_a_large_face_is_reduced_with_antialiasing() -> None:
    """One-pixel stripes become grey, not a pattern; bilinear warping alone would alias them."""
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    face = face_at(64.0, 64.0, 100.0)
    assert scale_of(face.landmarks, FFHQ, 16) == pytest.approx(0.16, abs=1e-3)
    crop = cut_out(stripes, face.landmarks, FFHQ, 16).astype(int)
    assert abs(crop[2:-2, 2:-2] - 127).max() < 40
    assert abs(crop[2:-2, 2:-2] - 127).mean() < 10


class Squared(Method):
    """Shows what it was given, each pixel as a square."""

    paper = "none"
    trainable = False
    factor = 4

    def super_resolve(self, lr: Tensor) -> Tensor:
        return lr.repeat_interleave(4, 2).repeat_interleave(4, 3)


def test_faces_alone_and_none_at_all() -> None:
    """Each crop is of its own face, in the given order, and nothing of the photo is around it."""
    left, right = face_at(20, 20, 16), face_at(60, 20, 16)
    for faces in ([left, right], [right, left]):
        crops = Restorer(Squared(), DATA).faces(photo(), "k", faces, FFHQ)
        assert len(crops) == 2
        for crop, face in zip(crops, faces, strict=True):
            own = cut_out(photo(), face.landmarks, FFHQ, 16)
            assert np.array_equal(crop, own.repeat(4, 0).repeat(4, 1))
    assert Restorer(Squared(), DATA).faces(photo(), "k", [], FFHQ) == []
    with pytest.raises(DataError, match="shows no face"):
        faces_in(photo(), lambda image: [])
    assert faces_in(photo(), lambda image: [right, left]) == [left, right]


@pytest.mark.parametrize("grey", [100, 101])
def test_a_face_fades_in_by_rounding_so_brighter_and_darker_are_alike(grey: int) -> None:
    """A face one level off moves exactly the pixels in which it weighs more than half, either way."""
    canvas = np.full((64, 64, 3), grey, np.uint8)
    landmarks = face_at(7.5, 7.5, 12).landmarks
    moved = {}
    for sign in (1, -1):
        face = np.full((64, 64, 3), grey + sign, np.uint8)
        pasted = paste_back(canvas, face, landmarks, FFHQ, 16, 4).astype(int)
        assert set(np.unique(pasted)) == {grey, grey + sign}
        moved[sign] = pasted != grey
    assert np.array_equal(moved[1], moved[-1])
    # A square of 48 pixels whose cosine rises above a half at 0.12 / 2 of its side, corners rounded.
    assert moved[1].sum() / 3 == pytest.approx((48 * 0.88) ** 2, rel=0.04)


def test_templates() -> None:
    arcface = template_of("arcface")
    assert np.ptp(arcface[:, 0]) > np.ptp(FFHQ[:, 0])  # a tighter crop: eyes farther apart
    own = template_of([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    assert own.shape == (5, 2)


def test_each_face_of_a_photo_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a method draws follows from the key: equal keys would be equal noise."""
    keys: list[str] = []

    def restore(self: Red, lr: Tensor, names: list[str]) -> Tensor:
        keys.extend(names)
        return self.super_resolve(lr)

    monkeypatch.setattr(Red, "restore", restore)
    found = [face_at(20, 20, 16), face_at(60, 20, 16)]
    Restorer(Red(), DATA).photo(photo(), "k", found, FFHQ)
    assert keys == ["k#1", "k#2"]


@pytest.mark.parametrize(("own", "factor"), [(8, 8), (None, 4)])
def test_the_factor_is_the_methods_and_the_datas_where_it_takes_any(
    own: int | None, factor: int
) -> None:
    method = Red()
    method.factor = own
    restorer = Restorer(method, DATA)
    assert (restorer.factor, restorer.lr_side) == (factor, 64 // factor)
