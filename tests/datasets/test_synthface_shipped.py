"""The test faces that come with the package have one size, which is told before anything trains."""

from pathlib import Path

import pytest

from command_line import Cli
from facesr_bench.datasets.synthface import SynthFace
from facesr_bench.errors import ConfigError


def faces(size: int, shipped: str | None) -> SynthFace:
    return SynthFace(size, {"train": 1, "test": 1}, {"train": 1, "test": 1}, shipped_test=shipped)


@pytest.mark.parametrize(("hr", "lr"), [(32, 8), (64, 32), (32, 16)])
def test_other_sides_than_the_shipped_ones_are_refused(hr: int, lr: int) -> None:
    with pytest.raises(ConfigError, match=f"have 64 and 16 pixels .*, not {hr} and {lr}"):
        faces(hr, "tiny_test.zip").check_test(hr, lr)
    faces(hr, None).check_test(hr, lr)


def test_the_shipped_sides_are_taken() -> None:
    faces(64, "tiny_test.zip").check_test(64, 16)


def test_a_run_that_could_not_be_tested_does_not_train(cli: Cli, tmp_path: Path) -> None:
    few = "data.source.identities={train: 2, train_lr: 2, val: 1, test: 3}"
    words = ["+method=scgan", "+data=tiny", few, "scale=smoke", "trainer=cpu", "images=8"]
    done = cli(*words, "data.hr_size=32", "output_dir=out", check=False)
    assert done.returncode == 1
    assert "have 64 and 16 pixels (HR and LR), not 32 and 8" in done.stderr
    assert "data.source.shipped_test=null" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "checkpoints").exists()
