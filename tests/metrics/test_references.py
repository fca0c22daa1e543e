"""PSNR and SSIM beside outside code on rendered faces, and the corners where such code goes wrong."""

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before torchmetrics)
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr
from torchmetrics.functional.image import structural_similarity_index_measure as torchmetrics_ssim

from facesr_bench.datasets.synthface import render_face
from facesr_bench.images import to_uint8
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.psnr_ssim import CAP_DB, PSNR, SSIM
from facesr_bench.resize import resize

_LUMA = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64) / 255


@pytest.fixture(scope="module")
def faces():
    """HR (5, 3, 64, 56) and bicubic x4 and x2 in turn, uint8: errors differ much between images."""
    hr = np.stack([render_face(7, number, 0, 64).image[:, 4:60] for number in range(5)])
    images = torch.from_numpy(hr).permute(0, 3, 1, 2).float() / 255
    blurred = []
    for index, image in enumerate(images[:, None]):
        factor = 4 if index % 2 else 2
        small = resize(image, (64 // factor, 56 // factor), "bicubic")
        blurred.append(resize(small, (64, 56), "bicubic"))
    # Bicubic overshoots: these floats leave [0, 1].
    return torch.from_numpy(to_uint8(torch.cat(blurred))), torch.from_numpy(hr)


def run(metric, sr, hr, sizes=None):
    """Value of (n, H, W, 3) uint8 images, fed in batches of these sizes."""
    start = 0
    for size in sizes or [len(sr)]:
        keys = [f"{index:03d}" for index in range(start, start + size)]
        parts = (x[start : start + size].permute(0, 3, 1, 2) for x in (sr, hr))
        metric.update(ScoreBatch(keys, *parts, None, [None] * size))
        start += size
    return metric.results(Intervals(replicates=50))[metric.keys[0]]


def luma(images):
    return (images.double() @ _LUMA + 16)[..., None]


@pytest.mark.parametrize("colour", ["rgb", "y"])
def test_means_equal_scikit_image_and_torchmetrics_per_image(faces, colour):
    sr, hr = faces
    a, b = (images.double() if colour == "rgb" else luma(images) for images in faces)
    skimage = [
        peak_signal_noise_ratio(y.numpy(), x.numpy(), data_range=255)
        for x, y in zip(a, b, strict=True)
    ]
    per_image = torchmetrics_psnr(a, b, data_range=255.0, dim=(1, 2, 3))
    got = run(PSNR(colour), sr, hr, [2, 1, 2])
    assert got.value == pytest.approx(np.mean(skimage), abs=1e-10)
    assert got.value == pytest.approx(
        per_image.item(), abs=1e-5
    )  # its logarithm of 10 is a float32
    pooled = torchmetrics_psnr(a, b, data_range=255.0).item()
    assert got.value > pooled + 0.1  # the default of torchmetrics is another quantity

    skimage = [
        structural_similarity(
            x.numpy(), y.numpy(), data_range=255, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, channel_axis=2,
        )
        for x, y in zip(a, b, strict=True)
    ]  # fmt: skip
    # torchmetrics' own mean goes on over mirrored borders (1.4 did not); Wang's windows do not.
    channels_first = [images.permute(0, 3, 1, 2).contiguous() for images in (a, b)]
    _, windows = torchmetrics_ssim(
        *channels_first, data_range=255.0, return_full_image=True, reduction="none"
    )
    inside = windows[:, :, 5:-5, 5:-5].mean(dim=(1, 2, 3))
    got = run(SSIM(colour), sr, hr, [2, 1, 2])
    assert got.value == pytest.approx(np.mean(skimage), abs=1e-10)
    assert got.value == pytest.approx(inside.mean().item(), abs=1e-10)


def test_floats_outside_the_range_never_wrap():
    values = torch.tensor([1.02, -0.01, 0.999999, 0.5, 256 / 255, 1e6, -1e6, 1.0])
    image = values.repeat(1, 3, 16, 2)
    row = to_uint8(image)[0, 0, :8, 0].tolist()
    assert row == [255, 0, 255, 128, 255, 255, 0, 255]
    wrapped = (values[:4] * 255).to(torch.int64).remainder(256).tolist()
    assert wrapped == [4, 254, 254, 127]  # what a bare cast to uint8 gives

    white = torch.full((1, 3, 16, 16), 1.02)
    hr = torch.full((1, 16, 16, 3), 255, dtype=torch.uint8)
    assert run(PSNR(), torch.from_numpy(to_uint8(white)), hr).value == CAP_DB


@pytest.mark.parametrize(("a", "b"), [(120, 130), (0, 255), (7, 7)])
def test_flat_images_have_closed_forms(a, b):
    sr, hr = (torch.full((1, 20, 24, 3), level, dtype=torch.uint8) for level in (a, b))
    psnr = min(CAP_DB, 20 * np.log10(255 / abs(a - b))) if a != b else CAP_DB
    c1 = (0.01 * 255) ** 2
    ssim = (2 * a * b + c1) / (a * a + b * b + c1)  # no variance: the second factor is 1
    assert run(PSNR(), sr, hr).value == pytest.approx(psnr, abs=1e-12)
    assert run(SSIM(), sr, hr).value == pytest.approx(ssim, abs=1e-9)


def test_one_image_has_a_value_but_no_interval(faces):
    sr, hr = faces
    for metric in (PSNR(), SSIM()):
        one = run(metric, sr[:1], hr[:1])
        assert np.isfinite(one.value) and one.n == 1
        assert one.ci95 is None and one.se is None and one.ci_kind is None
        metric.reset()
        several = run(metric, sr, hr)
        assert several.n == 5 and several.ci95[0] < several.value < several.ci95[1]
