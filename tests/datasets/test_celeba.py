"""CelebA: the owner's bytes, the join, TDN's crop and its border, and what goes wrong."""

import hashlib
import inspect
import io
import zlib
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.utils import get_class, get_method
from omegaconf import OmegaConf
from PIL import Image

from facesr_bench.errors import ConfigError, DataError
from facesr_bench.prepare.sources import SourceSet

CelebA = get_class("facesr_bench.datasets.celeba.CelebA")
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_celeba.py"))))
CONF = Path(__file__).parents[2] / "conf" / "prepare" / "celeba.yaml"
PHOTOS, LISTS = LOOK.photos(), LOOK.lists()
PARTITION, ATTRIBUTES = "Eval/list_eval_partition.txt", "Anno/list_attr_celeba.txt"
LANDMARKS, IDENTITY = "Anno/list_landmarks_align_celeba.txt", "Anno/identity_CelebA.txt"


def sources(root: Path, contents: dict[str, bytes] | None = None, more=()) -> SourceSet:
    LOOK.write(root, PHOTOS | LISTS if contents is None else contents)
    return SourceSet([root, *more], CelebA.archives)


def plan(root: Path, contents: dict[str, bytes] | None = None, **arguments):
    return CelebA(**arguments).plan(sources(root, contents))


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def refused(root: Path, contents: dict[str, bytes], match: str) -> None:
    with pytest.raises(DataError, match=match):
        plan(root, contents)


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(CONF))
    assert conf.pop("_target_") == "facesr_bench.datasets.celeba.CelebA"
    parameters = inspect.signature(CelebA).parameters
    assert conf == {name: p.default for name, p in parameters.items()}


def test_the_look_alikes_lines_are_the_owners_to_the_byte(tmp_path):
    """Sizes and md5 of the published files, rebuilt: the lists are CRLF and padded like this."""
    whole = LOOK.full_partition()
    assert len(whole) == 2_836_386
    assert hashlib.md5(whole).hexdigest() == "d32c9cbf5e040fd4025c592c306e6668"
    rows = 202_599
    assert all(
        len(LOOK.landmark_row(n, LOOK.points(n).ravel().tolist())) == 60 for n in LOOK.NUMBERS
    )
    assert len(b"202599\r\n" + LOOK.LANDMARK_NAMES) + rows * 60 == 12_156_055
    # 22,516 photos have the first attribute, so their first value is one byte shorter.
    lines = len(LOOK.attribute_row(1, [1])) * 22_516 + len(LOOK.attribute_row(1, [])) * (
        rows - 22_516
    )
    assert len(b"202599\r\n" + LOOK.ATTRIBUTE_NAMES) + lines == 26_721_026


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"])
def test_the_whole_partition_is_read_and_recognised(tmp_path, ending):
    LOOK.write(tmp_path, {PARTITION: LOOK.full_partition().replace(b"\r\n", ending)})
    module = "facesr_bench.datasets.celeba.lists"
    found = get_method(f"{module}.find_list")(SourceSet([tmp_path]), "list_eval_partition")
    splits = list(get_method(f"{module}.read_splits")(found).values())
    assert found.note is None
    assert [splits.count(name) for name in ("train", "val", "test")] == [162_770, 19_867, 19_962]


def test_one_changed_byte_of_the_whole_partition_is_noted(tmp_path):
    LOOK.write(
        tmp_path, {PARTITION: LOOK.full_partition().replace(b"000007.jpg 0", b"000007.jpg 1")}
    )
    find = get_method("facesr_bench.datasets.celeba.lists.find_list")
    assert "it was changed" in find(SourceSet([tmp_path]), "list_eval_partition").note


def test_everything_is_joined(tmp_path):
    items = plan(tmp_path).items
    assert [raw.key for raw in items] == [f"{number:06d}.png" for number in LOOK.PHOTOS]
    by_key = {raw.key: raw for raw in items}
    assert by_key["162770.png"].split == "train"
    assert by_key["162771.png"].split == by_key["182637.png"].split == "val"
    assert by_key["182638.png"].split == "test"
    assert by_key["182638.png"].identity == "10177"
    assert by_key["000001.png"].source.endswith("img_align_celeba/000001.jpg")
    names = ("5_o_Clock_Shadow", "Male", "Blurry", "Eyeglasses", "Wearing_Hat", "Young")
    holds = {key: [n for n in names if raw.attributes[n] == 1] for key, raw in by_key.items()}
    assert holds["000001.png"] == ["5_o_Clock_Shadow", "Male"]
    assert holds["000002.png"] == ["Blurry"]
    assert holds["000003.png"] == ["Eyeglasses"]
    assert holds["162771.png"] == ["Wearing_Hat"]
    assert holds["182638.png"] == ["Young"]
    assert set(by_key["000004.png"].attributes.values()) == {0.0}
    assert len(by_key["000004.png"].attributes) == 40


