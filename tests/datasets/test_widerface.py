"""WIDER FACE: both forms of annotation, the filter, the draw, the pixels, and what goes wrong."""

import inspect
import io
import struct
import sys
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

WiderFace = get_class("facesr_bench.datasets.widerface.WiderFace")
Prepared = get_class("facesr_bench.datasets.prepared.Prepared")
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_widerface.py"))))
CONF = Path(__file__).parents[2] / "conf" / "prepare" / "widerface.yaml"
FILES = LOOK.files()
PARADE = "0--Parade/0_Parade_marchingband_1_849"
TRAIN_KEYS = [
    f"train/{PARADE}_0000.png",
    f"train/{PARADE}_0001.png",
    "train/37--Soccer/37_Soccer_Soccer_37_851_0000.png",
    "train/54--Rescue/54_Rescue_rescuepeople_54_29_0001.png",
]


def sources(root: Path, contents=FILES) -> SourceSet:
    LOOK.write_folder(root, contents)
    return SourceSet([root], WiderFace.archives)


def recipe(**arguments):
    return WiderFace(**{"train": None, "test": None, "allow_incomplete": True, **arguments})


def changed(part: str, old: bytes, new: bytes) -> dict[str, bytes]:
    """The look-alike with one place of a text file changed, and no MATLAB twin."""
    name = f"wider_face_split/wider_face_{part}_bbx_gt.txt"
    assert old in FILES[name]
    return LOOK.files(mat=False) | {name: FILES[name].replace(old, new, 1)}


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 900 million pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    end = b"\x00\x00\x00\x00IEND\xaeB`\x82"
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\r" + head + struct.pack(">I", zlib.crc32(head)) + end


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(CONF))
    assert conf.pop("_target_") == "facesr_bench.datasets.widerface.WiderFace"
    parameters = inspect.signature(WiderFace).parameters
    assert conf == {name: p.default for name, p in parameters.items()}


def test_the_filter_takes_what_the_rule_says_and_counts_the_rest(tmp_path):
    plan = recipe().plan(sources(tmp_path))
    assert [raw.key for raw in plan.items if raw.split == "train"] == TRAIN_KEYS
    assert {raw.role for raw in plan.items} == {"lr"}
    assert [raw.key for raw in plan.items if raw.split == "test"] == [
        "test/39--Ice_Skating/39_Ice_Skating_iceskiing_39_583_0000.png",
        "test/39--Ice_Skating/39_Ice_Skating_iceskiing_39_583_0001.png",
        "test/39--Ice_Skating/39_Ice_Skating_iceskiing_39_999_0000.png",
    ]
    assert [raw.key for raw in plan.items] == sorted(raw.key for raw in plan.items)
    assert (
        "train: 4 of 11 faces pass; left out: 1 a box given twice, 1 invalid, 1 too much occluded, "
        "2 too small, 1 too large, 1 with a square that leaves the photo." in plan.notes
    )
    assert any(
        "wider_face_train_bbx_gt.txt and wider_face_train.mat agree." in n for n in plan.notes
    )


def test_the_columns_are_the_owners_not_torchvisions(tmp_path):
    raw = recipe(test=0).plan(sources(tmp_path)).items[1]
    # 100 60 48 40 2 1 1 0 1 1: blur expression illumination invalid occlusion pose
    assert raw.attributes == {
        "blur": 2, "expression": 1, "illumination": 1, "invalid": 0, "occlusion": 1, "pose": 1,
        "size": 40,
    }  # fmt: skip
    assert raw.source.endswith(f"/WIDER_train/images/{PARADE}.jpg")


