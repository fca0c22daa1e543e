"""CASIA-WebFace: folders, records byte by byte, people-disjoint draws."""

import inspect
import io
import struct
import zipfile
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

WebFace = get_class("facesr_bench.datasets.webface.WebFace")
Prepared = get_class("facesr_bench.datasets.prepared.Prepared")
PACKAGE = WebFace.__module__.rpartition(".")[0]
RECORDIO, INSIGHTFACE = (import_module(f"{PACKAGE}.{n}") for n in ("recordio", "insightface"))
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alike_webface.py"))))
CONF = Path(__file__).parents[2] / "conf" / "prepare" / "webface.yaml"
FOLDERS, RECORDS = LOOK.folders(), LOOK.records()
REC, IDX, LST = (f"faces_webface_112x112/train.{ext}" for ext in ("rec", "idx", "lst"))
FOLDER_KEYS = [
    "0000045/001.png", "0000045/002.png", "0000099/001.png", "0000099/002.png", "0000099/003.png",
    "0000100/001.png",
]  # fmt: skip
RECORD_KEYS = [f"{label:05d}/{key:07d}.png" for key, label in enumerate((0, 0, 1, 1, 1, 2), 1)]


def sources(root: Path, contents) -> SourceSet:
    return SourceSet([LOOK.write_folder(root, contents)], WebFace.archives)


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image)


def test_the_yaml_is_the_constructors_defaults():
    conf = OmegaConf.to_container(OmegaConf.load(CONF))
    assert conf.pop("_target_") == "facesr_bench.datasets.webface.WebFace"
    parameters = inspect.signature(WebFace).parameters
    assert conf == {name: p.default for name, p in parameters.items()}


# -- folders --------------------------------------------------------------------------------------


def test_folders(tmp_path):
    plan = WebFace(test=None).plan(sources(tmp_path, FOLDERS))
    assert [raw.key for raw in plan.items] == FOLDER_KEYS
    assert [raw.identity for raw in plan.items] == [key[:7] for key in FOLDER_KEYS]
    assert {(raw.split, raw.role) for raw in plan.items} == {("test", "hr")}
    raw = plan.items[2]
    assert raw.source.endswith("/CASIA-WebFace/0000099/001.jpg")
    np.testing.assert_array_equal(raw.read(), pixels(FOLDERS["CASIA-WebFace/0000099/001.jpg"]))
    assert any(note.startswith("6 images of 3 people are here; the owner's") for note in plan.notes)
    assert "CASIA-WebFace is not SCGAN's WebFace, a private crawl (recipe scgan_zip)." in plan.notes


def test_a_persons_folder_may_be_given_itself_and_archives_are_read(tmp_path):
    LOOK.write_folder(tmp_path, FOLDERS)
    given = SourceSet([tmp_path / "CASIA-WebFace" / "0000045"])
    assert [r.key for r in WebFace(test=None).plan(given).items] == FOLDER_KEYS[:2]
    with zipfile.ZipFile(tmp_path / "CASIA-WebFace.zip", "w") as archive:
        for name, content in FOLDERS.items():
            archive.writestr(name, content)
    given = SourceSet([tmp_path / "CASIA-WebFace.zip"])
    assert [r.key for r in WebFace(test=None).plan(given).items] == FOLDER_KEYS


def test_the_centre_square(tmp_path):
    wide = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, "PNG")
    data = sources(tmp_path, {"0000001/1.png": buffer.getvalue()})
    whole = WebFace(test=None).plan(data).items[0].read()
    np.testing.assert_array_equal(whole, wide[:, 10:50])
    small = WebFace(test=None, crop=20).plan(data).items[0].read()
    np.testing.assert_array_equal(small, wide[10:30, 20:40])
    with pytest.raises(DataError, match=r"0000001/1.png is 61x40 pixels, less than crop=41"):
        WebFace(test=None, crop=41).plan(data).items[0].read()


