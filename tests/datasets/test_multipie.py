"""Multi-PIE: the grammar of names, what is chosen, one box per camera, common crops."""

import inspect
import io
import zipfile
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

MultiPIE = get_class("facesr_bench.datasets.multipie.MultiPIE")
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_multipie.py"))))
FILES, CROPS = LOOK.files(), LOOK.crops()
FRONTAL = LOOK.OWNERS_EXAMPLE


@pytest.fixture(scope="module")
def disk(tmp_path_factory) -> Path:
    return LOOK.write(tmp_path_factory.mktemp("multipie"), FILES)


def plan(root: Path, **arguments):
    return MultiPIE(**arguments).plan(SourceSet([root], MultiPIE.archives))


def named(root: Path, *names: str):
    """A disk whose files are empty, as a plan opens none."""
    return plan(LOOK.write(root, dict.fromkeys(names, b"")))


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "prepare" / "multipie.yaml"))
    assert conf.pop("_target_") == "facesr_bench.datasets.multipie.MultiPIE"
    defaults = {name: p.default for name, p in inspect.signature(MultiPIE).parameters.items()}
    assert conf == {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}


def test_what_is_chosen_and_what_each_image_knows(disk):
    found = plan(disk)
    items = {raw.key: raw for raw in found.items}
    assert list(items) == sorted(items) and len(items) == 16  # 2 people, 2 sessions, 4 domains
    assert {raw.domain for raw in found.items} == {"05_1-07", "05_1-14", "14_0-07", "14_0-14"}
    raw = items["108/108_02_01_051_07.png"]
    assert (raw.identity, raw.split, raw.role, raw.domain) == ("108", "train", "hr", "05_1-07")
    assert raw.source.endswith(FRONTAL)
    assert raw.attributes == {"session": 2.0, "recording": 1.0, "flash": 7.0, "yaw": 0.0}
    raw = items["250/250_01_01_140_14.png"]
    assert (raw.identity, raw.split, raw.attributes["yaw"]) == ("250", "test", -15.0)
    assert {raw.split for raw in plan(disk, last_train=50).items} == {"test"}


def test_what_is_left_out_is_counted(disk):
    notes = " ".join(plan(disk).notes)
    assert "16 images of 1 people to train on and 1 to test on, sessions 01, 02." in notes
    assert "12 of the cameras from above (08_1, 19_1; 08_1 is stored upside down)" in notes
    assert "4 high-resolution photos" in notes and "1 of other recordings" in notes
    assert "8 with other flashes" in notes and "1 other files" in notes
    assert "05_0-07" in notes  # a domain nobody has
    assert "middle of the frame, which nobody measured" in notes


def test_other_choices(disk):
    found = plan(disk, flashes=["00"], sessions=["02"], cameras=["14_0"])
    assert [raw.key for raw in found.items] == [
        "108/108_02_01_140_00.png", "250/250_02_01_140_00.png",
    ]  # fmt: skip
    assert [r.key for r in plan(disk, recordings=["02"]).items] == ["108/108_01_02_051_07.png"]
    assert any("12 of other sessions" in n for n in found.notes)


def test_every_camera_of_the_row_and_its_angle(tmp_path):
    row = [
        "110",
        "120",
        "090",
        "080",
        "130",
        "140",
        "051",
        "050",
        "041",
        "190",
        "200",
        "010",
        "240",
    ]
    names = [f"001_01_01_{camera}_07.png" for camera in [*row, "081", "191"]]
    root = LOOK.write(tmp_path, dict.fromkeys(names, b""))
    found = plan(root, cameras=[f"{c[:2]}_{c[2]}" for c in row], flashes=["07"])
    yaw = {raw.key[14:17]: raw.attributes["yaw"] for raw in found.items}
    assert [yaw[camera] for camera in row] == [float(a) for a in range(-90, 91, 15)]


def test_people_up_to_200_train(tmp_path):
    found = named(tmp_path, "200_01_01_051_07.png", "201_01_01_051_07.png", "346_04_01_130_14.png")
    assert {raw.identity: raw.split for raw in found.items} == {
        "200": "train", "201": "test", "346": "test",
    }  # fmt: skip
    assert len({raw.domain for raw in found.items}) == 2