@pytest.mark.parametrize(
    ("index", "square"),
    [  # left, top, side: round(1.3 * longer side), centred on the box
        (0, (35, 27, 31)),  # 40 30 20 24: 31.2
        (1, (93, 49, 62)),  # 100 60 48 40: 62.4
        (2, (56, 36, 39)),  # 60 40 30 30: 39, from 55.5 and 35.5
        (3, (118, 76, 21)),  # 120 80 16 12: 20.8, from 117.5 and 75.5
    ],
)
def test_pixels_are_the_square_reduced_by_pillow(tmp_path, index, square):
    raw = recipe(test=0).plan(sources(tmp_path)).items[index]
    name = "/".join(raw.key.removesuffix(".png").rsplit("_", 1)[0].split("/")[1:])
    left, top, side = square
    with Image.open(io.BytesIO(FILES[f"WIDER_train/images/{name}.jpg"])) as photo:
        cut = photo.convert("RGB").crop((left, top, left + side, top + side))
    expected = np.array(cut.resize((16, 16), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(raw.read(), expected)
    assert raw.read().dtype == np.uint8


def test_lr_size_and_operator_are_arguments(tmp_path):
    data = sources(tmp_path)
    raw = recipe(lr_size=8, operator="box", test=0).plan(data).items[0]
    with Image.open(io.BytesIO(FILES[f"WIDER_train/images/{PARADE}.jpg"])) as photo:
        cut = photo.convert("RGB").crop((35, 27, 66, 58))
    np.testing.assert_array_equal(raw.read(), np.array(cut.resize((8, 8), Image.Resampling.BOX)))


def test_shift_moves_squares_in_and_boxes_are_clipped_first(tmp_path):
    items = recipe(test=0, outside="shift").plan(sources(tmp_path)).items
    raw = next(raw for raw in items if raw.key == f"train/{PARADE}_0006.png")
    assert raw.attributes["size"] == 16  # -4 150 20 20 has 16 columns in the photo
    with Image.open(io.BytesIO(FILES[f"WIDER_train/images/{PARADE}.jpg"])) as photo:
        cut = photo.convert("RGB").crop((0, 147, 26, 173))
    np.testing.assert_array_equal(raw.read(), np.array(cut.resize((16, 16), 3)))


@pytest.mark.parametrize(
    ("box", "square"),
    [
        ((70, 90, 10, 10), (65, 85)),  # as far right and down as a square of 15 goes
        ((0, 0, 10, 10), (0, 0)),
        ((30, 40, 10, 10), (28, 38)),  # untouched: 30 - 2.5, rounded half up
    ],
)
def test_shifted_squares_end_at_the_edge_of_the_photo(box, square):
    kind = sys.modules[WiderFace.__module__].Filter
    rule = kind(smallest=1, largest=50, occlusion=2, margin=1.5, outside="shift")
    (taken,), _ = rule.apply(np.array([[*box, 0, 0, 0, 0, 0, 0]]), (100, 80))
    assert (taken.left, taken.top, taken.side) == (*square, 15)


@pytest.mark.parametrize(
    "contents",
    [LOOK.files(mat=False), LOOK.files(text=False)],
    ids=["text only", "MATLAB only"],
)
def test_either_annotation_is_enough_and_they_mean_the_same(tmp_path, contents):
    plan = recipe().plan(sources(tmp_path / "one", contents))
    both = recipe().plan(sources(tmp_path / "both"))
    assert [(r.key, r.attributes) for r in plan.items] == [
        (r.key, r.attributes) for r in both.items
    ]


def test_annotations_that_differ_are_named(tmp_path):
    name = "wider_face_split/wider_face_train_bbx_gt.txt"
    text = FILES[name].replace(b"60 40 30 30", b"60 40 30 31")
    plan = recipe(test=0).plan(sources(tmp_path, FILES | {name: text}))
    assert (
        "train: wider_face_train_bbx_gt.txt and wider_face_train.mat differ in 1 photo "
        "(37--Soccer/37_Soccer_Soccer_37_851.jpg); the text file counts." in plan.notes
    )


def test_the_archives_are_read_as_they_were_downloaded(tmp_path):
    folder = recipe().plan(sources(tmp_path / "folder")).items
    root = LOOK.write_zips(tmp_path / "zips", FILES)
    inside = recipe().plan(SourceSet([root], WiderFace.archives)).items
    given = recipe().plan(SourceSet(sorted(root.iterdir()), WiderFace.archives)).items
    assert [r.key for r in folder] == [r.key for r in inside] == [r.key for r in given]
    for one, other in zip(folder, inside, strict=True):
        np.testing.assert_array_equal(one.read(), other.read())


def test_a_part_may_be_given_by_its_own_folder(tmp_path):
    LOOK.write_folder(tmp_path, FILES)
    given = [tmp_path / "WIDER_train", tmp_path / "wider_face_split"]
    plan = recipe(test=0).plan(SourceSet(given, WiderFace.archives))
    assert [raw.key for raw in plan.items] == TRAIN_KEYS


def test_the_draw_is_the_specs(tmp_path):
    plan = recipe(train=2, test=1).plan(sources(tmp_path))
    chosen = np.random.RandomState(2020).permutation(TRAIN_KEYS)[:2]
    assert [raw.key for raw in plan.items if raw.split == "train"] == sorted(chosen)
    assert "train: 2 of 4 faces drawn with seed 2020." in plan.notes
    other = recipe(train=2, test=0, seed=1).plan(sources(tmp_path))
    assert [raw.key for raw in other.items] == sorted(
        np.random.RandomState(1).permutation(TRAIN_KEYS)[:2]
    )


def test_more_faces_than_there_are(tmp_path):
    with pytest.raises(
        DataError, match=r"Only 4 faces of WIDER train pass .* but 5 are .* smallest"
    ):
        recipe(train=5).plan(sources(tmp_path))


def test_a_set_that_is_not_whole_is_refused_unless_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"describe 4 photos, not the owner's 12,880.*allow_incomp"):
        recipe(allow_incomplete=False).plan(sources(tmp_path))
    assert any("12,880" in n for n in recipe().plan(sources(tmp_path)).notes)


def test_missing_photos_are_counted(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules[WiderFace.__module__].PHOTOS, "train", 4)
    contents = {n: c for n, c in FILES.items() if not n.endswith("37_851.jpg")}
    with pytest.raises(
        DataError,
        match=r"WIDER train lacks 1 photo \(37--Soccer/37_Soccer_Soccer_37_851.jpg\) of 4 in .*"
        r"WIDER_train/images/37--Soccer/37_Soccer_Soccer_37_851.jpg. Add WIDER_train.zip",
    ):
        recipe(test=0, allow_incomplete=False).plan(sources(tmp_path, contents))
    plan = recipe(test=0).plan(sources(tmp_path, contents))
    assert [raw.key for raw in plan.items] == [TRAIN_KEYS[0], TRAIN_KEYS[1], TRAIN_KEYS[3]]


def test_no_annotation_at_all(tmp_path):
    contents = {n: c for n, c in FILES.items() if "wider_face_split" not in n}
    with pytest.raises(DataError, match=r"There is no wider_face_train_bbx_gt.txt .*\.mat serves"):
        recipe().plan(sources(tmp_path, contents))


def test_the_same_photo_twice(tmp_path):
    contents = FILES | {
        f"copy/WIDER_train/images/{PARADE}.jpg": FILES[f"WIDER_train/images/{PARADE}.jpg"]
    }
    with pytest.raises(DataError, match=r"marchingband_1_849.jpg' was found twice"):
        recipe().plan(sources(tmp_path, contents))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"37--Soccer/37", b"../../37--Soccer/37", r"line 14: .* is not a photo's name"),
        (b"37--Soccer/", b"C:\\", r"is not a photo's name"),
        (b"\n1\n60 40", b"\n60 40", r"line 15: expected a number of faces"),
        (b"\n1\n60 40", b"\n2\n60 40", r"lines 16 to 17: faces are whole numbers"),
        (b"60 40 30 30 0", b"60 40 30 30", r"a face has 10 numbers, x y w h blur .* has 9"),
        (b"60 40 30 30 0", b"60 40 30 30 0 0", r"a face has 10 numbers, .* has 11"),
        (b"60 40 30 30 0", b"60 40 30 30 3", r"line.* 16 .*blur runs from 0 to 2, .* has 3"),
        (b"30 30 0 0 0 0 0 0", b"30 30 0 0 0 2 0 0", r"invalid runs from 0 to 1, .* has 2"),
        (b"120 80 16 12 0 0 1 0 0 0 \n", b"", r"ends in the middle .* cut short"),
        (b"54--Rescue/54_Rescue_rescuepeople_54_29", b"37--Soccer/37_Soccer_Soccer_37_851",
         r"line 17: the photo .*37_851.jpg' was already described"),
    ],
)  # fmt: skip
def test_damaged_text_is_named_with_its_line(tmp_path, old, new, message):
    with pytest.raises(DataError, match=message):
        recipe(test=0).plan(sources(tmp_path, changed("train", old, new)))


