"""The SCGAN authors' zip: roles, domains, and the files that should not be there."""

import inspect
import io
import struct
import zlib
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf
from PIL import Image

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.prepare.sources import SourceSet

SCGANZip = get_class("facesr_bench.datasets.scgan_zip.SCGANZip")
Prepared = get_class("facesr_bench.datasets.prepared.Prepared")
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_scgan_zip.py"))))
CONF = Path(__file__).parents[2] / "conf" / "prepare" / "scgan_zip.yaml"
FILES = LOOK.files()


def sources(tmp_path: Path, contents=FILES) -> SourceSet:
    return SourceSet([LOOK.write_zip(tmp_path / "imgs.zip", contents)], SCGANZip.archives)


def decoded(name: str) -> np.ndarray:
    with Image.open(io.BytesIO(FILES[name])) as image:
        return np.array(image)


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 900 million pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    end = b"\x00\x00\x00\x00IEND\xaeB`\x82"
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\r" + head + struct.pack(">I", zlib.crc32(head)) + end


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(CONF))
    assert conf.pop("_target_") == "facesr_bench.datasets.scgan_zip.SCGANZip"
    parameters = inspect.signature(SCGANZip).parameters
    assert conf == {name: p.default for name, p in parameters.items()}


def test_every_folder_has_its_split_role_and_domain(tmp_path):
    plan = SCGANZip().plan(sources(tmp_path))
    found = {}
    for raw in plan.items:
        found.setdefault((raw.split, raw.role, raw.domain), []).append(raw.key)
    assert found == {
        ("train", "hr", None): [f"imgs_train/HIGH/0000{n}.png" for n in range(5)],
        ("train", "lr", None): [f"imgs_train/LOW/face_{n}.png" for n in range(3)],
        ("test", "lr", "FFHQ"): [f"imgs_test/FFHQ/{n}.png" for n in range(2)],
        ("test", "lr", "LS3D-w_balanced"): [f"imgs_test/LS3D-w_balanced/{n}.png" for n in range(2)],
        ("test", "lr", "WebFace"): [f"imgs_test/WebFace/{n}.png" for n in range(2)],
        ("test", "lr", "Widerface"): [f"imgs_test/Widerface/{n}.png" for n in range(3)],
    }
    keys = [raw.key for raw in plan.items]
    assert keys == sorted(keys)
    assert "imgs_train/HIGH: 5 images." in plan.notes
    assert any("1 of 3 images do not end in .png (2.PNG)" in note for note in plan.notes)


def test_pixels_are_left_alone_and_alpha_is_dropped(tmp_path):
    items = {raw.key: raw for raw in SCGANZip().plan(sources(tmp_path)).items}
    np.testing.assert_array_equal(
        items["imgs_train/LOW/face_1.png"].read(), decoded("imgs_train/LOW/face_1.png")
    )
    with_alpha = decoded("imgs_train/HIGH/00004.png")
    assert with_alpha.shape == (64, 64, 4)
    np.testing.assert_array_equal(items["imgs_train/HIGH/00004.png"].read(), with_alpha[..., :3])


def test_parts_can_be_asked_for(tmp_path):
    plan = SCGANZip(tests=["Widerface"], train=False).plan(sources(tmp_path))
    assert {raw.domain for raw in plan.items} == {"Widerface"} and len(plan.items) == 3
    plan = SCGANZip(tests=[]).plan(sources(tmp_path))
    assert {raw.split for raw in plan.items} == {"train"}
    for tests in (["widerface"], "FFHQ"):
        with pytest.raises(ConfigError, match="must be a list of LS3D-w_balanced, FFHQ"):
            SCGANZip(tests=tests)


