"""Somebody else's networks from fabricated checkpoints of the official layouts."""

from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra.utils import get_class
from safetensors.torch import save_file
from torch import Tensor, nn

from command_line import SMALL, record_of
from facesr_bench.cli import main
from facesr_bench.cost import count_flops, count_parameters
from facesr_bench.errors import ConfigError, WeightsError

spandrel = pytest.importorskip("spandrel")
NETWORK = "facesr_bench.methods.spandrel.SpandrelNetwork"


def make(path: Path, **arguments: Any) -> Any:
    return get_class(NETWORK)(str(path), **arguments).eval()


def conv(state: dict[str, Tensor], name: str, out: int, inp: int, side: int = 3) -> None:
    state[f"{name}.weight"] = torch.randn(out, inp, side, side) * 0.05
    state[f"{name}.bias"] = torch.randn(out) * 0.05


def rrdb(features: int = 8, growth: int = 32, blocks: int = 2) -> dict[str, Tensor]:
    """Real-ESRGAN's names and shapes (BasicSR's RRDBNet, x4), small but for its growth."""
    torch.manual_seed(0)
    state: dict[str, Tensor] = OrderedDict()
    conv(state, "conv_first", features, 3)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for number in range(1, 6):
                out = growth if number < 5 else features
                name = f"body.{block}.rdb{dense}.conv{number}"
                conv(state, name, out, features + growth * (number - 1))
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        conv(state, name, features, features)
    conv(state, "conv_last", 3, features)
    return state