def test_two_files_of_one_key(tmp_path):
    contents = FOLDERS | {"CASIA-WebFace/0000045/001.png": b""}
    with pytest.raises(DataError, match=r"001.jpg and .*001.png would both become 0000045/001.png"):
        WebFace().plan(sources(tmp_path, contents))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>quota</html>", "is a web page"),
        (b"", "is empty"),
        (b"text", "cannot be decoded"),
        (FOLDERS["CASIA-WebFace/0000045/001.jpg"][:2000], "cannot be decoded"),
    ],
)
def test_bad_images_are_named_when_read(tmp_path, content, message):
    data = sources(tmp_path, FOLDERS | {"CASIA-WebFace/0000045/001.jpg": content})
    with pytest.raises(DataError, match=rf"CASIA-WebFace/0000045/001.jpg.* {message}"):
        WebFace(test=None).plan(data).items[0].read()


# -- the draw -------------------------------------------------------------------------------------


def test_the_draw_is_the_specs_and_splits_share_no_person(tmp_path):
    data = sources(tmp_path, FOLDERS)
    order = np.random.RandomState(2020).permutation(FOLDER_KEYS)
    plan = WebFace(test=1, train=None).plan(data)
    test = [raw for raw in plan.items if raw.split == "test"]
    train = [raw for raw in plan.items if raw.split == "train"]
    assert [raw.key for raw in test] == [order[0]]
    others = [key for key in order if key[:7] != order[0][:7]]
    assert [raw.key for raw in train] == sorted(others)
    assert not {raw.identity for raw in test} & {raw.identity for raw in train}
    one = WebFace(test=1, train=1).plan(data).items
    assert [raw.key for raw in one if raw.split == "train"] == [others[0]]
    with pytest.raises(DataError, match=r"9 training images are to be drawn, but the 1 people"):
        WebFace(test=1, train=9).plan(data)
    with pytest.raises(DataError, match=r"1,028 test images are to be drawn, but there are 6"):
        WebFace().plan(data)


# -- records --------------------------------------------------------------------------------------


def test_records(tmp_path):
    plan = WebFace(test=None).plan(sources(tmp_path, RECORDS))
    assert [raw.key for raw in plan.items] == RECORD_KEYS
    assert [raw.identity for raw in plan.items] == ["00000"] * 2 + ["00001"] * 3 + ["00002"]
    for raw, (path, _, content) in zip(plan.items, LOOK.images(112), strict=True):
        np.testing.assert_array_equal(raw.read(), pixels(content), err_msg=raw.key)
        assert raw.source.endswith(f"/train.rec#{int(raw.key[6:13])} ({path})")


def test_the_literal_bytes_of_a_record(tmp_path):
    path = tmp_path / "a.rec"
    path.write_bytes(
        b"\x0a\x23\xd7\xce\x05\x00\x00\x00hello\x00\x00\x00"
        b"\x0a\x23\xd7\xce\x04\x00\x00\x20left"  # flag 1: first of three
        b"\x0a\x23\xd7\xce\x00\x00\x00\x40"  # flag 2, empty: two magic numbers in a row
        b"\x0a\x23\xd7\xce\x03\x00\x00\x60end\x00"  # flag 3: last
    )
    records = RECORDIO.RecordFile(path)
    assert records.read(0) == b"hello"
    assert records.head(0, 2) == b"he"
    assert records.read(16) == b"left\x0a\x23\xd7\xce\x0a\x23\xd7\xceend"
    with pytest.raises(DataError, match=r"a.rec: the part at byte 28 begins in the middle"):
        records.read(28)


def test_the_look_alike_does_hold_a_parted_record_and_an_array_label():
    payloads = LOOK.payloads()
    assert LOOK.record(payloads[LOOK.PARTED]).count(LOOK.MAGIC) == 2
    assert payloads[LOOK.PARTED].count(LOOK.MAGIC) == 1
    assert INSIGHTFACE.parse(payloads[LOOK.ARRAY_LABEL], "x") == ((1.0, 1.0), 32)
    assert INSIGHTFACE.parse(payloads[1], "x") == ((0.0,), 24)


