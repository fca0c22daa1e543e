"""``facesr-bench cycles``: SCGAN's Fig. 2, of both architectures."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from command_line import SMALL
from facesr_bench.cli import main as front_door
from facesr_bench.config import build_method
from facesr_bench.cycles import SCORED, main
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import read_rgb, to_float
from facesr_bench.seeding import torch_rng
from metrics.fabricated import FabricatedWeights, inception

pytestmark = pytest.mark.usefixtures("own_surroundings")


def test_s_and_c_are_written_and_scored(
    trained_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))
    FabricatedWeights(tmp_path / "fabricated", monkeypatch).put("fid_inception", inception)
    words = [str(trained_run), "--out", "fig2", "--device", "cpu", "--allow-small"]
    assert main(words) == 0
    out = tmp_path / "fig2"
    names = [f"{n:05d}.png" for n in range(12)]
    for folder, side in (("hr", 64), ("lr", 16), ("hr_degraded", 16), ("lr_restored", 64)):
        assert sorted(p.name for p in (out / folder).iterdir()) == names
        assert read_rgb(out / folder / names[0]).shape == (side, side, 3)
    assert "s, degraded HR faces, against the LR faces:" in capsys.readouterr().out
    for name, comparison in SCORED.items():
        record = json.loads((out / "scores" / name / "result.json").read_text())
        if "fid_kid" in comparison.metrics:
            assert record["metrics"][f"fid_n12@{comparison.against}"]["value"] > 0
        if "psnr_rgb" in comparison.metrics:
            assert record["metrics"]["psnr_rgb"]["n"] == 12

    # What is there is what the trained networks make of those very files.
    from omegaconf import OmegaConf

    from facesr_bench.checkpoints import load_weights, read_checkpoint

    method = build_method(
        OmegaConf.to_container(OmegaConf.load(trained_run / "config.yaml"))["method"]
    )
    file = trained_run / "checkpoints" / "last.ckpt"
    load_weights(method, read_checkpoint(file), str(file))
    method.eval()
    hr, lr = (
        to_float(torch.from_numpy(read_rgb(out / side / "00004.png"))[None])
        for side in ("hr", "lr")
    )
    nets, z = (
        method.nets,
        torch.randn(method.nets.noise_shape, generator=torch_rng(2020, "cycles", 4)),
    )
    with torch.no_grad():
        s = nets.D_HL(method.to_network(hr), z[None])
        c = nets.D_SL(nets.R_LS(method.to_network(lr)), z[None])
    for folder, image in (("hr_degraded", s), ("lr_restored_degraded", c)):
        expected = image.flip(1).add(1).div(2).clamp(0, 1).mul(255)[0].permute(1, 2, 0)
        found = torch.from_numpy(read_rgb(out / folder / "00004.png")).float()
        assert (found - expected).abs().max() < 1.01, folder


def test_cyclegan_has_them_too_and_bicubic_none(
    tmp_path: Path,
    trained_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "none"))
    assert front_door(["+method=cyclegan", *SMALL, "images=8", "stage=fit", "output_dir=run"]) == 0
    assert main(["run", "--out", "fig2", "--images", "3", "--device", "cpu"]) == 0
    assert "not scored: Not one of the metrics asked for" in capsys.readouterr().out  # no Inception
    assert {p.name for p in (tmp_path / "fig2").iterdir()} == {"hr", "lr", "scores", *SCORED}
    assert len(list((tmp_path / "fig2" / "hr_degraded").iterdir())) == 3
    with pytest.raises(DataError, match="is not empty"):
        main(["run", "--out", "fig2"])
    shutil.copytree(trained_run, tmp_path / "other")
    config = tmp_path / "other" / "config.yaml"
    front_door(["+method=bicubic", *SMALL, "stage=test", "metrics=none", "output_dir=bicubic"])
    config.write_text((tmp_path / "bicubic" / "config.yaml").read_text())
    with pytest.raises(ConfigError, match="bicubic is not trained by cycles"):
        main(["other", "--out", "fig3"])