def rcan(features: int = 8, groups: int = 2, blocks: int = 2) -> dict[str, Tensor]:
    """The official RCAN's names and shapes (x4), small."""
    torch.manual_seed(1)
    state: dict[str, Tensor] = OrderedDict()
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        state[f"{name}.weight"] = torch.eye(3).view(3, 3, 1, 1)
        state[f"{name}.bias"] = sign * 255 * torch.tensor([0.4488, 0.4371, 0.4040])
    conv(state, "head.0", features, 3)
    for group in range(groups):
        for block in range(blocks):
            name = f"body.{group}.body.{block}.body"
            conv(state, f"{name}.0", features, features)
            conv(state, f"{name}.2", features, features)
            conv(state, f"{name}.3.conv_du.0", features // 4, features, 1)
            conv(state, f"{name}.3.conv_du.2", features, features // 4, 1)
        conv(state, f"body.{group}.body.{blocks}", features, features)
    conv(state, f"body.{groups}", features, features)
    conv(state, "tail.0.0", 4 * features, features)
    conv(state, "tail.0.2", 4 * features, features)
    conv(state, "tail.1", 3, features)
    return state


def run_rrdb(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """RRDBNet's equations straight from the paper's supplement, as an outside reference."""

    def c(name: str, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def act(x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(x, 0.2)

    first = trunk = c("conv_first", x)
    for block in range(2):
        inner = trunk
        for dense in (1, 2, 3):
            seen = [inner]
            for number in range(1, 5):
                seen.append(act(c(f"body.{block}.rdb{dense}.conv{number}", torch.cat(seen, 1))))
            inner = inner + 0.2 * c(f"body.{block}.rdb{dense}.conv5", torch.cat(seen, 1))
        trunk = trunk + 0.2 * inner
    x = first + c("conv_body", trunk)
    for name in ("conv_up1", "conv_up2"):
        x = act(c(name, nn.functional.interpolate(x, scale_factor=2)))
    return c("conv_last", act(c("conv_hr", x)))


@pytest.mark.parametrize("wrap", ["params_ema", "plain", "safetensors"])
def test_rrdb_of_any_wrapping_gives_the_papers_equations(wrap: str, tmp_path: Path) -> None:
    state = rrdb()
    path = tmp_path / ("x4.safetensors" if wrap == "safetensors" else "x4.pth")
    if wrap == "safetensors":
        save_file(dict(state), path)
    else:
        torch.save({"params_ema": state} if wrap == "params_ema" else state, path)
    method = make(path)
    assert method.architecture == "ESRGAN"
    lr = torch.rand(3, 3, 16, 16)
    sr = method.restore(lr, ["a", "b", "c"])
    assert torch.allclose(sr, run_rrdb(state, lr).clamp(0, 1), atol=1e-5)
    assert not torch.allclose(sr, sr.mean(), atol=1e-2)
    assert count_parameters(method) == sum(value.numel() for value in state.values())
    pixels = dict.fromkeys(state, 16 * 16)
    pixels |= {"conv_up1.weight": 32**2, "conv_up2.weight": 64**2}
    pixels |= {"conv_hr.weight": 64**2, "conv_last.weight": 64**2}
    flops = sum(2 * v.numel() * pixels[k] for k, v in state.items() if k.endswith("weight"))
    assert count_flops(lambda: method.super_resolve(lr[:1])) == flops


def test_rcan_runs_through_the_command_line_and_its_file_is_in_the_record(tmp_path: Path) -> None:
    path, out = tmp_path / "rcan.pt", tmp_path / "out"
    torch.save(rcan(), path)
    words = ["+method=spandrel", f"method.checkpoint={path}", "method.trained_on=[{data: div2k}]"]
    assert main([*words, *SMALL, "metrics.only=[psnr_rgb]", f"output_dir={out}"]) == 0
    record = record_of(out)
    assert record["paper"] == "RCAN, loaded by spandrel"
    assert record["origin"] == "weights from a file"
    assert record["weights"][0]["file"] == "rcan.pt"
    assert len(record["weights"][0]["sha256"]) == 64
    assert record["trained_on"] == [{"data": "div2k"}]
    assert record["cost"]["params"] > 5000
    assert record["n_images"] == 12


def test_scales_that_do_not_fit_and_files_that_may_not_be_opened(tmp_path: Path) -> None:
    good = tmp_path / "x4.pth"
    torch.save(rrdb(), good)
    with pytest.raises(ConfigError, match="makes 32x32 of a 8x8 face, but the data want 64x64"):
        make(good, factor=8)
    assert make(good, factor=8, fit="bicubic").super_resolve(torch.rand(1, 3, 8, 8)).shape[2] == 64
    with pytest.raises(ConfigError, match=r"method\.checkpoint=FILE"):
        get_class(NETWORK)()
    evil, odd, short = tmp_path / "evil.pth", tmp_path / "odd.pth", tmp_path / "short.pth"
    torch.save({"params": rrdb(), "code": nn.Linear(2, 2)}, evil)
    with pytest.raises(WeightsError, match="is not opened, since loading it would run code"):
        make(evil)
    torch.save({"some.weight": torch.zeros(3)}, odd)
    with pytest.raises(WeightsError, match="no architecture that spandrel knows"):
        make(odd)
    state = rcan()
    del state["body.1.body.0.body.0.weight"]
    torch.save(state, short)
    with pytest.raises(WeightsError, match="do not fit it"):
        make(short)


def test_face_networks_see_no_values_beyond_their_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At an edge from black to white bicubic overshoots both."""
    seen: list[Tensor] = []

    class Face(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x

    described = SimpleNamespace(
        model=Face(), architecture=SimpleNamespace(name="Another"), purpose="FaceSR", scale=1,
        input_channels=3, output_channels=3,
    )  # fmt: skip
    path = tmp_path / "face.pth"
    path.write_bytes(b"x")
    module = __import__(get_class(NETWORK).__module__, fromlist=["x"])
    monkeypatch.setattr(module, "load_network", lambda _: described)
    edges = torch.zeros(1, 3, 16, 16)
    edges[:, :, :, 8:] = 1
    make(path, fit="bicubic").super_resolve(edges)
    assert seen[0].min() == -1 and seen[0].max() == 1


def test_face_networks_see_the_enlarged_face_in_their_own_range_and_noise_follows_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GFPGAN's interface with a network of one weight; the real one is far too large for a test."""

    class Face(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> tuple[Tensor, None]:
            self.seen = x
            return x * self.gain + torch.randn(1, 3, 1, 1) * 0.05, None

    network = Face()
    described = SimpleNamespace(
        model=network, architecture=SimpleNamespace(name="GFPGAN"), purpose="FaceSR", scale=1,
        input_channels=3, output_channels=3,
    )  # fmt: skip
    path = tmp_path / "face.pth"
    path.write_bytes(b"x")
    module = __import__(get_class(NETWORK).__module__, fromlist=["x"])
    monkeypatch.setattr(module, "load_network", lambda _: described)
    with pytest.raises(ConfigError, match=r"makes 512x512.*method\.fit=bicubic"):
        make(path)
    method = make(path, fit="bicubic")
    lr = torch.rand(2, 3, 16, 16) * 0.5 + 0.25
    first = method.restore(lr, ["a", "b"])
    assert first.shape == (2, 3, 64, 64)
    assert network.seen.shape == (1, 3, 512, 512)
    assert network.seen.min() < -0.2
    state = torch.get_rng_state()
    assert torch.equal(method.restore(lr.flip(0), ["b", "a"]).flip(0), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(method.restore(lr[:1], ["b"]), first[:1])
    assert (first.mean((2, 3)) - lr.mean((2, 3))).abs().max() < 0.1


class Mirror(nn.Module):
    """A face network's interface, which keeps what it is shown and told."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, weight: float = 0.5) -> tuple[Tensor, None]:
        self.seen, self.weight = x, weight
        return x * self.gain, None


def face_method(
    architecture: str, path: Path, patch: pytest.MonkeyPatch, purpose: str = "FaceSR", **words: Any
) -> tuple[Any, Mirror]:
    network = Mirror()
    described = SimpleNamespace(
        model=network, architecture=SimpleNamespace(name=architecture), purpose=purpose, scale=1,
        input_channels=3, output_channels=3,
    )  # fmt: skip
    path.write_bytes(b"x")
    module = __import__(get_class(NETWORK).__module__, fromlist=["x"])
    patch.setattr(module, "load_network", lambda _: described)
    return make(path, fit="bicubic", **words), network


@pytest.mark.parametrize(
    ("architecture", "enlarge", "expected"),
    [
        ("GFPGAN", None, "bilinear"),
        ("CodeFormer", None, "bilinear"),
        ("RestoreFormer", None, "bilinear"),
        ("Another", None, "bicubic"),
        ("GFPGAN", "bicubic", "bicubic"),
        ("Another", "bilinear", "bilinear"),
    ],
)
def test_face_networks_are_shown_what_they_were_made_for(
    architecture: str, enlarge: str | None, expected: str, tmp_path: Path, monkeypatch: Any
) -> None:
    """OpenCV's INTER_LINEAR, and Pillow's bicubic, of the same face."""
    import cv2
    import numpy as np
    from PIL import Image

    method, network = face_method(architecture, tmp_path / "x", monkeypatch, enlarge=enlarge)
    face = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    method.super_resolve(torch.from_numpy(face).permute(2, 0, 1)[None] / 255)
    seen = network.seen[0].permute(1, 2, 0).add(1).mul(127.5).numpy()
    linear = cv2.resize(face.astype(np.float32), (512, 512), interpolation=cv2.INTER_LINEAR)
    cubic = np.asarray(Image.fromarray(face).resize((512, 512), Image.Resampling.BICUBIC), float)
    gaps = {"bilinear": np.abs(seen - linear).mean(), "bicubic": np.abs(seen - cubic).mean()}
    assert gaps.pop(expected) < 0.6
    assert min(gaps.values()) > 2


def test_codeformers_weight_is_an_argument(tmp_path: Path, monkeypatch: Any) -> None:
    lr = torch.rand(1, 3, 16, 16)
    for given, told in ((0.9, 0.9), (0, 0.0), (None, 0.5)):
        method, network = face_method("CodeFormer", tmp_path / "x", monkeypatch, fidelity=given)
        method.super_resolve(lr)
        assert network.weight == told
    with pytest.raises(ConfigError, match=r"fidelity=1.5 must lie in \[0, 1\]"):
        face_method("CodeFormer", tmp_path / "x", monkeypatch, fidelity=1.5)
    with pytest.raises(ConfigError, match="GFPGAN has none"):
        face_method("GFPGAN", tmp_path / "x", monkeypatch, fidelity=0.5)
    with pytest.raises(ConfigError, match="enlarge is for face networks"):
        face_method("RCAN", tmp_path / "x", monkeypatch, "SR", enlarge="bilinear", factor=1)
    with pytest.raises(ConfigError, match="enlarge=box is not one of"):
        face_method("GFPGAN", tmp_path / "x", monkeypatch, enlarge="box")