def test_records_without_a_head_take_every_record_for_an_image(tmp_path):
    contents = {k: v for k, v in LOOK.payloads().items() if 1 <= k <= 6}
    plan = WebFace(test=None).plan(sources(tmp_path, LOOK.packed(contents)))
    assert [raw.key for raw in plan.items] == RECORD_KEYS
    assert plan.items[0].source.endswith("train.rec#1")


def test_a_list_of_another_set_is_not_used(tmp_path):
    contents = RECORDS | {LST: RECORDS[LST].replace(b"\t2\t", b"\t3\t")}
    plan = WebFace(test=None).plan(sources(tmp_path, contents))
    assert any("train.lst lists 6 images whose labels are not those" in n for n in plan.notes)
    assert plan.items[0].source.endswith("#1")


def repacked(**changes: bytes) -> dict[str, bytes]:
    """The records with some payloads replaced, "r3" for record 3."""
    payloads = LOOK.payloads() | {int(name[1:]): data for name, data in changes.items()}
    found = LOOK.packed({key: data for key, data in payloads.items() if data})
    return {f"faces_webface_112x112/{name}": content for name, content in found.items()}


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({REC: RECORDS[REC][:-20]}, r"needs 32 bytes, more than are left"),
        ({REC: RECORDS[REC][:-44]}, r"lies outside the file"),
        ({REC: b""}, r"lies outside the file"),
        ({REC: b"<!doctype html><html>Virus scan"}, r"train.rec is a web page"),
        ({REC: b"\x00" + RECORDS[REC][1:]}, r"byte 0 begins with 0xced72300, not with 0xced7230a"),
        ({REC: LOOK.MAGIC + b"\xff\xff\xff\x1f" + RECORDS[REC][8:]}, r"claims 536,870,911 bytes"),
        ({IDX: b"<html>quota"}, r"train.idx is a web page"),
        ({IDX: RECORDS[IDX] + b"1\t0\n"}, r"train.idx, line 11: the key 1 was already given"),
        ({IDX: RECORDS[IDX] + b"x\t0\n"}, r"line 11: expected 'key offset', not 'x\\t0'"),
        ({IDX: RECORDS[IDX].replace(b"4\t", b"44\t")}, r"lacks the record 4, which must exist"),
        ({IDX: b""}, r"train.idx is empty"),
        ({LST: b"1\tpath\n"}, r"train.lst, line 1: expected 'aligned, path, label'"),
        (repacked(r8=LOOK.array([3.0, 5.0], 8)), r"record 9 has the images from 6 to before 7"),
        (repacked(r8=LOOK.array([2.0, 6.0], 8)), r"record 8 has the images from 2 .* 2 labels"),
        (repacked(r8=LOOK.array([3.0, 99.0], 8)), r"record 8 has the images from 3 to before 99"),
        (repacked(r8=LOOK.scalar(3.0, 8)), r"record 8 has the images from 3 to before 3"),
        (repacked(r9=LOOK.array([6.5, 7.0], 9)), r"record 9 has the label 6.5"),
        (repacked(r0=LOOK.array([7.0, 9.0], 0)), r"the images 6 to 6 belong to no person"),
        (repacked(r2=b"\x00" * 10), r"record 2, is no image record: its 10 bytes lack the head"),
        (repacked(r2=struct.pack("<IfQQ", 9, 0, 2, 0)), r"record 2, is no image record"),
    ],
)
def test_damaged_records_are_refused_before_the_draw(tmp_path, contents, message):
    with pytest.raises(DataError, match=message):
        WebFace(test=None).plan(sources(tmp_path, RECORDS | contents))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (LOOK.scalar(0.0, 2), r"train.rec, record 2, holds no image"),
        (LOOK.scalar(0.0, 2, b"text"), r"train.rec#2.* cannot be decoded"),
        (LOOK.payloads()[2][:900], r"train.rec#2.* cannot be decoded"),
    ],
)
def test_a_damaged_jpeg_is_named_when_read(tmp_path, data, message):
    plan = WebFace(test=None).plan(sources(tmp_path, RECORDS | repacked(r2=data)))
    with pytest.raises(DataError, match=message):
        plan.items[1].read()
    assert plan.items[2].read().shape == (112, 112, 3)


