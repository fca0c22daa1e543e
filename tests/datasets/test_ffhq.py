"""FFHQ: the owner's folders and JSON, every kind of copy, the shipped draws, and what goes wrong."""

import inspect
import json
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.utils import get_class, get_method
from omegaconf import OmegaConf

from command_line import ROOT
from facesr_bench.errors import DataError
from facesr_bench.images import read_rgb
from facesr_bench.prepare.sources import SourceSet

FFHQ = get_class("facesr_bench.datasets.ffhq.FFHQ")
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_ffhq.py"))))
IMAGES = LOOK.images()
JSON = "ffhq-dataset-v2.json"
OWNERS = IMAGES | {JSON: LOOK.metadata(IMAGES)}
LISTS = ROOT / "datasets" / "lists"
KEYS = ["00000.png", "00001.png", "01000.png", "60000.png", "60001.png"]
FIRST = "images1024x1024/00000/00000.png"


def plan(root: Path, contents: dict[str, bytes] = OWNERS, **arguments):
    LOOK.write(root, contents)
    return FFHQ(**arguments).plan(SourceSet([root], FFHQ.archives))


def refused(root: Path, contents: dict[str, bytes], match: str, **arguments) -> None:
    with pytest.raises(DataError, match=match):
        plan(root, contents, **arguments)


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "prepare" / "ffhq.yaml"))
    assert conf.pop("_target_") == "facesr_bench.datasets.ffhq.FFHQ"
    parameters = inspect.signature(FFHQ).parameters
    assert conf == {name: p.default for name, p in parameters.items()}


def test_the_owners_folders(tmp_path):
    found = plan(tmp_path)
    assert [raw.key for raw in found.items] == KEYS
    assert [raw.split for raw in found.items] == ["train", "train", "train", "val", "val"]
    assert found.items[2].source.endswith("/images1024x1024/01000/01000.png")
    for raw, number in zip(found.items, LOOK.NUMBERS, strict=True):
        np.testing.assert_array_equal(raw.read(), LOOK.pixels(number, 1024))
    notes = " ".join(found.notes)
    assert "Read from images1024x1024 (5 images, folders of a thousand, as the owner's)" in notes
    assert "5 of FFHQ's 70,000 images" in notes
    assert "ffhq-dataset-v2.json has" in notes
    assert "not the published 267,793,842" in notes


def test_the_default_operator_is_the_plain_mean(tmp_path):
    """1024 -> 64 with box gives back the face every 16x16 block was made from."""
    resize = get_method("facesr_bench.degradations.resizing.pillow_resize")
    assert (FFHQ.operator, FFHQ.size) == ("box", 64)
    image = plan(tmp_path).items[0].read()
    np.testing.assert_array_equal(resize(image, (64, 64), FFHQ.operator), LOOK.face(0)[0])


def test_five_of_the_68_points():
    five = get_method("facesr_bench.datasets.ffhq.records.five_points")
    points = [[float(i), 1000.0 - i * i] for i in range(68)]
    expected = [
        [38.5, 1000 - sum(i * i for i in range(36, 42)) / 6],
        [44.5, 1000 - sum(i * i for i in range(42, 48)) / 6],
        [30, 100], [48, -1304], [54, -1916],
    ]  # fmt: skip
    np.testing.assert_allclose(five(points), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="not 68 pairs"):
        five(points[:67])


@pytest.mark.parametrize(("copy", "side"), [("auto", 1024), ("thumbnails128x128", 128)])
def test_landmarks_are_those_of_the_image_that_is_read(tmp_path, copy, side):
    for raw, number in zip(plan(tmp_path, copy=copy).items, LOOK.NUMBERS, strict=True):
        expected = (LOOK.face(number)[1] + 0.5) * (side / 64) - 0.5
        np.testing.assert_allclose(raw.landmarks, expected, atol=0.01)
        assert raw.landmarks[0, 0] < raw.landmarks[1, 0]  # viewer's left first
        assert raw.landmarks[3, 0] < raw.landmarks[4, 0]


