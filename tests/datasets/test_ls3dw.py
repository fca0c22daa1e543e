"""LS3D-W balanced: Torch 7 files byte by byte, the square, the five landmarks, the draw."""

import inspect
import io
import struct
from importlib import import_module
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

LS3DW = get_class("facesr_bench.datasets.ls3dw.LS3DW")
Prepared = get_class("facesr_bench.datasets.prepared.Prepared")
TORCH7 = import_module(f"{LS3DW.__module__.rpartition('.')[0]}.torch7")
RECIPE = import_module(LS3DW.__module__)
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_ls3dw.py"))))
CONF = Path(__file__).parents[2] / "conf" / "prepare" / "ls3dw.yaml"
FILES = LOOK.files()


def sources(tmp_path: Path, contents=FILES) -> SourceSet:
    path = LOOK.write_zip(tmp_path / "LS3D-W-balanced-20-03-2017.zip", contents)
    return SourceSet([path], LS3DW.archives)


def recipe(**arguments):
    return LS3DW(**{"count": None, "allow_incomplete": True, **arguments})


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(CONF))
    assert conf.pop("_target_") == "facesr_bench.datasets.ls3dw.LS3DW"
    parameters = inspect.signature(LS3DW).parameters
    assert conf == {name: p.default for name, p in parameters.items()}


def test_t7_files_have_the_owners_length_and_are_read_back():
    points = np.random.default_rng(0).uniform(-3, 500, (68, 2))
    single, double = LOOK.t7(points), LOOK.t7(points, double=True)
    assert (len(single), len(double)) == (669, 1215)
    np.testing.assert_array_equal(TORCH7.read_matrix(double, "x"), points)
    np.testing.assert_array_equal(
        TORCH7.read_matrix(single, "x"), points.astype(np.float32).astype(np.float64)
    )


def test_t7_strides_and_offset_are_followed():
    """A transposed view of a storage, as Torch saves one: strides 1, 3 from the second number."""
    q = struct.pack
    content = (
        LOOK.DOUBLE_HEAD[: 8 + 7 + 22 + 4]
        + q("<qq", 3, 2) + q("<qq", 1, 3) + q("<q", 2)
        + LOOK.DOUBLE_HEAD[8 + 7 + 22 + 4 + 40 : -8]
        + q("<q", 8) + q("<8d", *range(8))
    )  # fmt: skip
    assert TORCH7.read_matrix(content, "x").tolist() == [[1, 4], [2, 5], [3, 6]]


@pytest.mark.parametrize("cut", [0, 3, 8, 14, 40, 100, 125, 668])
def test_a_t7_file_cut_anywhere_is_named(cut):
    with pytest.raises(DataError, match=r"new_dataset/1.t7 is cut short .* Get it again"):
        TORCH7.read_matrix(FILES["new_dataset/1.t7"][:cut], "new_dataset/1.t7")


def patched(at: int, new: bytes) -> bytes:
    whole = FILES["new_dataset/1.t7"]
    return whole[:at] + new + whole[at + len(new) :]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (patched(0, b"\x03"), "begins an object with 3, 1 instead of 4, 1"),
        (patched(12, b"V 2"), "'V 2'"),
        (patched(25, b"Int"), "torch.Int"),
        (patched(36, b"\x03"), "tensor of 3 dimensions"),
        (patched(40, struct.pack("<q", 69)), "needs more than its 136 numbers"),
        (patched(40, struct.pack("<q", 1 << 62)), "needs more than its 136 numbers"),
        (patched(56, struct.pack("<q", -2)), r"strides \[-2, 1\]"),
        (patched(72, struct.pack("<q", 0)), "offset 0"),
        (patched(117, struct.pack("<q", 1 << 60)), "claims 1152921504606846976 numbers"),
        (patched(117, struct.pack("<q", -1)), "claims -1 numbers"),
        (patched(8, struct.pack("<i", -5)), "cut short or damaged"),
        (LOOK.FLOAT_HEAD[:80] + LOOK.DOUBLE_HEAD[81:] + bytes(8 * 136), "of different types"),
    ],
)
def test_every_field_of_a_t7_file_is_checked(content, message):
    with pytest.raises(DataError, match=message):
        TORCH7.read_matrix(content, "1.t7")