def test_tdns_crop_and_the_photo_around_it(tmp_path):
    raw = plan(tmp_path).items[0]
    photo = pixels(PHOTOS["img_align_celeba/000001.jpg"])
    np.testing.assert_array_equal(raw.read(), photo[54:187, 34:141])
    np.testing.assert_array_equal(raw.read_border(), photo[24:217, 4:171])
    assert raw.border == (30, 30, 30, 30)
    np.testing.assert_array_equal(raw.read_border()[30:-30, 30:-30], raw.read())
    assert CelebA().stretch and CelebA().enlarge  # 107x133 becomes a square of 128
    assert not CelebA(crop="square").stretch and not CelebA(crop="square").enlarge


def test_landmarks_move_with_the_crop(tmp_path):
    number = 182638
    render = {crop: plan(tmp_path, crop=crop).items[-2] for crop in ("tdn", "square", "aligned")}
    points = LOOK.points(number)
    np.testing.assert_array_equal(render["aligned"].landmarks, points)
    np.testing.assert_array_equal(render["square"].landmarks, points - [0, 20])
    np.testing.assert_array_equal(render["tdn"].landmarks, points - [34, 54])
    assert points[0, 0] < points[1, 0]  # the eye on the viewer's left comes first
    assert points[3, 0] < points[4, 0]
    # The owner rounds to whole pixels; the renderer knows where the points are.
    exact = (LOOK.face(number)[1] + 0.5) * [107 / 64, 133 / 64] - 0.5
    assert np.abs(render["tdn"].landmarks - exact).max() <= 0.5 + 1e-5


@pytest.mark.parametrize(
    ("crop", "rows", "columns"),
    [("square", slice(20, 198), slice(0, 178)), ("aligned", slice(0, 218), slice(0, 178))],
)
def test_other_crops_have_no_photo_around_them(tmp_path, crop, rows, columns):
    raw = plan(tmp_path, crop=crop).items[0]
    photo = pixels(PHOTOS["img_align_celeba/000001.jpg"])
    np.testing.assert_array_equal(raw.read(), photo[rows, columns])
    assert raw.read_border is None
    assert raw.border == (0, 0, 0, 0)


def test_what_is_not_there_is_said(tmp_path):
    found = plan(tmp_path, PHOTOS | {PARTITION: LISTS[PARTITION]})
    notes = " ".join(found.notes)
    assert "1 of the 11 photos in list_eval_partition are not there (the first is 202599" in notes
    for name in ("identity_CelebA", "list_attr_celeba", "list_landmarks_align_celeba"):
        assert f"There is no {name}.txt" in notes
    assert "list_eval_partition.txt has 154 bytes, not the published 2,836,386" in notes
    assert found.items[0].identity is None
    assert found.items[0].landmarks is None
    assert found.items[0].attributes == {}


def test_zip_in_a_folder_gives_the_same_as_unpacked(tmp_path):
    unpacked = plan(tmp_path / "a")
    owners = CelebA().plan(SourceSet([LOOK.write_owners(tmp_path / "b")], CelebA.archives))
    for one, other in zip(unpacked.items, owners.items, strict=True):
        assert (one.key, one.split, one.identity) == (other.key, other.split, other.identity)
        np.testing.assert_array_equal(one.read(), other.read())
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
    assert owners.items[0].source == "img_align_celeba.zip/img_align_celeba/000001.jpg"


def test_photos_that_lie_there_twice_are_read_from_one_place(tmp_path):
    archive = LOOK.zipped(tmp_path / "img_align_celeba.zip", dict(list(PHOTOS.items())[:4]))
    found = plan(tmp_path, PHOTOS | LISTS)
    assert len(found.items) == 10
    assert not any(archive.name in raw.source for raw in found.items)
    assert "4 files in" in " ".join(found.notes)
    assert "were passed over" in " ".join(found.notes)


def test_photos_before_alignment_are_never_taken(tmp_path):
    wild = {name.replace("img_align_celeba", "img_celeba"): c for name, c in PHOTOS.items()}
    refused(
        tmp_path / "a", wild | LISTS, r"There are no aligned photos .* Give img_align_celeba\.zip"
    )
    found = plan(tmp_path / "b", wild | PHOTOS | LISTS)
    assert all("/img_align_celeba/" in raw.source for raw in found.items)