def test_thumbnails_say_what_they_are(tmp_path):
    found = plan(tmp_path, copy="thumbnails128x128")
    np.testing.assert_array_equal(found.items[0].read(), LOOK.pixels(0, 128))
    assert any("made with a filter nobody documents" in note for note in found.notes)


def test_without_the_json_the_split_is_by_number(tmp_path):
    found = plan(tmp_path, IMAGES)
    assert [raw.split for raw in found.items] == ["train", "train", "train", "val", "val"]
    assert {raw.landmarks is None for raw in found.items} == {True}
    assert any("There is no ffhq-dataset-v2.json" in note for note in found.notes)


@pytest.mark.parametrize("zipped", [True, False])
def test_an_archive_of_the_dataset_tool(tmp_path, zipped):
    if zipped:
        LOOK.zipped(tmp_path / "ffhq256.zip", LOOK.packed(256))
    else:
        LOOK.write(tmp_path / "ffhq256", LOOK.packed(256))
    found = plan(tmp_path, {JSON: OWNERS[JSON]})
    assert [raw.key for raw in found.items] == KEYS
    for raw, number in zip(found.items, LOOK.NUMBERS, strict=True):
        np.testing.assert_array_equal(raw.read(), LOOK.pixels(number, 256))
        np.testing.assert_allclose(raw.landmarks, (LOOK.face(number)[1] + 0.5) * 4 - 0.5, atol=0.01)
    notes = " ".join(found.notes)
    assert "Read from ffhq256 (5 images, numbered by StyleGAN2-ADA's dataset tool)" in notes
    assert "256x256, not the owner's 1024x1024: a resized copy" in notes
    assert "these may not be the owner's numbers" in notes


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_flat_copies(tmp_path, kind):
    files = {f"resized/{name}": c for name, c in LOOK.flat(128, kind).items()}
    found = plan(tmp_path, files)
    assert [raw.key for raw in found.items] == KEYS
    assert found.items[0].read().shape == (128, 128, 3)
    assert "Read from resized (5 images, all in one folder)" in found.notes[0]


def test_a_zip_for_each_thousand_is_one_copy(tmp_path):
    folder = tmp_path / "images1024x1024"
    for thousand in ("00000", "01000", "60000"):
        inside = {path: IMAGES[f"images1024x1024/{path}"] for path in LOOK.PATHS.values()}
        part = {path: c for path, c in inside.items() if path.startswith(thousand)}
        LOOK.zipped(folder / f"{thousand}.zip", part)
    found = plan(tmp_path, {JSON: OWNERS[JSON]}, verify_md5=True)
    assert [raw.key for raw in found.items] == KEYS
    np.testing.assert_array_equal(found.items[3].read(), LOOK.pixels(60000, 1024))


def test_photos_before_alignment_are_never_taken(tmp_path):
    wild = {f"in-the-wild-images/{path}": b"wild" for path in LOOK.PATHS.values()}
    refused(tmp_path / "a", wild, "There are no FFHQ images .* before alignment")
    found = plan(tmp_path / "b", OWNERS | wild)
    assert all("/images1024x1024/" in raw.source for raw in found.items)


def test_several_copies_are_not_guessed(tmp_path):
    both = {f"a/{n}": c for n, c in LOOK.flat(64).items()} | {
        f"b/{n}": c for n, c in LOOK.flat(128).items()
    }
    refused(tmp_path, both, r"There are 2 copies of FFHQ .* --set copy=NAME \(a, b\)")
    refused(tmp_path, both, r"no copy of FFHQ called 'c'", copy="c")
    assert plan(tmp_path, both, copy="b").items[0].read().shape == (128, 128, 3)
    assert "images1024x1024" in plan(tmp_path, both | OWNERS).notes[0]