def test_a_parted_record_that_loses_its_end(tmp_path):
    path = tmp_path / "a.rec"
    path.write_bytes(LOOK.part(1, b"left") + LOOK.part(0, b"next"))
    with pytest.raises(DataError, match=r"byte 12 begins a record \(flag 0\) inside another"):
        RECORDIO.RecordFile(path).read(0)


def test_many_labels_are_read_to_their_end(tmp_path):
    labels = [1.0, *[0.5] * 40]
    data = LOOK.array(labels, 3, LOOK.images(112)[2][2])
    plan = WebFace(test=None).plan(sources(tmp_path, RECORDS | repacked(r3=data)))
    np.testing.assert_array_equal(plan.items[2].read(), pixels(LOOK.images(112)[2][2]))


def test_records_in_an_archive_and_without_an_index(tmp_path):
    path = tmp_path / "faces_webface_112x112.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in RECORDS.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match=r"train.rec lies in an archive, .* Unpack it"):
        WebFace().plan(SourceSet([path]))
    LOOK.write_folder(tmp_path, RECORDS)  # unpacked beside the zip: the folder is read
    assert len(WebFace(test=None).plan(SourceSet([tmp_path], WebFace.archives)).items) == 6
    (tmp_path / IDX).unlink()
    with pytest.raises(DataError, match=r"has no index beside it .*train.idx"):
        WebFace().plan(SourceSet([tmp_path / "faces_webface_112x112"]))


def test_both_forms_and_none(tmp_path):
    data = sources(tmp_path / "both", FOLDERS | RECORDS)
    with pytest.raises(DataError, match=r"both records .*--set form=records or form=folders"):
        WebFace().plan(data)
    assert WebFace(form="folders", test=None).plan(data).items[0].key == FOLDER_KEYS[0]
    assert WebFace(form="records", test=None).plan(data).items[0].key == RECORD_KEYS[0]
    empty = sources(tmp_path / "none", {"readme.txt": b""})
    with pytest.raises(DataError, match=r"no 0000045/001.jpg or train.rec with train.idx in"):
        WebFace().plan(empty)
    with pytest.raises(DataError, match=r"There is no train.rec with train.idx in"):
        WebFace(form="records").plan(empty)


@pytest.mark.parametrize(
    "arguments",
    [{"form": "zip"}, {"test": -1}, {"train": -1}, {"test": None, "train": 5}, {"crop": 0}],
)
def test_arguments_that_cannot_be(arguments):
    with pytest.raises(ConfigError):
        WebFace(**arguments)


@pytest.mark.parametrize(("contents", "keys"), [(FOLDERS, FOLDER_KEYS), (RECORDS, RECORD_KEYS)])
def test_prepared_by_the_real_command(tmp_path, cli, contents, keys):
    LOOK.write_folder(tmp_path / "owner", contents)
    done = cli(
        "prepare", "webface", "--src", "owner", "--out", "webface", "--landmarks", "no",
        "--set", "test=1", "train=null",
    )  # fmt: skip
    assert "not SCGAN's WebFace" in " ".join(done.stdout.split())
    data = Prepared(tmp_path / "webface", train={}, test={})
    plan = WebFace(test=1, train=None).plan(SourceSet([tmp_path / "owner"]))
    for role in ("train", "test"):
        wanted = [raw for raw in plan.items if raw.split == role]
        assert list(data.split(role).keys) == [raw.key for raw in wanted]
        for i, raw in enumerate(wanted):
            sample = data.split(role)[i]
            expected = Image.fromarray(raw.read()).resize((64, 64), Image.Resampling.BOX)
            np.testing.assert_array_equal(sample.hr, np.array(expected))
            assert sample.identity == raw.identity
    assert {*data.split("train").keys, *data.split("test").keys} < set(keys)