def test_crlf_and_a_missing_line_of_zeros_are_accepted(tmp_path):
    name = "wider_face_split/wider_face_train_bbx_gt.txt"
    text = (
        FILES[name].replace(b"0\n0 0 0 0 0 0 0 0 0 0 \n", b"0\n").replace(b"\n", b"\r\n") + b"\r\n"
    )
    contents = LOOK.files(mat=False) | {name: text}
    assert [r.key for r in recipe(test=0).plan(sources(tmp_path, contents)).items] == TRAIN_KEYS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>Quota exceeded</html>", "is a web page, not the file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (FILES["wider_face_split/wider_face_train.mat"][:900], "is not a whole MATLAB file"),
        (b"no such thing", "is not a whole MATLAB file"),
    ],
    ids=["web page", "pointer", "cut", "other"],  # the file's own bytes hold the time
)
def test_damaged_matlab_files(tmp_path, content, message):
    name = "wider_face_split/wider_face_train.mat"
    with pytest.raises(DataError, match=f"wider_face_train.mat.*{message}"):
        recipe(test=0).plan(sources(tmp_path, LOOK.files(text=False) | {name: content}))


def test_a_matlab_file_whose_lists_do_not_fit(tmp_path):
    from scipy.io import loadmat, savemat

    name = "wider_face_split/wider_face_train.mat"
    content = loadmat(io.BytesIO(FILES[name]))
    # the very indexing of the owner's file, with no squeeze_me
    assert content["event_list"][0, 0][0] == "0--Parade"
    assert content["file_list"][1, 0][0, 0][0] == "37_Soccer_Soccer_37_851"
    assert content["face_bbx_list"][1, 0][0, 0].tolist() == [[60, 40, 30, 30]]
    for change, message in (
        (lambda c: c["blur_label_list"][0, 0][0].__setitem__(0, np.zeros((3, 1))), "do not fit"),
        (lambda c: c.pop("pose_label_list"), "lacks pose_label_list. Boxes come with"),
    ):
        content = {k: v for k, v in loadmat(io.BytesIO(FILES[name])).items() if k[0] != "_"}
        change(content)
        buffer = io.BytesIO()
        savemat(buffer, content)
        with pytest.raises(DataError, match=message):
            contents = LOOK.files(text=False) | {name: buffer.getvalue()}
            recipe(test=0).plan(sources(tmp_path, contents))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>quota</html>",
        b"no image",
        bomb(),
        FILES[f"WIDER_train/images/{PARADE}.jpg"][:100],
    ],
)
def test_photos_that_are_none_are_found_before_the_draw(tmp_path, monkeypatch, content):
    """They change the pool, so they must not be passed over in silence."""
    monkeypatch.setitem(sys.modules[WiderFace.__module__].PHOTOS, "train", 4)
    contents = FILES | {f"WIDER_train/images/{PARADE}.jpg": content}
    with pytest.raises(
        DataError, match=r"1 of 4 photos of WIDER train cannot be read; .*1_849.jpg"
    ):
        recipe(test=0, allow_incomplete=False).plan(sources(tmp_path, contents))
    plan = recipe(test=0).plan(sources(tmp_path, contents))
    assert [raw.key for raw in plan.items] == TRAIN_KEYS[2:]