def test_the_wider_crop_of_ffhq_aging_is_refused(tmp_path):
    aging = {
        f"ffhq_aging256x256/{p}": IMAGES[f"thumbnails128x128/{p}"] for p in LOOK.PATHS.values()
    }
    refused(tmp_path, aging, "looks like FFHQ-Aging, whose images show more")


def test_checksums_of_files(tmp_path):
    items = plan(tmp_path, verify_md5=True).items
    items[0].read()
    with pytest.raises(
        DataError, match=r"00001\.png: the md5 is .*, but the owner's JSON has ddeaeea6"
    ):
        items[1].read()
    thumbnails = plan(tmp_path, copy="thumbnails128x128", verify_md5=True).items
    assert [raw.read().shape for raw in thumbnails] == [(128, 128, 3)] * 5


def test_checksums_of_pixels_for_packed_copies_at_full_size(tmp_path):
    packed = LOOK.packed(1024)
    packed[LOOK.PACKED[60000]] = LOOK.png(LOOK.pixels(60001, 1024))
    LOOK.zipped(tmp_path / "ffhq.zip", packed)
    items = plan(tmp_path, {JSON: OWNERS[JSON]}, verify_md5=True).items
    assert items[1].read().shape == (
        1024,
        1024,
        3,
    )  # its pixels are right, only the file md5 is wrong
    with pytest.raises(DataError, match=r"img00060000\.png: the md5 of its pixels is"):
        items[3].read()


def test_checksums_that_cannot_be_had(tmp_path):
    refused(tmp_path / "a", IMAGES, "verify_md5 needs ffhq-dataset-v2.json", verify_md5=True)
    copy = {f"small/{name}": c for name, c in LOOK.flat(64).items()} | {JSON: OWNERS[JSON]}
    refused(tmp_path / "b", copy, "verify_md5 cannot be done on small", verify_md5=True)


def test_a_png_with_more_text_than_pillow_takes(tmp_path):
    """Why the owner's script switches on LOAD_TRUNCATED_IMAGES, which would also pass torn files."""
    long = LOOK.with_long_text(IMAGES[FIRST])
    with pytest.raises(DataError, match="cannot be decoded"):
        read_rgb(long)
    raw = plan(tmp_path, OWNERS | {FIRST: long}).items[0]
    np.testing.assert_array_equal(raw.read(), LOOK.pixels(0, 1024))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"<html><head><title>Google Drive - Quota exceeded</title>", r"00000\.png is a web page"),
        (IMAGES[FIRST][: len(IMAGES[FIRST]) // 2], r"00000\.png: .* cannot be decoded"),
        (b"GIF89a not", r"00000\.png is not an image"),
        (b"", r"00000\.png is empty"),
        (
            IMAGES["thumbnails128x128/00000/00000.png"],
            r"00000\.png is 128x128 pixels, not 1024x1024",
        ),
    ],
)
def test_damaged_images_are_named_when_they_are_read(tmp_path, content, match):
    found = plan(tmp_path, OWNERS | {FIRST: content})
    with pytest.raises(DataError, match=match):
        found.items[0].read()
    assert found.items[1].read().shape == (1024, 1024, 3)


def test_one_damaged_file_does_not_hide_the_size_of_a_copy(tmp_path):
    files = {f"small/{name}": c for name, c in LOOK.flat(64).items()}
    found = plan(tmp_path / "a", files | {"small/00000.png": b"<html>"})
    assert found.items[1].read().shape == (64, 64, 3)
    torn = dict.fromkeys(files, b"<html>")
    refused(tmp_path / "b", torn, r"The first 5 images cannot be read: .*00000\.png is a web page")


def test_a_file_in_the_wrong_folder(tmp_path):
    moved = {"images1024x1024/00000/01001.png": IMAGES[FIRST]}
    refused(tmp_path, OWNERS | moved, r"in the folder 00000, but image 1001 belongs into 01000")


