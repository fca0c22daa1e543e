"""CelebA-HQ: the owner's bytes, the join with CelebA's split, numberings, and what goes wrong."""

import hashlib
import inspect
import io
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.utils import get_class, get_method
from omegaconf import OmegaConf
from PIL import Image

from command_line import ROOT
from facesr_bench.errors import DataError
from facesr_bench.prepare.sources import SourceSet

CelebAHQ = get_class("facesr_bench.datasets.celebahq.CelebAHQ")
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_celebahq.py"))))
OWNERS, CELEBA = LOOK.owners(), LOOK.celeba()
IMAGES = "CelebAMask-HQ/CelebA-HQ-img/"
MAPPING = "CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt"
MODULE = "facesr_bench.datasets.celeba.hq_mapping"


def plan(root: Path, contents: dict[str, bytes] | None = None):
    LOOK.write(root, OWNERS | CELEBA if contents is None else contents)
    return CelebAHQ().plan(SourceSet([root], CelebAHQ.archives))


def refused(root: Path, contents: dict[str, bytes], match: str) -> None:
    with pytest.raises(DataError, match=match):
        plan(root, contents)


def without(*names: str) -> dict[str, bytes]:
    return {name: content for name, content in (OWNERS | CELEBA).items() if name not in names}


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "prepare" / "celebahq.yaml"))
    assert conf == {"_target_": "facesr_bench.datasets.celebahq.CelebAHQ"}
    assert not set(inspect.signature(CelebAHQ).parameters) - {"args", "kwargs"}


def test_a_row_of_the_mapping_is_33_bytes():
    rows = LOOK.MAPPING.splitlines(keepends=True)
    assert {len(row) for row in rows} == {33}
    assert b"3          99094      099095.jpg\n" in rows
    write = get_method(f"{MODULE}.canonical_row")
    assert [write(int(r[:11]), int(r[22:28])).encode() for r in rows] == rows
    assert len(LOOK.HEADER) <= 33
    assert 30_000 * 33 == 990_000  # the published size of the file without header


def test_the_split_is_that_of_the_photo_an_image_was_made_from(tmp_path):
    items = plan(tmp_path).items
    assert [raw.key for raw in items] == [
        "00000.png",
        "00001.png",
        "00002.png",
        "00010.png",
        "00011.png",
    ]
    assert [raw.split for raw in items] == ["train", "train", "val", "val", "test"]
    assert [raw.identity for raw in items] == ["5", "2880", "17", "18", "10177"]
    assert items[0].attributes == {
        "Blurry": 0, "Male": 1, "Young": 1, "yaw": -1.25, "pitch": 10.5, "roll": 0.75,
    }  # fmt: skip
    assert items[1].attributes["Blurry"] == 1
    assert items[3].attributes["yaw"] == 30.0


def test_the_pixels_are_the_owners(tmp_path):
    for raw, number in zip(plan(tmp_path).items, LOOK.NUMBERS, strict=True):
        expected = np.asarray(Image.open(io.BytesIO(OWNERS[f"{IMAGES}{number}.jpg"])))
        np.testing.assert_array_equal(raw.read(), expected)
        assert raw.read().shape == (1024, 1024, 3)


@pytest.mark.parametrize(
    "mapping",
    [
        LOOK.MAPPING,
        LOOK.HEADER + LOOK.MAPPING,
        (LOOK.HEADER + LOOK.MAPPING).replace(b"\n", b"\r\n"),
        LOOK.MAPPING.replace(b"\n", b"\r\n"),
        LOOK.MAPPING.rstrip(),
        b"idx,orig_idx,orig_file\n" + b"".join(
            b",".join(line.split()) + b"\n" for line in LOOK.MAPPING.splitlines()
        ),
    ],
    ids=["headerless", "header", "header-crlf", "crlf", "no-last-newline", "commas"],
)  # fmt: skip
def test_every_form_of_the_mapping_is_the_same(tmp_path, mapping):
    items = plan(tmp_path, OWNERS | CELEBA | {MAPPING: mapping}).items
    assert [raw.split for raw in items] == ["train", "train", "val", "val", "test"]


