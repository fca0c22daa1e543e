"""``facesr-bench adapt`` through the real command line, with the YAML files as they are."""

from pathlib import Path

import torch
from hydra import compose, initialize_config_module

from command_line import Cli, record_of
from facesr_bench.config import build_method, plain, register_resolvers
from facesr_bench.nets.stylegan2 import StyleGAN2

FEW = "data.identities={train: 8, val: 4, test: 3}"


def source_weights(folder: Path) -> tuple[str, ...]:
    """A random prior and an untrained DAP-FSR on it, as words of the command line."""
    torch.manual_seed(0)
    generator = StyleGAN2(64, 16, 16, 2, 256, 16)
    state = {f"average.{name}": value for name, value in generator.state_dict().items()}
    torch.save({"state_dict": state, "trained_on": [{"data": "tiny"}]}, folder / "prior.ckpt")
    words = (
        "+method=dap_fsr", "+data=tiny_side_light", "scale=smoke", "prior@method.prior=file",
        f"method.prior.path={folder / 'prior.ckpt'}",
    )  # fmt: skip
    register_resolvers()
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        method = build_method(plain(compose("config", [*words, "logger=none"]))["method"])
    content = {
        "state_dict": method.state_dict(),
        "images_seen": 8,
        "trained_on": [{"data": "tiny"}],
    }
    torch.save(content, folder / "source.ckpt")
    return words


def test_the_protocol_is_one_command(cli: Cli, tmp_path: Path) -> None:
    words = source_weights(tmp_path)
    cli(
        "adapt", *words, FEW, "trainer=cpu", "metrics.only=[psnr_rgb,ssim_rgb]", "ckpt=source.ckpt",
        "output_dir=out", "adaptation.seeds=2", "adaptation.k=2", "adaptation.keep_weights=true",
    )  # fmt: skip
    record = record_of(tmp_path / "out")
    assert record["data"] == "tiny_side_light-2shot" and record["origin"] == "trained here"
    assert record["adaptation"]["conditions"] == ["side_light"]
    assert set(record["metrics"]) == {"psnr_rgb", "ssim_rgb"}
    assert record["metrics"]["psnr_rgb"]["over"]["cells"] == 2
    cells = record["adaptation"]["cells"]
    assert all(len(set(cell["exemplars"])) == 2 for cell in cells)
    assert cells[0]["found"]["exemplar_loss_after"] != cells[0]["found"]["exemplar_loss_before"]
    assert record["loss_networks"] == ["vgg19_random"]
    adapted = torch.load(tmp_path / "out/cells/side_light/00/adapted.ckpt", weights_only=True)
    before = torch.load(tmp_path / "source.ckpt", weights_only=True)["state_dict"]
    moved = {n for n, v in adapted["state_dict"].items() if not torch.equal(v, before[n])}
    assert moved and all(".affine." in name for name in moved)