def test_the_box_of_a_camera(disk):
    raw = next(r for r in plan(disk).items if r.key == "108/108_02_01_051_07.png")
    left, top, width, height = LOOK.BOX
    whole = LOOK.frame("108", "02", "05_1", "07")
    np.testing.assert_array_equal(raw.read(), whole[top : top + height, left : left + width])
    found = plan(disk, boxes={"05_1": [0, 10, 133]})
    moved = next(r for r in found.items if r.key == "108/108_02_01_051_07.png")
    np.testing.assert_array_equal(moved.read(), whole[10:143, 0:107])
    other = next(r for r in found.items if r.key == "108/108_02_01_140_07.png")
    assert other.read().shape == (240, 193, 3)
    note = next(n for n in found.notes if "nobody measured" in n)
    assert "14_0" in note and "cameras 05_1" not in note


def test_the_border_is_the_photo_around_the_box(disk):
    raw = next(r for r in plan(disk).items if r.key == "108/108_02_01_051_07.png")
    assert raw.border == (54, 54, 54, 54)
    whole = LOOK.frame("108", "02", "05_1", "07")
    wide = raw.read_border()
    np.testing.assert_array_equal(wide, whole[66:414, 169:470])
    np.testing.assert_array_equal(wide[54:-54, 54:-54], raw.read())


@pytest.mark.parametrize(
    ("box", "outside"),
    [
        ([0, 10, 133], (20, 0, 0, 30)),  # 107 wide; top, right, bottom, left beyond the frame
        ([520, 340, 133], (0, 17, 23, 0)),
    ],
)
def test_beyond_the_frame_the_border_is_the_frame_reflected(disk, box, outside):
    found = plan(disk, boxes={"05_1": box})
    raw = next(r for r in found.items if r.key == "108/108_02_01_051_07.png")
    assert raw.border == (30, 30, 30, 30)
    whole = LOOK.frame("108", "02", "05_1", "07")
    (left, top, _), (over, right, under, ahead) = box, outside
    wide = raw.read_border()
    assert wide.shape == (193, 167, 3)
    photo = wide[over : 193 - under, ahead : 167 - right]
    rows = slice(max(top - 30, 0), min(top + 163, 480))
    columns = slice(max(left - 30, 0), min(left + 137, 640))
    np.testing.assert_array_equal(photo, whole[rows, columns])
    for beyond in range(1, 31):  # counted from the frame's edge, which is there once
        if beyond <= over:
            np.testing.assert_array_equal(wide[over - beyond], wide[over + beyond])
        if beyond <= ahead:
            np.testing.assert_array_equal(wide[:, ahead - beyond], wide[:, ahead + beyond])
        if beyond <= under:
            np.testing.assert_array_equal(wide[192 - under + beyond], wide[192 - under - beyond])
        if beyond <= right:
            np.testing.assert_array_equal(
                wide[:, 166 - right + beyond], wide[:, 166 - right - beyond]
            )


def test_common_crops_are_taken_as_they_are_and_declared(tmp_path):
    found = plan(LOOK.write(tmp_path, CROPS))
    assert [raw.key for raw in found.items] == [
        f"{p}/{p}_01_01_051_{f}_crop_128.png" for p in LOOK.PEOPLE for f in ("07", "14")
    ]
    raw = found.items[0]
    content = CROPS["crops/108_01_01_051_07_crop_128.png"]
    crop = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(raw.read(), crop)
    wide = raw.read_border()
    assert raw.border == (29, 29, 29, 29) and wide.shape == (186, 186, 3)
    np.testing.assert_array_equal(wide[29:-29, 29:-29], crop)
    np.testing.assert_array_equal(wide[29:-29, :29], crop[:, 29:0:-1])
    np.testing.assert_array_equal(wide[-29:, 29:-29], crop[126:97:-1])
    assert any("border is the crop reflected" in note for note in found.notes)
    assert any("crop_128 files, which somebody else aligned" in note for note in found.notes)
    assert not any("measured" in note for note in found.notes)
    LOOK.write(tmp_path, {FRONTAL: FILES[FRONTAL]})
    with pytest.raises(DataError, match=r"both whole frames \(.*051_07.png\) and crops \(.*_128"):
        plan(tmp_path)