def test_a_wrong_size_is_named_when_read(tmp_path):
    data = sources(tmp_path, FILES | LOOK.WRONG_SIZE)
    items = {raw.key: raw for raw in SCGANZip().plan(data).items}
    with pytest.raises(
        DataError, match=r"imgs_test/FFHQ/1.png: it is 32 pixels wide and 32 high, not 16 and 16"
    ):
        items["imgs_test/FFHQ/1.png"].read()
    items = {raw.key: raw for raw in SCGANZip(lr_size=None).plan(data).items}
    assert items["imgs_test/FFHQ/1.png"].read().shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>Quota", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"", "is empty"),
        (b"hello", "is not an image"),
        (bomb(), "decompression bomb"),
        (FILES["imgs_train/LOW/face_0.png"][:300], "cannot be decoded"),
    ],
)
def test_what_is_no_image_is_named_when_read(tmp_path, content, message):
    data = sources(tmp_path, FILES | {"imgs_train/LOW/face_0.png": content})
    items = {raw.key: raw for raw in SCGANZip().plan(data).items}
    with pytest.raises(DataError, match=rf"imgs_train/LOW/face_0.png.* {message}"):
        items["imgs_train/LOW/face_0.png"].read()


def test_other_files_are_counted_and_deeper_folders_are_not_entered(tmp_path):
    contents = FILES | {"imgs_train/LOW/list.txt": b"x", "imgs_train/LOW/old/face_7.png": b"x"}
    plan = SCGANZip().plan(sources(tmp_path, contents))
    assert "imgs_train/LOW: 1 of 4 files are no images and left out (list.txt)." in plan.notes
    assert "imgs_train/LOW: 3 images." in plan.notes


def test_a_missing_folder_is_said_unless_allowed(tmp_path):
    contents = {name: c for name, c in FILES.items() if "/LOW/" not in name}
    data = sources(tmp_path, contents)
    with pytest.raises(
        DataError, match=r"no images in imgs_train/LOW of .*imgs.zip, where 14 files .* --src"
    ):
        SCGANZip().plan(data)
    plan = SCGANZip(allow_incomplete=True).plan(data)
    assert len(plan.items) == 14
    assert any("no images in imgs_train/LOW" in note for note in plan.notes)
    with pytest.raises(DataError, match="There are no images in imgs_train/HIGH, imgs_train/LOW,"):
        SCGANZip(allow_incomplete=True).plan(sources(tmp_path, {"a/b.png": b""}))


def test_two_files_of_one_key(tmp_path):
    contents = FILES | {"imgs_train/LOW/face_0.jpg": b""}
    with pytest.raises(DataError, match=r"face_0.jpg and .*face_0.png would both become"):
        SCGANZip().plan(sources(tmp_path, contents))


def test_a_folder_above_the_two_does_no_harm(tmp_path):
    inner = {f"SCGAN_data/{name}": content for name, content in FILES.items()}
    plain = SCGANZip().plan(sources(tmp_path / "a")).items
    nested = SCGANZip().plan(sources(tmp_path / "b", inner)).items
    assert [raw.key for raw in plain] == [raw.key for raw in nested]


def test_a_truncated_zip_and_names_that_climb_out(tmp_path):
    whole = LOOK.write_zip(tmp_path / "whole.zip", FILES).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut.zip is not a whole zip archive"):
        SourceSet([tmp_path / "cut.zip"])
    climbing = LOOK.write_zip(tmp_path / "evil.zip", FILES | {"imgs_train/LOW/../../x.png": b""})
    with pytest.raises(DataError, match="points outside the archive"):
        SourceSet([climbing])


def test_prepared_by_the_real_command(tmp_path, cli):
    LOOK.write_zip(tmp_path / "imgs.zip", FILES | LOOK.WRONG_SIZE)
    words = ("prepare", "scgan_zip", "--src", "imgs.zip", "--out", "scgan", "--landmarks", "no")
    refused = cli(*words, check=False)
    assert refused.returncode == 1
    assert "imgs_test/FFHQ/1.png: it is 32 pixels wide and 32 high, not 16 and 16" in refused.stderr
    cli(*words, "--on-error", "skip")
    data = Prepared(
        tmp_path / "scgan",
        train={},
        train_lr={"split": ["train"]},
        test={"role": "lr", "domains": ["FFHQ"]},
    )
    assert [len(data.split(role)) for role in ("train", "train_lr", "test")] == [5, 3, 1]
    np.testing.assert_array_equal(
        data.split("train")[4].hr, decoded("imgs_train/HIGH/00004.png")[..., :3]
    )
    for role, key in (("train_lr", "imgs_train/LOW/face_0.png"), ("test", "imgs_test/FFHQ/0.png")):
        sample = data.split(role)[0]
        assert sample.key == key and sample.hr is None
        np.testing.assert_array_equal(sample.lr, decoded(key))
