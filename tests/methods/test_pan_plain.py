"""The baseline that PAN's speed is compared with computes the same losses, from its own networks."""

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
        yield importlib.import_module("pan_speed")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("arguments", [{}, {"channels_last": False}, {"fused": True}], ids=str)
@pytest.mark.parametrize(
    ("side", "fading"), [(8, False), (16, True), (32, False), (64, True), (64, False)]
)
def test_plain_and_ours_give_the_same_losses(
    speed: Any, side: int, fading: bool, arguments: dict[str, Any]
) -> None:
    """Adam without a mean of gradients steps by their sign at first, so rounding grows: 1e-3 later."""
    found = speed.run("smoke", side, fading, 4, 3, **arguments)
    assert len(found.plain_losses) == len(found.ours_losses) == 3
    assert found.ours_losses[0] == pytest.approx(found.plain_losses[0], abs=1e-5)
    for ours, plain in zip(found.ours_losses, found.plain_losses, strict=True):
        assert ours == pytest.approx(plain, abs=1e-3)
    assert found.plain_losses[0] != found.plain_losses[1]
