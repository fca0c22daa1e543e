"""facesr-bench: train, run and compare face super-resolution methods honestly.

The harness lives here; methods and data sets are plug-ins in ``facesr_bench.methods`` and
``facesr_bench.datasets``. In a wheel those are folders beside this file; in a checkout they stand at
the repository's top level, so the root of the checkout is appended to this package's search path.
"""

from pathlib import Path

__version__ = "0.1.0"

_checkout = Path(__file__).resolve().parents[2]
if (_checkout / "pyproject.toml").is_file() and (_checkout / "methods").is_dir():
    __path__.append(str(_checkout))
