"""The same images give the same bits on one, two and three ranks."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from metrics.fabricated import FabricatedWeights

RANK = Path(__file__).with_name("suite_rank.py")
CASES = [
    # One list of batches for each rank. Uneven, and image 0 padded in twice:
    [[[0, 2, 4, 6], [8, 10]], [[1], [3, 5, 7, 9, 0]]],
    # Rank 0, which reduces, without images:
    [[], [[9, 3, 1]], [[10, 0], [2, 4, 6, 8], [5], [7]]],
]


TO_THE_BIT = ("psnr", "ssim", "lr_", "niqe")
if np.lib.NumpyVersion(np.__version__) >= "2.0.0":  # 1.26: 4e-10 apart, from process to process
    TO_THE_BIT += ("swd",)


def put_squeezenet(path):
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    torch.save(squeezenet1_1().state_dict(), path)


def put_niqe(path):
    draws = np.random.default_rng(0).normal(size=(200, 36))
    model = {"mu_prisparam": draws.mean(0)[None], "cov_prisparam": np.cov(draws.T)}
    scipy.io.savemat(path, model)


def same(got, expected, key=""):
    """Equal to the bit, but for networks, whose kernels may round otherwise: 1e-6 there."""
    if isinstance(expected, dict):
        assert got.keys() == expected.keys(), key
        for name in expected:
            same(got[name], expected[name], f"{key}/{name}")
    elif isinstance(expected, list) and expected and isinstance(expected[0], float):
        assert got == pytest.approx(expected, rel=1e-5, abs=1e-6), key
    elif isinstance(expected, float) and not any(name in key for name in TO_THE_BIT):
        assert got == pytest.approx(expected, rel=1e-6, abs=1e-6), key
    else:
        assert got == expected, key


def alone():
    spec = importlib.util.spec_from_file_location("suite_rank", RANK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return json.loads(json.dumps(module.run([range(module.N)])))


@pytest.mark.skipif(sys.platform == "win32", reason="the ranks fork")
def test_ranks_equal_one_process(tmp_path, monkeypatch):
    weights = FabricatedWeights(tmp_path, monkeypatch)
    weights.put("squeezenet1_1", put_squeezenet)
    weights.put("niqe", put_niqe)
    ranks = subprocess.Popen([sys.executable, str(RANK), str(tmp_path), json.dumps(CASES)])
    expected = alone()
    assert expected["images"] == expected["metrics"]["psnr_y"]["n"] == 11
    assert {"lpips_squeeze", "fd_squeezenet_n11@toy", "niqe_up192"} < expected["metrics"].keys()
    assert expected["failed"] == {"picky": "Picky does not like 07."}
    assert ranks.wait(timeout=600) == 0
    for number, shards in enumerate(CASES):
        for rank in range(len(shards)):
            got = json.loads((tmp_path / f"{number}-{rank}.json").read_text())
            same(got, expected, f"case {number}, rank {rank}: ")
