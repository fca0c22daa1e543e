"""The same images give the same bits on one, two and three ranks."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

RANK = Path(__file__).with_name("suite_rank.py")
CASES = [
    # One list of batches for each rank. Uneven, and image 0 padded in twice:
    [[[0, 2, 4, 6], [8, 10]], [[1], [3, 5, 7, 9, 0]]],
    # Rank 0, which reduces, without images:
    [[], [[9, 3, 1]], [[10, 0], [2, 4, 6, 8], [5], [7]]],
]


def alone():
    spec = importlib.util.spec_from_file_location("suite_rank", RANK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return json.loads(json.dumps(module.run([range(module.N)])))


@pytest.mark.skipif(sys.platform == "win32", reason="the ranks fork")
def test_ranks_equal_one_process_bit_for_bit(tmp_path):
    ranks = subprocess.Popen([sys.executable, str(RANK), str(tmp_path), json.dumps(CASES)])
    expected = alone()
    assert expected["images"] == expected["metrics"]["psnr_y"]["n"] == 11
    assert expected["failed"] == {"picky": "Picky does not like 07."}
    assert ranks.wait(timeout=240) == 0
    for number, shards in enumerate(CASES):
        for rank in range(len(shards)):
            got = json.loads((tmp_path / f"{number}-{rank}.json").read_text())
            assert got == expected, (number, rank)
