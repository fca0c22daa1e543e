"""Scoring a run again: its own arguments of a measure, its reference and its seed stay in force."""

from pathlib import Path

import pytest

from facesr_bench.evaluate.measuring import metrics_config
from facesr_bench.evaluate.request import Request


def test_a_rescored_run_keeps_its_own_arguments():
    fid = {"_target_": "x.Y", "network": "fid_inception", "reference": "mine"}
    own = {"seed": 7, "measures": {"fid_kid": fid, "swd": None}, "only": None}
    data = {"reference": "theirs"}
    chosen = metrics_config(request("fid_kid", "fd_squeezenet", "swd"), own, data)
    assert chosen["measures"]["fid_kid"] == fid and chosen["seed"] == 7
    assert chosen["measures"]["fd_squeezenet"]["reference"] == "theirs"
    assert chosen["measures"]["swd"]["_target_"].endswith("SWD")  # left out then, asked for now


def request(*metrics):
    return Request(images=Path("x"), metrics=metrics)


@pytest.mark.parametrize("own", [None, {"seed": 7, "measures": {}, "only": None}])
def test_without_words_a_folder_is_measured_by_core(own):
    words = () if own is None else ("core",)
    assert "psnr_rgb" in metrics_config(request(*words), own)["measures"]
