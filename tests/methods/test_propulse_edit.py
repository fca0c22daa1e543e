"""Editing: directions are found and applied, and the pictures show every side."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

from facesr_bench.errors import DataError
from facesr_bench.images import encode_png, read_rgb
from facesr_bench.methods.propulse.directions import fit_direction, read_direction
from facesr_bench.methods.propulse.downsampling import LRReduction
from facesr_bench.methods.propulse.edit import grid, main, open_run, read_scores
from methods.propulse_smoke import SMALL, build, small_prior


def test_the_direction_of_a_linear_attribute_is_found() -> None:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(8, 8, generator=generator)
    codes = torch.randn(2000, 8, generator=generator) @ mixing + 3
    truth = torch.nn.functional.normalize(torch.randn(8, generator=generator), dim=0)
    labels = ((codes - 3) @ truth > 0).float()
    direction = fit_direction(codes, labels)
    assert torch.cosine_similarity(direction, truth, dim=0) > 0.97
    spread = ((codes - 3) @ direction / direction.norm()).std()
    assert direction.norm().item() == pytest.approx(spread.item(), rel=0.05)
    with pytest.raises(DataError, match="same score"):
        fit_direction(codes, torch.ones(2000))
    with pytest.raises(DataError, match="N scores"):
        fit_direction(codes, labels[1:])


def test_directions_of_w_and_of_w_plus_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.arange(16.0))
    found = read_direction(tmp_path / "w.npy", 10, 16)
    assert found.shape == (10, 16)
    assert torch.equal(found[3], torch.arange(16.0))
    wplus = torch.randn(10, 16)
    save_file({"direction": wplus}, tmp_path / "wplus.safetensors")
    assert torch.equal(read_direction(tmp_path / "wplus.safetensors", 10, 16), wplus)
    with pytest.raises(DataError, match=r"\(18, 16\) in W\+"):
        read_direction(tmp_path / "wplus.safetensors", 18, 16)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a finished run leaves, made without one."""
    folder = tmp_path_factory.mktemp("run")
    prior = small_prior()
    torch.save({"state_dict": prior.network.state_dict()}, folder / "prior.ckpt")
    target: dict[str, Any] = {
        "name": "propulse",
        "_target_": "facesr_bench.methods.propulse.ProPULSE",
        "prior": {
            "_target_": "facesr_bench.priors.sources.from_file",
            "path": str(folder / "prior.ckpt"),
        },
        **SMALL,
        "hr_size": 64,
        "factor": 4,
    }
    OmegaConf.save(OmegaConf.create({"method": target}), folder / "config.yaml")
    (folder / "checkpoints").mkdir()
    method = build(prior=prior)
    assert method.nets.E_Wplus is not None
    method.nets.E_Wplus.trained_codes.fill_(10)
    torch.save({"state_dict": method.state_dict()}, folder / "checkpoints" / "last.ckpt")
    return folder


def test_sampling_fitting_and_applying(run: Path, tmp_path: Path) -> None:
    """The attribute is brightness: moving along its direction makes SR faces brighter."""
    faces = tmp_path / "faces"
    main(["sample", str(run), "--number", "200", "--out", str(faces)])
    brightness = {p.name: read_rgb(p).mean() for p in sorted(faces.glob("*.png"))}
    assert len(brightness) == 200
    rows = [f"{key},{value}" for key, value in brightness.items() if key != "000007.png"]
    (faces / "attributes.csv").write_text("\n".join(["key,bright", *rows]))
    assert read_scores(faces / "attributes.csv", "bright", 200)[7] is None
    with pytest.raises(DataError, match="no column 'smiling'"):
        read_scores(faces / "attributes.csv", "smiling", 200)
    direction = tmp_path / "bright.safetensors"
    main(["fit", str(faces), "--attribute", "bright", "--out", str(direction)])
    lr = tmp_path / "lr"
    lr.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    (lr / "a.png").write_bytes(encode_png(pixels))
    out = tmp_path / "out"
    words = ["--direction", str(direction), "--out", str(out), "--strengths", "-2", "0", "2"]
    main(["apply", str(run), str(lr), *words])
    means = [read_rgb(out / "sr_64" / f"a_{s}.png").mean() for s in ("-2", "+0", "+2")]
    assert means[0] < means[1] < means[2]
    assert read_rgb(out / "sr_32" / "a_+0.png").shape == (32, 32, 3)
    sheet = read_rgb(out / "a.png")
    assert sheet.shape == (3 * 64, 3 * 64, 3)
    # The column of 16 pixels: each edited face as L_rec reduces it, enlarged by repeating.
    sixteen = [read_rgb(out / "sr_16" / f"a_{s}.png") for s in ("-2", "+0", "+2")]
    for row, (small, strength) in enumerate(zip(sixteen, ("-2", "+0", "+2"), strict=True)):
        last = read_rgb(out / "sr_64" / f"a_{strength}.png").astype(float)
        weights = LRReduction("bicubic_pulse", [64], 16).from64.double().numpy()
        expected = np.einsum("ah,hwc,bw->abc", weights, last, weights).clip(0, 255)
        assert np.abs(small - expected).max() <= 1.5
        assert np.array_equal(sheet[64 * row : 64 * row + 64 : 4, :64:4], small)
    method = open_run(run)
    with torch.no_grad():
        expected = method.super_resolve(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)
    found = torch.from_numpy(read_rgb(out / "sr_64" / "a_+0.png")).permute(2, 0, 1) / 255
    assert (found - expected[0]).abs().max() < 0.6 / 255
    # no code moves: nothing changes
    main(["apply", str(run), str(lr), *words, "--layers", "0", "0"])
    still = [read_rgb(out / "sr_64" / f"a_{s}.png") for s in ("-2", "+0", "+2")]
    assert np.array_equal(still[0], still[1]) and np.array_equal(still[1], still[2])


def test_large_faces_are_shown_reduced() -> None:
    images = {side: torch.rand(2, 3, side, side) for side in (32, 512)}
    assert grid(images).shape == (1, 3, 512, 512)
    assert torch.equal(grid(images)[0, :, ::8, :256:8][:, :32], images[32][0])


def test_a_direction_is_one_deviation_long_however_few_the_faces() -> None:
    codes = torch.tensor([[0.0], [1.0], [2.0], [5.0]])
    found = fit_direction(codes, torch.tensor([0.0, 1.0, 2.0, 5.0]))
    assert found.tolist() == pytest.approx([3.5**0.5])  # mean 2: (4 + 1 + 0 + 9) / 4