def test_jpeg_comes_before_the_png_twin_which_does_as_well(tmp_path):
    """The papers used the JPEG files; the PNG twin has their pixels before compression."""
    twin = {f"img_align_celeba_png/{n:06d}.png": LOOK.photo(n, "PNG") for n in LOOK.PHOTOS}
    found = plan(tmp_path / "a", PHOTOS | LISTS | twin)
    assert all(raw.source.endswith(".jpg") for raw in found.items)
    alone = plan(tmp_path / "b", LISTS | twin)
    assert [raw.key for raw in alone.items] == [raw.key for raw in found.items]
    np.testing.assert_array_equal(
        alone.items[0].read(), pixels(LOOK.photo(1, "PNG"))[54:187, 34:141]
    )


def test_lists_with_a_header_as_csv_and_with_blanks(tmp_path):
    """Copies that are about: CSV with a header, lines that end in blanks, an empty last line."""
    csv = {
        "list_eval_partition.csv": b"image_id,partition\n" + b"".join(
            line.replace(b" ", b",") + b"\n" for line in LISTS[PARTITION].split(b"\r\n") if line
        ),
        "list_landmarks_align_celeba.csv": b"image_id,lefteye_x,lefteye_y,a,b,c,d,e,f,g,h\n" + b"".join(
            b",".join(line.split()) + b"\n" for line in LISTS[LANDMARKS].split(b"\r\n")[2:] if line
        ),
    }  # fmt: skip
    expected = plan(tmp_path / "a")
    found = plan(tmp_path / "b", PHOTOS | csv)
    for one, other in zip(expected.items, found.items, strict=True):
        assert one.split == other.split
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
    blanks = {
        PARTITION: LISTS[PARTITION].replace(b" ", b"   ").replace(b"\r\n", b"  \r\n") + b"\r\n"
    }
    assert [r.split for r in plan(tmp_path / "c", PHOTOS | blanks).items] == [
        r.split for r in expected.items
    ]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({PARTITION: LISTS[PARTITION][:-17]}, r"line 10: expected an image and a number, .* '182639"),
        ({PARTITION: LISTS[PARTITION][:-28]}, r"9 rows but none for .*182639\.jpg\. Most often it was"),
        ({PARTITION: LISTS[PARTITION] * 2}, r"line 12: 000001\.jpg was already given"),
        ({PARTITION: LISTS[PARTITION].replace(b" 2", b" 3")}, r"image 182638 into split 3; the owner"),
        ({PARTITION: b""}, "list_eval_partition.txt names no image"),
        ({PARTITION: b"<!DOCTYPE html><html>Quota exceeded"}, "list_eval_partition.txt is a web page"),
        ({IDENTITY: LISTS[IDENTITY].replace(b"000002.jpg 2880\r\n", b"")}, r"none for .*000002\.jpg"),
        ({ATTRIBUTES: LISTS[ATTRIBUTES][:-60]}, r"line 13: expected an image and 40 numbers, found 2"),
        ({ATTRIBUTES: LISTS[ATTRIBUTES][:-132]}, "says that it has 11 rows, but has 10: it was cut"),
        ({LANDMARKS: LISTS[LANDMARKS].replace(b"lefteye_x", b"nose_x")}, "expected ten from lefteye_x"),
        ({LANDMARKS: LISTS[LANDMARKS].replace(b"\r\n000002", b"\r\n000001")}, "line 4: 000001.jpg was"),
    ],
)  # fmt: skip
def test_damaged_lists(tmp_path, change, match):
    refused(tmp_path, PHOTOS | LISTS | change, match)


def test_a_missing_partition_says_where_it_is_to_be_had(tmp_path):
    without = {name: content for name, content in LISTS.items() if name != PARTITION}
    refused(
        tmp_path,
        PHOTOS | without,
        r"There is no list_eval_partition\.txt \(the official split\) in",
    )


def test_lists_that_differ_between_folders_are_not_guessed(tmp_path):
    other = {"old/list_eval_partition.txt": LISTS[PARTITION].replace(b" 1", b" 0")}
    refused(
        tmp_path / "a", PHOTOS | LISTS | other, "There are 2 files called list_eval_partition.txt"
    )
    same = {"copy/list_eval_partition.txt": LISTS[PARTITION]}
    assert len(plan(tmp_path / "b", PHOTOS | LISTS | same).items) == 10


def test_a_number_twice(tmp_path):
    twice = {"img_align_celeba/000001.png": LOOK.photo(1, "PNG")}
    refused(tmp_path, PHOTOS | LISTS | twice, r"000001\.jpg and .*000001\.png are both image 1")