def test_a_packed_file_in_the_wrong_folder(tmp_path):
    """The dataset tool numbers its folders by thousands, 00001 for images 1000 to 1999."""
    packed = {f"copy/00001/img{number:08d}.png": IMAGES[FIRST] for number in (1000, 2001)}
    refused(tmp_path, packed, r"in the folder 00001, but image 2001 belongs into 00002")


def test_a_number_ffhq_does_not_have(tmp_path):
    refused(
        tmp_path, {"copy/70000.png": IMAGES[FIRST]}, "would be image 70000, but FFHQ has 70,000"
    )


def test_a_number_twice(tmp_path):
    LOOK.zipped(tmp_path / "more.zip", {FIRST: IMAGES[FIRST]})
    refused(tmp_path, OWNERS, r"are both image 0 of images1024x1024")


def changed(number: str, **entries) -> bytes:
    records = json.loads(OWNERS[JSON])
    records[number].update(entries)
    return json.dumps({k: v for k, v in records.items() if v.get("category") != "drop"}).encode()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            OWNERS[JSON][:-100],
            r"is not whole JSON .* the owner's 267,793,842; most often the download",
        ),
        (b"<html>Virus scan warning</html>", "ffhq-dataset-v2.json is a web page"),
        (changed("1000", category="drop"), r"4 records but none for .*01000\.png"),
        (changed("0", category="test"), r"a record of another form \(KeyError\('test'\)"),
        (changed("0", image={"file_md5": "0", "pixel_md5": "0"}), "a record of another form"),
        (b"[]", 'has other records than "0" to "69999"'),
        (b'{"a": {}}', 'has other records than "0" to "69999"'),
    ],
)
def test_a_damaged_json(tmp_path, content, match):
    refused(tmp_path, OWNERS | {JSON: content}, match)


def test_scgans_training_list():
    keys = (LISTS / "ffhq_scgan_train.txt").read_text().splitlines()
    assert keys == [f"{number:05d}.png" for number in range(20_000)]


def test_scgans_test_list_is_the_draw_of_the_rule():
    pool = sorted(f"{number:05d}.png" for number in range(20_000, 70_000))
    drawn = np.random.RandomState(2020).permutation(pool)[:2500].tolist()
    keys = (LISTS / "ffhq_scgan_test.txt").read_text().splitlines()
    assert keys == sorted(drawn)
    assert len(set(keys)) == 2500


def test_prepared_by_the_command_line(tmp_path, cli):
    """At the default size the prepared image is the face the 1024x1024 was enlarged from."""
    import pyarrow.parquet as pq

    LOOK.write(tmp_path / "ffhq", OWNERS)
    cli("prepare", "ffhq", "--src", "ffhq", "--out", "out")
    rows = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert [(row["key"], row["split"]) for row in rows] == list(
        zip(KEYS, ["train", "train", "train", "val", "val"], strict=True)
    )
    for row, number in zip(rows, LOOK.NUMBERS, strict=True):
        image = read_rgb(tmp_path / "out" / "images" / row["key"])
        np.testing.assert_array_equal(image, LOOK.face(number)[0])
        expected = LOOK.face(number)[1].ravel()
        np.testing.assert_allclose(row["landmarks"], expected, atol=0.01)
        assert row["landmarks_from"] == "owner"
    notes = (tmp_path / "out" / "prepared.json").read_text()
    assert "Read from images1024x1024" in notes


def test_a_wrong_checksum_ends_it_or_is_left_out(tmp_path, cli):
    LOOK.write(tmp_path / "ffhq", OWNERS)
    words = ("prepare", "ffhq", "--src", "ffhq", "--out", "out", "--set", "verify_md5=true")
    done = cli(*words, check=False)
    assert done.returncode == 1
    assert "00001.png" in done.stderr
    assert "but the owner's JSON has ddeaeea6" in done.stderr
    cli(*words, "--on-error", "skip")
    assert not (tmp_path / "out" / "images" / "00001.png").exists()
    assert (tmp_path / "out" / "images" / "60001.png").exists()
