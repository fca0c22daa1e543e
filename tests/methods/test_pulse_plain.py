"""The baseline that PULSE's speed is compared with finds the same images."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from facesr_bench.methods.pulse import PULSE

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def speed() -> Iterator[Any]:
    """The benchmark script; its folder is no package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("pulse_speed")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("shared", [False, True], ids=["kernel per sample", "shared kernels"])
def test_plain_and_ours_find_the_same_images(
    speed: Any, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path))
    method = PULSE(prior=speed.random_prior(), steps=6, fit_samples=2000).eval()
    plain = speed.plain_of(method, shared)
    lr = speed.lr_images(method, 2, torch.device("cpu"))
    ours = method.restore(lr, ["a", "b"])
    start = method.start(["b"], torch.device("cpu"))
    theirs = plain.search(lr[1:], start.latent, start.noise, len(start.searched) - 1)
    torch.testing.assert_close(ours[1:], theirs, rtol=0, atol=1e-3)
    assert method.findings["lr_mse"][1].item() == pytest.approx(plain.mses[-1], rel=1e-4)
    assert plain.mses[0] != plain.mses[-1]