def test_numbers_domains_and_keys(tmp_path):
    plan = recipe().plan(sources(tmp_path))
    assert [raw.key for raw in plan.items] == ["0001.png", "0002.png", "0003.png", "0010.png"]
    assert [raw.domain for raw in plan.items] == [
        "yaw-00-30", "yaw-30-60", "yaw-60-90", "yaw-00-30",
    ]  # fmt: skip
    assert {(raw.split, raw.role, raw.identity) for raw in plan.items} == {("test", "hr", None)}
    assert plan.items[3].source.endswith("LS3D-W-balanced-20-03-2017.zip/new_dataset/10.jpg")
    assert (LS3DW.size, LS3DW.operator) == (64, "box")


def test_the_square_is_centred_on_the_landmarks_and_the_five_move_along(tmp_path):
    for raw in recipe().plan(sources(tmp_path)).items:
        number = int(raw.key[:4])
        points = LOOK.points68(number)
        low, high = points.min(0), points.max(0)
        side = round(1.3 * float(max(high - low)))
        image = raw.read()
        assert image.shape == (side, side, 3) and image.dtype == np.uint8
        left, top = LOOK.five(number)[0] - raw.landmarks[0]
        assert left == pytest.approx(round(left), abs=1e-4)
        np.testing.assert_allclose(
            raw.landmarks + np.array([left, top]), LOOK.five(number), atol=2e-5
        )
        # in pixel centres, the square's centre is left + (side - 1) / 2
        assert abs(left + (side - 1) / 2 - (low[0] + high[0]) / 2) <= 0.501
        assert abs(top + (side - 1) / 2 - (low[1] + high[1]) / 2) <= 0.501
        with Image.open(io.BytesIO(FILES[f"new_dataset/{number}.jpg"])) as photo:
            padded = np.pad(np.array(photo), ((99, 99), (99, 99), (0, 0)), mode="edge")
        x, y = round(left) + 99, round(top) + 99
        np.testing.assert_array_equal(image, padded[y : y + side, x : x + side])


def test_the_square_by_hand():
    points = np.zeros((68, 2))
    points[0], points[1:] = (10, 20), (50, 40)
    # 40 wide, so 52; centre (30, 30) is 30.5 from the outer edge; 30.5 - 26 = 4.5 -> 5
    assert RECIPE.square_around(points, 1.3) == (5, 5, 52)
    assert RECIPE.square_around(points, 1.0) == (11, 11, 40)


def test_some_squares_do_leave_the_photo(tmp_path):
    """So that the repeated edge above is met: checked, not assumed."""
    beyond = 0
    for number in LOOK.NUMBERS:
        left, top, side = RECIPE.square_around(LOOK.points68(number), 1.3)
        beyond += left < 0 or top < 0 or left + side > 150 or top + side > 140
    assert beyond


def test_the_draw_is_the_specs(tmp_path):
    plan = recipe(count=2).plan(sources(tmp_path))
    chosen = np.random.RandomState(2020).permutation([1, 2, 3, 10])[:2]
    assert [int(raw.key[:4]) for raw in plan.items] == sorted(chosen)
    assert any(
        note.startswith("2 of 4 faces drawn with seed 2020; 0 passed") for note in plan.notes
    )
    with pytest.raises(DataError, match=r"5 faces are to be drawn, but there are 4"):
        recipe(count=5).plan(sources(tmp_path))


def test_small_faces_are_passed_over_and_the_next_is_drawn(tmp_path):
    order = np.random.RandomState(2020).permutation([1, 2, 3, 10])
    tiny = LOOK.t7(LOOK.points68(order[0]) / 4)
    data = sources(tmp_path, FILES | {f"new_dataset/{order[0]}.t7": tiny})
    plan = recipe(count=2).plan(data)
    assert [int(raw.key[:4]) for raw in plan.items] == sorted(order[1:3])
    assert any("1 passed over whose square has under 64 pixels" in note for note in plan.notes)
    assert len(recipe().plan(data).items) == 3
    assert len(recipe(smallest=1).plan(data).items) == 4


