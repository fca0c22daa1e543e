"""Let torchvision's Python part import beside a PyTorch it was not compiled for.

The torchvision wheel of the default package index is compiled against CUDA. Beside a CPU build of
PyTorch its compiled operators do not load, and then ``import torchvision`` itself stops with
"operator torchvision::nms does not exist" (pytorch/vision#9085), and with it torchmetrics, Lightning,
lpips and pyiqa, none of which need those operators. Declaring the two operators' signatures, without
an implementation, lets the import go through; calling one of them still raises.

Import this module before Lightning or torchmetrics. It does nothing where torchvision is healthy.
"""

import importlib.util
from pathlib import Path

import torch

_SIGNATURES = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: torch.library.Library | None = None  # kept alive: declarations end with the object


def _operators_load() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # no torchvision, nothing to mend
    libraries = [
        path
        for pattern in ("_C.so", "_C.*.so", "_C.pyd", "_C.*.pyd", "_C.dylib")
        for path in Path(spec.origin).parent.glob(pattern)
    ]
    try:
        for library in libraries:
            torch.ops.load_library(str(library))
    except (ImportError, OSError):
        return False
    return bool(libraries)


def declare_missing_operators() -> bool:
    """Declare torchvision's operators if its compiled part cannot load.

    Returns:
        True if declarations were made (now or by an earlier call), False if torchvision is healthy
        or absent.
    """
    global _declared  # noqa: PLW0603  (torch drops declarations with their object)
    if _declared is None and not _operators_load():
        _declared = torch.library.Library("torchvision", "FRAGMENT")
        for signature in _SIGNATURES:
            _declared.define(signature)
    return _declared is not None


declare_missing_operators()
