"""Table 3 compares ways to adapt, so all of them get one budget: steps, faces in a step, and rate."""

import pytest
from hydra import compose, initialize_config_module

from facesr_bench.config import plain, register_resolvers


@pytest.mark.parametrize(
    ("scale", "expected"),
    [("full", (200, 8, 1e-4)), ("slim", (100, 4, 1e-3)), ("smoke", (4, 2, 1e-4))],
)
def test_every_strategy_has_the_budget_of_the_papers_own(
    scale: str, expected: tuple[int, int, float]
) -> None:
    register_resolvers()
    words = ["+method=dap_fsr", "+data=tiny_side_light", "+adaptation=one_shot"]
    words += [f"scale={scale}", "logger=none"]
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        config = plain(compose("config", words))
    method, tuning = config["method"], config["adaptation"]["fine_tuning"]
    assert (method["outer"] * method["inner"], method["batch"], method["phi_lr"]) == expected
    assert (tuning["steps"], tuning["batch"], tuning["lr"]) == expected
