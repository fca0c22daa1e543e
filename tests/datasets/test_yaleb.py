"""Extended Yale B: names, lights, subsets as published, what is left out, pixels through prepare."""

import inspect
from collections import Counter
from importlib import import_module
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf
from PIL import Image

from command_line import ROOT
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.prepare.sources import SourceSet

YaleB = get_class("facesr_bench.datasets.yaleb.YaleB")
MODULE = import_module(YaleB.__module__)
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_yaleb.py"))))
FILES = LOOK.files()


def plan(root: Path, contents=FILES, **arguments):
    LOOK.write_zip(root / "CroppedYale.zip", contents)
    return YaleB(**arguments).plan(SourceSet([root / "CroppedYale.zip"], YaleB.archives))


def names_only(root: Path, names) -> SourceSet:
    return SourceSet([LOOK.write_folder(root, dict.fromkeys(names, b""))], YaleB.archives)


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "prepare" / "yaleb.yaml"))
    assert conf.pop("_target_") == "facesr_bench.datasets.yaleb.YaleB"
    defaults = {name: p.default for name, p in inspect.signature(YaleB).parameters.items()}
    assert conf == {**defaults, "domains": list(defaults["domains"])}


def test_keys_people_lights_and_splits(tmp_path):
    items = {raw.key: raw for raw in plan(tmp_path).items}
    assert len(items) == 8
    raw = items["yaleB11/yaleB11_P00A+070E-35.png"]
    assert (raw.identity, raw.split, raw.role, raw.domain) == ("yaleB11", "train", "hr", None)
    assert raw.source.endswith("CroppedYale.zip/CroppedYale/yaleB11/yaleB11_P00A+070E-35.pgm")
    expected = {"azimuth": 70.0, "elevation": -35.0, "angle": 73.73, "subset": 4.0}
    assert raw.attributes == pytest.approx(expected, abs=0.01)
    raw = items["yaleB30/yaleB30_P00A-110E+15.png"]
    assert (raw.split, raw.domain, raw.attributes["azimuth"]) == ("test", "A-110E+15", -110.0)
    assert {raw.split for raw in plan(tmp_path, test_from=11).items} == {"test"}


def test_what_is_left_out_is_counted(tmp_path):
    left = next(note for note in plan(tmp_path).notes if note.startswith("Left out"))
    for part in ("1 .pgm.bad", "2 Ambient", "2 .info", "3 logs"):
        assert part in left
    assert "other files" not in left
    assert any("8 images of 2 people are here; the owner's set has 2,414" in n
               for n in plan(tmp_path).notes)  # fmt: skip


def test_the_owners_whole_set_has_the_published_subsets(tmp_path):
    """2,547 names: every count of the literature, from the rule alone."""
    people = [n for n in range(1, 40) if n != 14]
    lights = LOOK.ALL_LIGHTS
    assert len(set(lights)) == 64
    names = []
    for person in people:
        bad = {light for who, light in MODULE.SPOILT if who == person}
        names += [LOOK.named(person, light) + ".bad" * (light in bad) for light in lights]
        folder = f"CroppedYale/yaleB{person:02d}/"
        names += [folder + f"yaleB{person:02d}_P00_Ambient.pgm", folder + "x.info"]
        names.append(folder + "WS_FTP.LOG")
    names.append("CroppedYale/DEADJOE")
    assert len(names) == 2547
    found = YaleB().plan(names_only(tmp_path, names))
    assert len(found.items) == MODULE.IMAGES == 2414
    subsets = Counter(raw.attributes["subset"] for raw in found.items)
    assert subsets == {1: 263, 2: 456, 3: 455, 4: 526, 5: 714}
    directions = Counter(MODULE.subset_of(raw.attributes["angle"]) for raw in found.items
                         if raw.identity == "yaleB01")  # fmt: skip
    assert directions == {1: 7, 2: 12, 3: 12, 4: 14, 5: 19}
    assert len(found.notes) == 1 and "18 .pgm.bad" in found.notes[0]
    # Ten domains, two of each subset; the test split has all of them of all its ten people.
    tens = [raw for raw in found.items if raw.domain is not None]
    steps = {raw.domain: raw.attributes["subset"] for raw in tens}
    assert len(steps) == 10 and Counter(steps.values()) == dict.fromkeys(range(1, 6), 2)
    shots = Counter((raw.split, raw.domain) for raw in tens)
    assert {shots["test", domain] for domain in steps} == {10}
    assert {shots["train", domain] for domain in steps} == {28, 25}


def test_no_direction_lies_on_a_limit():
    """So that <= or < at 12, 30, 55 and 80 degrees is no question."""
    for light in LOOK.ALL_LIGHTS:
        azimuth, elevation = np.radians(MODULE.angles_of(light))
        angle = np.degrees(np.arccos(np.cos(azimuth) * np.cos(elevation)))
        assert min(abs(angle - limit) for limit in MODULE.SUBSETS) > 0.1


def test_a_damaged_image_under_a_good_name_is_left_out(tmp_path):
    contents = {k: v for k, v in FILES.items() if not k.endswith(".bad")}
    contents[LOOK.named(11, LOOK.BAD)] = LOOK.HEAD + bytes(168 * 192)
    found = plan(tmp_path, contents)
    assert len(found.items) == 8
    assert any("1 images known as damaged" in note for note in found.notes)


