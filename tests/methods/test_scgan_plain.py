"""The baseline that SCGAN's speed is compared with computes the same losses, step by step."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def speed() -> Iterator[Any]:
    """The benchmark script; its folder is no package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("scgan_speed")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("arguments", [{}, {"channels_last": False}], ids=str)
def test_plain_and_ours_give_the_same_losses(speed: Any, arguments: dict[str, Any]) -> None:
    found = speed.run("smoke", 4, 3, **arguments)
    assert len(found.plain_losses) == len(found.ours_losses) == 3
    for ours, plain in zip(found.ours_losses, found.plain_losses, strict=True):
        assert ours == pytest.approx(plain, abs=1e-4)
    assert found.plain_losses[0] != found.plain_losses[1]
