"""Graphs that leave the project give the method's images; what cannot be one is told in a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import get_class
from torch import Tensor, nn

from facesr_bench.cli import main
from facesr_bench.errors import ConfigError
from facesr_bench.graph_export import TOLERANCE, compare, export_graph, opened
from facesr_bench.method import Method

KINDS = ["torchscript", "onnx"]


@pytest.fixture(autouse=True)
def _needs_onnx(request: pytest.FixtureRequest) -> None:
    if "onnx" in request.node.callspec.params.values() if hasattr(request.node, "callspec") else ():
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")


class Toy(Method):
    """Learned, and with something for training only beside it."""

    paper = "none"
    factor = 4

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 48, 3, padding=1)
        self.critic = nn.Linear(1000, 1000)

    def super_resolve(self, lr: Tensor) -> Tensor:
        return torch.sigmoid(nn.functional.pixel_shuffle(self.conv(lr), 4))


class Forks(Toy):
    """Decides by the values of its input, which a trace cannot hold."""

    def super_resolve(self, lr: Tensor) -> Tensor:
        sr = super().super_resolve(lr)
        return sr if len(lr) == 2 else 1 - sr


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_equals_the_method_and_holds_only_what_computes(kind: str) -> None:
    method = Toy().eval()
    content, parity = export_graph(method, 8, kind)
    assert parity.largest < 1e-5
    assert parity.batches == (1, 3)
    assert len(content) < 60_000, "the critic alone is 4 MB"
    lr = torch.rand(5, 3, 8, 8)
    with torch.no_grad():
        assert torch.allclose(opened(content, kind)(lr), method.super_resolve(lr), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_weights_and_forks_are_caught(kind: str) -> None:
    method = Toy().eval()
    content, _ = export_graph(method, 8, kind)
    with torch.no_grad():
        method.conv.weight[0] += 0.1
    assert compare(method, opened(content, kind), 8).largest > TOLERANCE
    with pytest.raises(ConfigError, match="gives other images than the method"):
        export_graph(Forks().eval(), 8, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_bicubic_and_scgan_can_be_exported(kind: str) -> None:
    for method, side in (
        (get_class("facesr_bench.methods.bicubic.Interpolation")(), 16),
        (get_class("facesr_bench.methods.scgan.SCGAN")(
            hr_size=64, restore_widths=(8, 8, 8), restore_depths=(2, 1), critic_hidden=8,
            degrade_widths=(8, 8, 16, 32), critic_widths=(8, 8, 8, 8, 16, 16), degrade_head=4,
            noise_dim=16), 16),
    ):  # fmt: skip
        _, parity = export_graph(method.eval(), side, kind)
        assert parity.largest < 1e-4


def test_the_command_writes_a_file_a_note_and_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["stage=export", "format=torchscript", "scale=slim", f"output_dir={out}"]
    assert main(["+method=scgan", *words]) == 0
    note: dict[str, Any] = json.loads((out / "scgan.json").read_text())
    assert note["origin"] == "shipped weights"
    assert note["input"] == {"lr": ["batch", 3, 16, 16]}
    assert note["parity"]["largest"] < 1e-4
    graph = opened((out / "scgan.pt").read_bytes(), "torchscript")
    assert graph(torch.rand(1, 3, 16, 16)).shape == (1, 3, 64, 64)
    assert not (out / "config.yaml").exists()
    capsys.readouterr()
    for method, also, code, said in (
        ("scgan", (), 1, "is there already"),
        ("scgan", ("format=tflite",), 1, "format=tflite is not one of onnx, torchscript"),
        ("pulse", ("scale=smoke",), 1, "it searches for each face by gradient descent"),
        ("stylegan2", (), 1, "does not super-resolve"),
    ):  # fmt: skip
        assert main([f"+method={method}", *words, *also]) == code
        err = capsys.readouterr().err
        assert said in err
        assert "Traceback" not in err