def test_folders_that_contradict_the_name(tmp_path):
    wrong = FRONTAL.replace("108_02_01_051", "108_02_01_140")
    with pytest.raises(DataError, match=r"camera 05_1, but its name says 02, 108, 01, 14_0"):
        named(tmp_path, wrong)


def test_twice_and_nothing(tmp_path):
    with pytest.raises(DataError, match=r"108_02_01_051_07 was found twice: .*--src"):
        named(tmp_path, FRONTAL, "copy/108_02_01_051_07.png")
    with pytest.raises(DataError, match=r"no image of the cameras .* 2 files .*1 of other reco"):
        named(tmp_path / "b", FRONTAL.replace("_01_051", "_02_051").replace("/01/", "/02/"), "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<html>login</html>", "is a web page"),
        (b"text", "is not an image"),
        (FILES[FRONTAL][:5000], "cannot be decoded"),
        (
            LOOK.encoded(np.zeros((240, 320, 3), np.uint8)),
            "is 320 pixels wide and 240 high, not 640 and 480",
        ),
    ],
)
def test_a_bad_image_is_named(tmp_path, content, message):
    raw = plan(LOOK.write(tmp_path, {FRONTAL: content})).items[0]
    with pytest.raises(DataError, match=rf"108_02_01_051_07.png.* {message}"):
        raw.read()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cameras": ["08_1"]}, "cannot have '08_1'.*upside down"),
        ({"cameras": [41]}, r"list of texts in quotes \(YAML takes 05_1"),
        ({"cameras": "05_1"}, "list of texts"),
        ({"flashes": ["20"]}, "flashes cannot have '20'"),
        ({"flashes": [7]}, "list of texts"),
        ({"sessions": ["05"]}, "sessions cannot have"),
        ({"boxes": {"05_9": [0, 0, 9]}}, "boxes cannot have '05_9'"),
        ({"boxes": {"05_1": [0, 0]}}, r"is \[left, top, height\]"),
        ({"boxes": {"05_1": [600, 0, 240]}}, "193x240 at .600, 0., leaves the frame"),
        ({"boxes": {"05_1": [0, 0, -3]}}, "leaves the frame"),
    ],
)
def test_arguments_that_cannot_be(arguments, message):
    with pytest.raises(ConfigError, match=message):
        MultiPIE(**arguments)


def test_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "disk.zip", "w") as archive:
        archive.writestr(f"data/{FRONTAL}", FILES[FRONTAL])
    found = plan(tmp_path / "disk.zip")
    assert found.items[0].source == f"disk.zip/data/{FRONTAL}"
    assert found.items[0].read().shape == (240, 193, 3)


def test_prepared_by_the_command_line(tmp_path, cli, disk):
    import pyarrow.parquet as pq

    options = ["--landmarks", "no", "--set", 'cameras=["05_1"]', "boxes.05_1=[100,80,266]"]
    done = cli("prepare", "multipie", "--src", str(disk), "--out", "out", *options)
    assert "12 of the cameras from above" in " ".join(done.stdout.split())
    rows = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert len(rows) == 8 and {row["domain"] for row in rows} == {"05_1-07", "05_1-14"}
    for row in rows:
        person, session, _, _, flash = row["key"][4:-4].split("_")
        crop = Image.fromarray(LOOK.frame(person, session, "05_1", flash)[80:346, 100:314])
        image = np.asarray(Image.open(tmp_path / "out" / "images" / row["key"]))
        wanted = np.asarray(crop.resize((128, 128), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(image, wanted)
        assert row["border"] == [60, 60, 60, 60] and row["border_shape"] == [386, 334]
        wide = np.asarray(Image.open(tmp_path / "out" / "border" / row["key"]))
        np.testing.assert_array_equal(wide[60:-60, 60:-60], np.asarray(crop))
    done = cli("prepare", "multipie", "--src", str(disk), "--set", "cameras=[05_1]", check=False)
    assert done.returncode and "in quotes" in done.stderr
