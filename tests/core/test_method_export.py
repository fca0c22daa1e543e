"""Which of our learned methods ``stage=export`` can write: each that runs one fixed graph."""

import pytest
import torch

from facesr_bench.graph_export import export_graph
from facesr_bench.method import Method
from facesr_bench.methods.pan import PAN
from facesr_bench.methods.psp import PSP
from methods.dap_fsr_models import build as dap_fsr
from methods.propulse_smoke import build as propulse
from methods.propulse_smoke import small_prior
from methods.test_dap_fsr_frozen import used


def _dap_fsr() -> Method:
    method = dap_fsr()
    used(method.nets.E)  # or its aligners would turn nothing
    return method


def _propulse() -> Method:
    method = propulse()
    assert method.nets.E_Wplus is not None
    method.nets.E_Wplus.trained_codes.fill_(method.nets.G_ds.num_codes)
    return method


def _pan() -> Method:
    return PAN(hr_size=32, factor=2, channel_base=128, channel_max=8)


def _psp() -> Method:
    return PSP(
        prior=small_prior(32), hr_size=32, factor=2, input_size=32, style_width=8,
        depths=(1, 1, 1, 1), body_weights=None, lpips=None, identity=None, factors=(1, 2),
    )  # fmt: skip


METHODS = {"dap_fsr": _dap_fsr, "propulse": _propulse, "pan": _pan, "psp": _psp}


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, "onnx") for name in METHODS), ("dap_fsr", "torchscript"), ("pan", "torchscript")],
)
def test_the_graph_gives_the_methods_images(name: str, kind: str) -> None:
    """Up to rounding, at batches other than the example's, also after an evaluation."""
    if kind == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    method = METHODS[name]().eval()
    with torch.no_grad():
        method.super_resolve(torch.rand(1, 3, 16, 16))
    _, parity = export_graph(method, 16, kind)
    assert parity.largest < 2e-5 and parity.batches == (1, 3)