def test_a_photo_cut_short_after_its_header_is_named_when_read(tmp_path):
    whole = FILES[f"WIDER_train/images/{PARADE}.jpg"]
    contents = FILES | {f"WIDER_train/images/{PARADE}.jpg": whole[: len(whole) // 2]}
    raw = recipe(test=0).plan(sources(tmp_path, contents)).items[0]
    with pytest.raises(DataError, match=r"images/0--Parade/.*1_849.jpg.* cannot be decoded"):
        raw.read()


@pytest.mark.parametrize(
    "arguments",
    [{"smallest": 0}, {"smallest": 20, "largest": 19}, {"margin": 0.9}, {"margin": float("nan")},
     {"outside": "pad"}, {"operator": "spline"}, {"lr_size": 0}],
)  # fmt: skip
def test_arguments_that_cannot_be(arguments):
    with pytest.raises(ConfigError, match=f"{next(iter(arguments))}="):
        WiderFace(**arguments)


def test_prepared_by_the_real_command(tmp_path, cli):
    LOOK.write_zips(tmp_path / "downloads", FILES)
    words = ("prepare", "widerface", "--src", "downloads", "--set", "train=2")
    refused = cli(*words, "--out", "refused", check=False)
    assert refused.returncode == 1 and "not the owner's 12,880" in refused.stderr
    done = cli(*words, "test=null", "allow_incomplete=true", "--out", "wider")
    assert "train: 2 of 4 faces drawn with seed 2020." in " ".join(done.stdout.split())
    choice = {"split": ["train"], "role": "lr"}
    data = Prepared(tmp_path / "wider", train_lr=choice, test={"role": "lr"})
    plan = recipe(train=2).plan(SourceSet([tmp_path / "downloads"], WiderFace.archives))
    for split, role in (("train", "train_lr"), ("test", "test")):
        samples = [data.split(role)[i] for i in range(len(data.split(role)))]
        wanted = [raw for raw in plan.items if raw.split == split]
        assert [sample.key for sample in samples] == [raw.key for raw in wanted]
        for sample, raw in zip(samples, wanted, strict=True):
            assert sample.hr is None
            np.testing.assert_array_equal(sample.lr, raw.read())
            assert sample.attributes == raw.attributes