def test_a_set_that_is_not_whole_is_refused_unless_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"4 faces were found, not the owner's 7,200.*allow_incomp"):
        LS3DW(count=2).plan(sources(tmp_path))
    contents = {name: c for name, c in FILES.items() if name != "new_dataset/3.t7"}
    data = sources(tmp_path, contents)
    with pytest.raises(
        DataError, match=r"1 of 4 faces lack a file; .*/3.jpg, without its landmarks"
    ):
        LS3DW().plan(data)
    plan = recipe().plan(data)
    assert [raw.key for raw in plan.items] == ["0001.png", "0002.png", "0010.png"]
    assert any("3.jpg, without its landmarks" in note for note in plan.notes)
    contents = {name: c for name, c in FILES.items() if name != "new_dataset/10.jpg"}
    with pytest.raises(DataError, match=r"/10.t7, without its photo"):
        LS3DW().plan(sources(tmp_path, contents))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>quota</html>", "new_dataset/1.t7 is a web page"),
        (b"version https://git-lfs", "Git LFS"),
        (b"", "cut short"),
        (LOOK.t7(np.full((68, 2), 5.0)), "within four pixels"),
        (LOOK.t7(np.full((68, 2), np.nan)), "not finite"),
        (LOOK.t7(np.arange(136.0).reshape(68, 2) * 1e4), "far off any photo"),
    ],
)
def test_bad_landmarks_are_named(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        recipe().plan(sources(tmp_path, FILES | {"new_dataset/1.t7": content}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>quota</html>", "is a web page"),
        (b"", "is empty"),
        (b"text", "cannot be decoded"),
        (FILES["new_dataset/1.jpg"][:1500], "cannot be decoded"),
    ],
)
def test_bad_photos_are_named_when_read(tmp_path, content, message):
    raw = recipe().plan(sources(tmp_path, FILES | {"new_dataset/1.jpg": content})).items[0]
    with pytest.raises(DataError, match=rf"new_dataset/1.jpg.* {message}"):
        raw.read()


def test_landmarks_of_another_photo_are_noticed(tmp_path):
    far = LOOK.t7(LOOK.points68(1) + 1000)
    raw = recipe().plan(sources(tmp_path, FILES | {"new_dataset/1.t7": far})).items[0]
    with pytest.raises(DataError, match="150x140 pixels, and its landmarks lie outside"):
        raw.read()


def test_missing_and_double_files(tmp_path):
    with pytest.raises(DataError, match=r"no new_dataset/N.jpg in .*, where 1 files were found"):
        recipe().plan(sources(tmp_path, {"readme.txt": b""}))
    twice = FILES | {"copy/1.jpg": FILES["new_dataset/1.jpg"]}
    with pytest.raises(DataError, match=r"face 1 was found twice: .*copy/1.jpg"):
        recipe().plan(sources(tmp_path, twice))


@pytest.mark.parametrize("arguments", [{"count": 0}, {"margin": 0.5}])
def test_arguments_that_cannot_be(arguments):
    with pytest.raises(ConfigError):
        LS3DW(**arguments)


def test_prepared_by_the_real_command(tmp_path, cli):
    LOOK.write_zip(tmp_path / "LS3D-W-balanced-20-03-2017.zip", FILES)
    cli(
        "prepare", "ls3dw", "--src", "LS3D-W-balanced-20-03-2017.zip", "--out", "ls3dw",
        "--set", "count=3", "allow_incomplete=true",
    )  # fmt: skip
    split = Prepared(tmp_path / "ls3dw", test={}).split("test")
    plan = recipe(count=3).plan(SourceSet([tmp_path / "LS3D-W-balanced-20-03-2017.zip"]))
    assert list(split.keys) == [raw.key for raw in plan.items]
    for i, raw in enumerate(plan.items):
        cut = raw.read()
        expected = Image.fromarray(cut).resize((64, 64), Image.Resampling.BOX)
        np.testing.assert_array_equal(split[i].hr, np.array(expected))
        scaled = (raw.landmarks + 0.5) * (64 / cut.shape[0]) - 0.5
        np.testing.assert_allclose(split[i].landmarks, scaled, atol=1e-4)
        assert split[i].domain == raw.domain