def test_nvidias_image_list_does_as_well(tmp_path):
    items = plan(tmp_path, without(MAPPING) | {"image_list.txt": LOOK.IMAGE_LIST}).items
    assert [raw.split for raw in items] == ["train", "train", "val", "val", "test"]


def test_what_is_missing_is_said(tmp_path):
    notes = " ".join(plan(tmp_path).notes)
    assert "1 of the 6 images in the mapping are not there (the first is 3.jpg)" in notes
    assert "The mapping has 6 rows, not the published 30,000" in notes
    bare = without(*(name for name in OWNERS if name.endswith("anno.txt")), *CELEBA)
    found = plan(tmp_path / "b", bare | {"list_eval_partition.txt": LOOK.PARTITION})
    assert {raw.identity for raw in found.items} == {None}
    assert found.items[0].attributes == {}
    for what in ("people", "attributes", "poses"):
        assert f"so no {what} are known" in " ".join(found.notes)


def test_zip_beside_a_folder_of_celeba(tmp_path):
    archive = LOOK.zipped(tmp_path / "CelebAMask-HQ.zip", OWNERS)
    lists = LOOK.write(tmp_path / "lists", CELEBA)
    found = CelebAHQ().plan(SourceSet([archive, lists], CelebAHQ.archives))
    expected = plan(tmp_path / "unpacked")
    for one, other in zip(found.items, expected.items, strict=True):
        assert (one.key, one.split, one.identity) == (other.key, other.split, other.identity)
        np.testing.assert_array_equal(one.read(), other.read())
    assert found.items[0].source == f"CelebAMask-HQ.zip/{IMAGES}0.jpg"


def test_the_owners_folder_comes_before_a_fuller_one(tmp_path):
    other = {f"previews/{number}.jpg": b"small" for number in range(12)}
    found = plan(tmp_path, OWNERS | CELEBA | other)
    assert len(found.items) == 5
    assert all(IMAGES in raw.source for raw in found.items)
    assert any(note.startswith("12 files in") and "previews" in note for note in found.notes)


def test_copies_numbered_from_one_are_refused(tmp_path):
    shifted = {
        f"{IMAGES}{number + 1}.jpg": OWNERS[f"{IMAGES}{number}.jpg"] for number in LOOK.NUMBERS
    }
    lists = {name: c for name, c in (OWNERS | CELEBA).items() if not name.startswith(IMAGES)}
    refused(
        tmp_path, shifted | lists, r"12\.jpg has no row .* numbered from 1 \(there is no 0\.jpg\)"
    )


@pytest.mark.parametrize("name", ["list_eval_partition.txt", "CelebA-HQ-to-CelebA-mapping.txt"])
def test_without_a_split_nothing_is_made_up(tmp_path, name):
    lists = {path: c for path, c in (OWNERS | CELEBA).items() if not path.endswith(name)}
    refused(tmp_path, lists, rf"There is no {name}.* --src")


def test_without_images(tmp_path):
    lists = {name: c for name, c in (OWNERS | CELEBA).items() if not name.startswith(IMAGES)}
    refused(tmp_path, lists, r"There are no images \(CelebA-HQ-img/0\.jpg \.\.\.\) in")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({MAPPING: LOOK.MAPPING[:-12]}, r"line 6: expected 'index, original index, 099095"),
        ({MAPPING: LOOK.MAPPING[:-33]}, r"11\.jpg has no row .*; either the mapping was cut short"),
        ({MAPPING: LOOK.MAPPING.replace(b"119613 ", b"119614 ")}, r"119614 counts from 0, so its file"),
        ({MAPPING: LOOK.MAPPING + b"2          7          000008.jpg\n"}, "line 7: image 2 was"),
        ({MAPPING: LOOK.MAPPING + b"7          99094      099095.jpg\n"}, r"\(image 3\) was already"),
        ({MAPPING: b"<html>quota</html>"}, "mapping.txt is a web page"),
        ({MAPPING: b""}, "names no image"),
        ({f"{IMAGES}00010.jpg": LOOK.image(10)}, r"00010\.jpg and .*10\.jpg are both image 10"),
        ({"celeba/list_eval_partition.txt": LOOK.PARTITION[:-14]}, r"none for .*/11\.jpg"),
        ({"CelebAMask-HQ/CelebAMask-HQ-pose-anno.txt": b"1\nYaw Pitch\n0.jpg 1 2\n"}, "has 2 columns"),
    ],
)  # fmt: skip
def test_damaged_sources(tmp_path, change, match):
    refused(tmp_path, OWNERS | CELEBA | change, match)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (LOOK.image(0, side=256), "it is 256 pixels wide and 256 high, not 1024 and 1024"),
        (LOOK.image(0)[:9000], r"0\.jpg: .* cannot be decoded"),
        (b"<!doctype html><p>Too many users", r"0\.jpg is a web page"),
    ],
)
def test_damaged_images_are_named_when_they_are_read(tmp_path, content, match):
    with pytest.raises(DataError, match=match):
        plan(tmp_path, OWNERS | CELEBA | {f"{IMAGES}0.jpg": content}).items[0].read()


