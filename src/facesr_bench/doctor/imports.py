"""Which packages can be imported here: tried in a process of its own, since one may end it."""

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

from facesr_bench.errors import first_line

_TRY = """\
import sys
from importlib import import_module
for name in sys.argv[1:]:
    print("trying", name, flush=True)
    try:
        import_module(name)
    except BaseException as error:
        line = (str(error).strip().splitlines() or [""])[0]
        print("failed", f"{type(error).__name__}: {line}", flush=True)
print("done", flush=True)
"""

MODULES = {
    "hydra-core": "hydra",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "torch-fidelity": "torch_fidelity",
    "pytorch-lightning": "pytorch_lightning",
    "hydra-submitit-launcher": "submitit",
    "hydra-joblib-launcher": "joblib",
    "hydra-optuna-sweeper": "optuna",
}
"""Packages whose module has another name."""


def failures(modules: Sequence[str], timeout: float = 300) -> dict[str, str]:
    """Import modules one after the other.

    Args:
        modules: names; a later one is tried in the process that has the earlier ones.
        timeout: seconds for all of them.

    Returns:
        For each module that cannot be imported, why, as part of a sentence.
    """
    found: dict[str, str] = {}
    rest = list(modules)
    while rest:
        words = [sys.executable, "-c", _TRY, *rest]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as late:
            said = late.stdout or b""
            lines = (said.decode() if isinstance(said, bytes) else said).splitlines()
            end = f"did not end within {timeout:g} s"
        except OSError as error:
            return dict.fromkeys(rest, f"could not be tried ({first_line(error)})")
        else:
            lines = [line for line in done.stdout.splitlines() if line]
            code = done.returncode
            end = f"ends the process with {'signal' if code < 0 else 'code'} {abs(code)}"
        tried = [line.removeprefix("trying ") for line in lines if line.startswith("trying ")]
        for name, answer in pairwise(lines):
            if name.startswith("trying ") and answer.startswith("failed "):
                found[name.removeprefix("trying ")] = answer.removeprefix("failed ")
        if lines and lines[-1] == "done":
            return found
        if not tried:
            return dict.fromkeys(rest, end)
        found[tried[-1]] = end
        rest = rest[rest.index(tried[-1]) + 1 :]
    return found