def test_people_in_two_splits_are_noted(tmp_path):
    crossing = {IDENTITY: LISTS[IDENTITY].replace(b"162771.jpg 17", b"162771.jpg 2880")}
    assert not any("more than one split" in note for note in plan(tmp_path / "a").notes)
    notes = plan(tmp_path / "b", PHOTOS | LISTS | crossing).notes
    assert any(note.startswith("1 people are in more than one split") for note in notes)


def bomb() -> bytes:
    """A PNG whose header promises 20,000 x 20,000 pixels."""
    content = bytearray(LOOK.photo(1, "PNG"))
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (PHOTOS["img_align_celeba/000001.jpg"][:2000], r"000001\.jpg: .* cannot be decoded"),
        (b"not an image at all", r"000001\.jpg: it is not an image"),
        (b"<html>quota</html>", r"000001\.jpg is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", r"000001\.jpg is a Git LFS pointer"),
        (b"", r"000001\.jpg is empty"),
        (bomb(), r"000001\.jpg: it cannot be opened|000001\.jpg: it is 20000 pixels wide"),
    ],
)
def test_damaged_photos_are_named_when_they_are_read(tmp_path, content, match):
    raw = plan(tmp_path, PHOTOS | LISTS | {"img_align_celeba/000001.jpg": content}).items[0]
    for read in (raw.read, raw.read_border):
        with pytest.raises(DataError, match=match):
            read()


def test_a_photo_of_another_size_is_refused(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (218, 178)).save(buffer, "JPEG")
    raw = plan(tmp_path, PHOTOS | LISTS | {"img_align_celeba/000001.jpg": buffer.getvalue()}).items[
        0
    ]
    with pytest.raises(DataError, match="it is 218 pixels wide and 178 high, not 178 and 218"):
        raw.read()


def test_an_unknown_crop():
    with pytest.raises(ConfigError, match="one of aligned, square, tdn, not 'face'"):
        CelebA(crop="face")


def test_a_truncated_archive(tmp_path):
    archive = LOOK.zipped(tmp_path / "img_align_celeba.zip", PHOTOS)
    archive.write_bytes(archive.read_bytes()[:-500])
    with pytest.raises(DataError, match="not a whole zip archive"):
        SourceSet([tmp_path], CelebA.archives)


def test_prepared_by_the_command_line(tmp_path, cli):
    """Through the front door: images, border, manifest and landmarks fit together."""
    import pyarrow.parquet as pq

    root = LOOK.write_owners(tmp_path / "CelebA")
    out = tmp_path / "out"
    done = cli("prepare", "celeba", "--src", str(root), "--out", str(out), "--size", "128")
    assert "10" in done.stdout
    rows = {row["key"]: row for row in pq.read_table(out / "manifest.parquet").to_pylist()}
    assert list(rows) == [f"{number:06d}.png" for number in LOOK.PHOTOS]
    row = rows["182638.png"]
    assert (row["split"], row["identity"], row["domain"]) == ("test", "10177", None)
    assert dict(row["attributes"])["Young"] == 1.0
    assert len(row["attributes"]) == 40
    # TDN: bicubic to 128x128, here from the JPEG with Pillow alone.
    photo = pixels(PHOTOS["img_align_celeba/182638.jpg"])
    crop = Image.fromarray(photo[54:187, 34:141]).resize((128, 128), Image.Resampling.BICUBIC)
    image = np.asarray(Image.open(out / "images" / "182638.png"))
    np.testing.assert_array_equal(image, np.asarray(crop))
    # Landmarks go along: the renderer's own, rounded to pixels of the photo by the owner.
    exact = (LOOK.face(182638)[1] + 0.5) * 2 - 0.5
    assert np.abs(np.reshape(row["landmarks"], (5, 2)) - exact).max() < 0.7
    assert row["border"] == [30, 30, 30, 30] and row["border_shape"] == [193, 167]
    border = np.asarray(Image.open(out / "border" / "182638.png"))
    np.testing.assert_array_equal(border, photo[24:217, 4:171])  # the photo's own pixels
    facts = (out / "prepared.json").read_text()
    assert "list_eval_partition are not there (the first is 202599.jpg)" in facts


def test_the_command_line_says_what_is_missing(tmp_path, cli):
    LOOK.write(tmp_path / "CelebA", PHOTOS)
    done = cli("prepare", "celeba", "--src", "CelebA", "--out", "out", check=False)
    assert done.returncode == 1
    assert "There is no list_eval_partition.txt (the official split) in CelebA" in done.stderr
    assert not (tmp_path / "out" / "manifest.parquet").exists()