def test_domains_can_be_chosen(tmp_path):
    found = plan(tmp_path, domains=None)
    assert {raw.domain for raw in found.items} >= {"A+070E-35", "A-020E-40", "A+000E+00"}
    found = plan(tmp_path, domains=["A-020E-40", "A+130E+20"])
    assert [raw.key for raw in found.items if raw.domain] == ["yaleB30/yaleB30_P00A-020E-40.png"]
    assert any("No image has the light of the domains A+130E+20" in n for n in found.notes)


@pytest.mark.parametrize("crop", ["stretch", "square"])
def test_pixels(tmp_path, crop):
    raw = next(r for r in plan(tmp_path, crop=crop).items if r.key.endswith("30_P00A-035E+15.png"))
    grey = LOOK.pixels(30, "A-035E+15")
    assert grey.shape == (192, 168) and grey.std() > 5
    image = raw.read()
    assert image.dtype == np.uint8
    wanted = grey if crop == "stretch" else grey[12:180]
    np.testing.assert_array_equal(image, np.stack([wanted] * 3, axis=-1))


@pytest.mark.parametrize(("crop", "height", "border"), [("stretch", 192, 43), ("square", 168, 38)])
def test_the_border_is_the_crop_reflected_before_stretching(tmp_path, crop, height, border):
    raw = next(r for r in plan(tmp_path, crop=crop).items if r.key.endswith("30_P00A-035E+15.png"))
    assert raw.border == (border,) * 4
    wide, grey = raw.read_border()[..., 1], LOOK.pixels(30, "A-035E+15")
    inside = grey if crop == "stretch" else grey[12:180]
    assert wide.dtype == np.uint8 and wide.shape == (height + 2 * border, 168 + 2 * border)
    np.testing.assert_array_equal(wide[border:-border, border:-border], inside)
    # Left to right and top to bottom; the pixel at the edge is there once.
    np.testing.assert_array_equal(wide[border:-border, :border], inside[:, border:0:-1])
    np.testing.assert_array_equal(
        wide[border:-border, -border:], inside[:, 166 : 166 - border : -1]
    )
    np.testing.assert_array_equal(wide[:border], wide[2 * border : border : -1])
    np.testing.assert_array_equal(wide[-border:], wide[-border - 2 : -2 * border - 2 : -1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"not an image at all", "is not an image"),
        (LOOK.HEAD + bytes(1000), "cannot be decoded"),
        (b"P5\n640 480\n255\n" + bytes(307200), "640 pixels wide and 480 high, not 168 and 192"),
        (b"P5\n168 192\n65535\n" + bytes(2 * 168 * 192), "only 8-bit"),
        (b"P5\n90000 90000\n255\n" + bytes(9), "cannot be opened"),
    ],
)
def test_a_bad_image_is_named(tmp_path, content, message):
    name = LOOK.named(30, "A+000E+00")
    raw = next(r for r in plan(tmp_path, FILES | {name: content}).items
               if r.key == "yaleB30/yaleB30_P00A+000E+00.png")  # fmt: skip
    with pytest.raises(DataError, match=rf"yaleB30_P00A\+000E\+00.pgm.*{message}"):
        raw.read()


def test_nothing_and_twice(tmp_path):
    with pytest.raises(DataError, match=r"no yaleBXX_P00A\+000E\+00.pgm in .*, where 1 files"):
        plan(tmp_path, {"yaleB01_P00A+000E+00.jpg": b"x"})
    LOOK.write_folder(tmp_path / "both", FILES)
    LOOK.write_zip(tmp_path / "both" / "CroppedYale.zip", FILES)
    with pytest.raises(DataError, match=r"Person 11 under the light .* was found twice: .*--src"):
        YaleB().plan(SourceSet([tmp_path / "both"], YaleB.archives))


def test_a_truncated_archive(tmp_path):
    path = LOOK.write_zip(tmp_path / "CroppedYale.zip", FILES)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match=r"not a whole zip archive .* cut short"):
        SourceSet([path], YaleB.archives)


@pytest.mark.parametrize(
    "arguments", [{"crop": "face"}, {"domains": "A+000E+00"}, {"domains": ["frontal"]}]
)
def test_arguments_that_cannot_be(arguments):
    with pytest.raises(ConfigError):
        YaleB(**arguments)


def test_prepared_by_the_command_line(tmp_path, cli):
    import pyarrow.parquet as pq

    LOOK.write_zip(tmp_path / "CroppedYale.zip", FILES)
    done = cli("prepare", "yaleb", "--src", "CroppedYale.zip", "--out", "out", "--landmarks", "no")
    assert "1 .pgm.bad" in " ".join(done.stdout.split())
    rows = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert len(rows) == 8
    for row in rows:
        image = np.asarray(Image.open(tmp_path / "out" / "images" / row["key"]))
        person, light = int(row["identity"][5:]), row["key"][-13:-4]
        grey = Image.fromarray(LOOK.pixels(person, light))
        wanted = np.asarray(grey.resize((128, 128), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(image, np.stack([wanted] * 3, axis=-1))
        assert row["border"] == [43, 43, 43, 43] and row["border_shape"] == [278, 254]
        wide = np.asarray(Image.open(tmp_path / "out" / "border" / row["key"]))
        np.testing.assert_array_equal(wide[43:235, 43:211, 0], grey)  # the owner's own pixels
    again = cli("prepare", "yaleb", "--src", "CroppedYale.zip", "--out", "out")
    assert "already prepared" in again.stdout
