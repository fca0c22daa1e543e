"""Let torchvision's Python part import beside a PyTorch it was not compiled for.

The torchvision wheel of the default package index is compiled against CUDA. Beside a CPU build of
PyTorch its compiled operators do not load, and then ``import torchvision`` itself stops with
"operator torchvision::nms does not exist" (pytorch/vision#9085), and with it torchmetrics, Lightning,
lpips and pyiqa, none of which need those operators. Declaring the missing operators' signatures,
without an implementation, lets the import go through; calling one of them still raises.

Whether they are missing is found out by importing torchvision, never by the names of its files: the
compiled part has been ``_C.so`` and is ``_C_stable.so`` since 0.29, and operators declared beside a
part that does load end the process (torchvision registers them a second time, in C++).

Import this module before Lightning or torchmetrics. It does nothing where torchvision is healthy.
"""

import re
import sys
from importlib import import_module

import torch

_SIGNATURES = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_MISSING = re.compile(r"operator torchvision::(\w+) does not exist")
_declared: torch.library.Library | None = None  # kept alive: declarations end with the object


def declare_missing_operators() -> bool:
    """Import torchvision, and declare the operators that its import misses.

    Returns:
        True if declarations were made (now or by an earlier call), False if torchvision is healthy
        or absent.

    Raises:
        RuntimeError: torchvision's own, where its import fails for another reason.
    """
    global _declared  # noqa: PLW0603  (torch drops declarations with their object)
    undeclared = dict(_SIGNATURES)
    while True:
        try:
            import_module("torchvision")
        except ModuleNotFoundError as error:
            if error.name != "torchvision":
                raise
            break
        except RuntimeError as error:
            missing = _MISSING.search(str(error))
            if missing is None or missing[1] not in undeclared:
                raise
            if _declared is None:
                _declared = torch.library.Library("torchvision", "FRAGMENT")
            _declared.define(missing[1] + undeclared.pop(missing[1]))
            _forget_half_imported()
        else:
            break
    return _declared is not None


def _forget_half_imported() -> None:
    """Submodules that were imported before the failure would be taken for whole ones."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]


declare_missing_operators()
