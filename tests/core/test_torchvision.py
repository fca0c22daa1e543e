"""torchvision imports beside any PyTorch, or its own error is seen; a healthy one is left alone.

Each case is a small package of torchvision's name, imported in a process of its own beside the real
PyTorch: what it does at import is what the releases do that users have.
"""

import subprocess
import sys
from pathlib import Path

import pytest

CUDA_BUILD_BESIDE_CPU = """\
import torch
from torchvision import ops_that_import_first

for name in ("nms", "qnms"):  # its C++ did not load, so nothing has defined these
    torch.library.register_fake(f"torchvision::{name}")(lambda dets, scores, iou_threshold: None)
whole = True
"""

HEALTHY = """\
import torch

library = torch.library.Library("torchvision", "DEF")  # as its C++ does; a second time ends there
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.impl("nms", lambda dets, scores, iou_threshold: scores, "CompositeExplicitAutograd")
torch.library.register_fake("torchvision::nms")(lambda dets, scores, iou_threshold: scores)
whole = True
"""

OTHERWISE_BROKEN = """\
raise RuntimeError("operator torchvision::roi_align does not exist, and more is wrong than that")
"""

NO_TORCHVISION = """\
import sys
from importlib.abc import MetaPathFinder

class Nothing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")

sys.meta_path.insert(0, Nothing())
"""

SAY = """\
import torch
from facesr_bench.torchvision_ops import declare_missing_operators
print("declared", declare_missing_operators(), declare_missing_operators())
"""


def answer(folder: Path, package: str | None, then: str) -> subprocess.CompletedProcess[str]:
    """Import what is under test where ``package`` is torchvision (None: there is none)."""
    if package is None:
        before = NO_TORCHVISION
    else:
        (folder / "torchvision").mkdir()
        (folder / "torchvision" / "__init__.py").write_text(package)
        (folder / "torchvision" / "ops_that_import_first.py").write_text("")
        before = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    return subprocess.run(
        [sys.executable, "-c", before + SAY + then],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip


def test_beside_a_cpu_pytorch_a_cuda_torchvision_imports_whole_and_its_operators_raise(
    tmp_path: Path,
) -> None:
    then = (
        "import torchvision; assert torchvision.whole\n"
        "one = torch.ones(1)\n"
        "try:\n    torch.ops.torchvision.nms(one, one, 0.5)\n"
        "except NotImplementedError:\n    print('raises')\n"
    )
    done = answer(tmp_path, CUDA_BUILD_BESIDE_CPU, then)
    assert done.stdout.split("\n")[:2] == ["declared True True", "raises"], done.stderr


def test_a_healthy_torchvision_is_left_alone_whatever_its_files_are_called(tmp_path: Path) -> None:
    then = "one = torch.ones(1)\nprint(float(torch.ops.torchvision.nms(one, one, 0.5)))"
    done = answer(tmp_path, HEALTHY, then)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["declared False False", "1.0"]


def test_without_torchvision_nothing_is_declared(tmp_path: Path) -> None:
    done = answer(tmp_path, None, "")
    assert done.stdout == "declared False False\n", done.stderr


@pytest.mark.parametrize("package", [OTHERWISE_BROKEN, "import not_there_at_all"])
def test_another_fault_of_torchvision_is_told_in_its_own_words(
    package: str, tmp_path: Path
) -> None:
    done = answer(tmp_path, package, "")
    assert done.returncode != 0
    assert "roi_align does not exist" in done.stderr or "not_there_at_all" in done.stderr


def test_the_torchvision_of_this_environment_imports() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAY + "import torchvision, torchmetrics, pytorch_lightning"],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