def test_a_whole_mapping_that_joins_to_other_counts_is_refused(tmp_path):
    """30,000 images and a partition of one's own: the official counts are not reached."""
    numbers = range(30_000)
    jpeg = b"never opened"
    images = {f"{IMAGES}{number}.jpg": jpeg for number in numbers}
    mapping = b"".join(b"%-11d%-11d%06d.jpg\n" % (n, n, n + 1) for n in numbers)
    partition = b"".join(b"%06d.jpg %d\r\n" % (n + 1, n % 3) for n in numbers)
    archive = LOOK.zipped(
        tmp_path / "CelebAMask-HQ.zip",
        images | {MAPPING: mapping, "list_eval_partition.txt": partition},
    )
    with pytest.raises(
        DataError, match="gives 10,000 train, 10,000 val, 10,000 test, but the owners'"
    ):
        CelebAHQ().plan(SourceSet([archive]))


def test_the_mappings_rows_are_compared_with_the_published_md5():
    compare = get_method(f"{MODULE}.compare_with_published")
    photos = {number: number + 1 for number in range(30_000)}
    rows = b"".join(b"%-11d%-11d%06d.jpg\n" % (n, n, n + 1) for n in range(30_000))
    assert f"rows have md5 {hashlib.md5(rows).hexdigest()}, not the published 2958d" in compare(
        photos
    )


def test_known_defects_are_noted():
    """Images 70, 2110 and 2815: kept, but said."""
    counts = get_method("facesr_bench.datasets.celebahq._counts")
    numbers = dict.fromkeys((69, 70, 2815), 0)
    notes = counts(numbers, numbers, {})
    assert any("70 (defective), 2815 (defective)" in note for note in notes)
    assert not any("twice" in note for note in notes)
    twins = dict.fromkeys((234, 235, 3329, 7561, 7562), 0)
    assert any("twice, and kept: 234/235, 7561/7562." in note for note in counts(twins, twins, {}))


def test_pans_list_is_the_first_five_thousand():
    keys = (ROOT / "datasets" / "lists" / "celebahq_pan_test.txt").read_text().splitlines()
    assert keys == [f"{number:05d}.png" for number in range(5000)]


def test_prepared_by_the_command_line(tmp_path, cli):
    import pyarrow.parquet as pq

    LOOK.zipped(tmp_path / "CelebAMask-HQ.zip", OWNERS)
    LOOK.write(tmp_path, CELEBA)
    words = ("--src", "CelebAMask-HQ.zip", "celeba", "--out", "out", "--size", "64")
    cli("prepare", "celebahq", *words)
    rows = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert [(row["key"], row["split"], row["identity"]) for row in rows] == [
        ("00000.png", "train", "5"), ("00001.png", "train", "2880"), ("00002.png", "val", "17"),
        ("00010.png", "val", "18"), ("00011.png", "test", "10177"),
    ]  # fmt: skip
    assert dict(rows[3]["attributes"])["yaw"] == 30.0
    original = Image.open(io.BytesIO(OWNERS[f"{IMAGES}10.jpg"]))
    expected = np.asarray(original.resize((64, 64), Image.Resampling.BICUBIC))
    image = np.asarray(Image.open(tmp_path / "out" / "images" / "00010.png"))
    np.testing.assert_array_equal(image, expected)
