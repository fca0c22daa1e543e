"""What is measured again of a run: all that was measured of it, whoever did."""

from typing import Any

from facesr_bench.verify.scores import _measured

RUN: dict[str, Any] = {"seed": 1, "measures": {"psnr": {"a": 1}, "fid": {"a": 1}}, "only": ["psnr"]}


def test_the_runs_own_metrics_and_those_of_who_scored_it_again() -> None:
    assert _measured({"config": {"metrics": RUN}}) == RUN | {"on_missing": "skip"}
    later = {"config": {"metrics": {"measures": {"niqe": {"b": 2}, "psnr": {"b": 2}}}}}
    last = {"config": {"metrics": {"measures": None}}}
    found = _measured({"config": {"metrics": RUN}, "rescored": [later, last]})
    assert found["measures"] == {"psnr": {"a": 1}, "fid": {"a": 1}, "niqe": {"b": 2}}
    assert found["only"] is None, "or what was added would be left out"
