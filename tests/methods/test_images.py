"""SR images made elsewhere: the numbers of the run that made them, or a sentence on what is wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import get_class
from PIL import Image

from command_line import SMALL, record_of
from facesr_bench.cli import main
from facesr_bench.errors import ConfigError, DataError

RUN = [*SMALL, "metrics.only=[psnr_rgb,lr_psnr]"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of ours, whose images play the other system's."""
    out = tmp_path_factory.mktemp("made") / "run"
    assert main(["+method=bicubic", *RUN, f"output_dir={out}"]) == 0
    return out


@pytest.fixture
def theirs(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "sr", tmp_path / "theirs"))


@pytest.fixture
def score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Score a folder in this process; gives what was written to standard error."""

    def run(folder: Path, *words: str, code: int = 0) -> str:
        out = f"output_dir={tmp_path / 'out'}"
        assert main(["+method=images", f"method.dir={folder}", *RUN, out, *words]) == code
        return capsys.readouterr().err

    return run


def test_images_of_a_run_get_the_runs_numbers_and_their_own_origin(
    made: Path, theirs: Path, score: Callable[..., str], tmp_path: Path
) -> None:
    extra = theirs / "of_nobody.png"
    shutil.copy(next(theirs.rglob("*.png")), extra)
    said = score(theirs, "method.trained_on=[{data: ffhq}]", "label=Theirs")
    run, record = record_of(made), record_of(tmp_path / "out")
    assert record["origin"] == "images from elsewhere"
    assert record["sr_hash"] == run["sr_hash"]
    assert record["protocol"] == run["protocol"]
    values = {key: metric["value"] for key, metric in record["metrics"].items()}
    assert values == {key: metric["value"] for key, metric in run["metrics"].items()}
    assert len(values) == 2
    assert record["cost"] == {}
    assert record["loss_networks"] is None
    assert run["loss_networks"] == []
    assert record["trained_on"] == [{"data": "ffhq"}]
    assert "belong to no test key" in said
    assert "of_nobody.png" in said


def test_missing_damaged_and_misshapen_images_are_listed_and_nothing_is_scored(
    theirs: Path, score: Callable[..., str], tmp_path: Path
) -> None:
    first, second, third, fourth, *_ = sorted(theirs.rglob("*.png"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:200])
    Image.new("RGB", (32, 64)).save(third)
    shutil.copy(fourth, fourth.with_suffix("").with_suffix(".bmp"))
    said = score(theirs, code=1)
    name = first.relative_to(theirs).with_suffix("").as_posix()
    assert f"1 of the 12 test keys have no image: {name}" in said
    assert f"{second.name} is cut short or damaged" in said
    assert "1 are not of the protocol's size, 64x64" in said
    assert "(64x32)" in said
    assert "1 could belong to several" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "result.json").exists()


def test_other_formats_match_by_key_and_changed_images_are_read_again(
    theirs: Path, tmp_path: Path
) -> None:
    """One changed pixel changes what a killed test stage compares before it goes on."""
    paths = sorted(theirs.rglob("*.png"))
    keys = [path.relative_to(theirs).with_suffix("").as_posix() for path in paths]
    kind = get_class("facesr_bench.methods.images.StoredImages")
    method = kind(str(theirs))
    method.begin_test(keys, (64, 64))
    before = method.files_sha256.clone()
    pixels = np.array(Image.open(paths[0]))
    pixels[0, 0, 0] ^= 1
    paths[0].unlink()
    Image.fromarray(pixels).save(paths[0].with_suffix("").with_suffix(".bmp"))
    again = kind(str(theirs))
    again.begin_test(keys, (64, 64))
    assert not torch.equal(before, again.files_sha256)
    sr = again.restore(torch.zeros(1, 3, 16, 16), keys[:1])
    assert torch.equal(sr.mul(255).round().byte()[0].permute(1, 2, 0), torch.from_numpy(pixels))


def test_a_folder_must_be_named_and_there(tmp_path: Path) -> None:
    kind = get_class("facesr_bench.methods.images.StoredImages")
    with pytest.raises(ConfigError, match=r"method\.dir=DIR"):
        kind()
    with pytest.raises(DataError, match="does not exist"):
        kind(str(tmp_path / "gone"))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ConfigError, match="trained_on"):
        kind(str(tmp_path), trained_on=["ffhq"])
    with pytest.raises(ConfigError, match="made already"):
        kind(str(tmp_path)).super_resolve(torch.zeros(1, 3, 4, 4))
