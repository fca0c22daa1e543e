"""Folders of images become pairs by name, or a sentence; no image is scored under a wrong name."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_bench.errors import DataError, RunInterrupted
from facesr_bench.evaluate.annotations import Annotations, read_annotations
from facesr_bench.evaluate.image_set import ImageSet, _misfits, check_images, find_pairs
from facesr_bench.evaluate.pairing import Folder, Pair, pair_folders
from facesr_bench.evaluate.reading import Inspected, read_ahead
from facesr_bench.evaluate.stopping import stoppable
from facesr_bench.images import encode_png, hash_images
from facesr_bench.protocol import canonical_hash
from facesr_bench.store import SRStore


def folder(what, names):
    return Folder(what, Path(what.lower()), {name: Path(what.lower(), name) for name in names})


def pairs(sr, hr=None, lr=None):
    sides = [None if names is None else folder(what, names) for what, names in
             (("SR", sr), ("HR", hr), ("LR", lr))]  # fmt: skip
    return {pair.key: (pair.sr.name, pair.hr and pair.hr.name, pair.lr and pair.lr.name)
            for pair in pair_folders(*sides)}  # fmt: skip


def images(where, names, side=16, seed=0):
    rng = np.random.default_rng(seed)
    for name in names:
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        path.write_bytes(encode_png(pixels))
    return where


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gets_through_to_the_end_and_never_between_two_files(number, tmp_path):
    with pytest.raises(RunInterrupted, match="Stopped"), stoppable():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except Exception:  # what a metric's suite does with errors
            pass
    with stoppable() as stop, stop.writing():
        os.kill(os.getpid(), number)
        time.sleep(0.01)
        (tmp_path / "written").touch()
    assert (tmp_path / "written").exists()
    with pytest.raises(RunInterrupted), stoppable() as stop:
        with contextlib.suppress(KeyboardInterrupt):  # a library that swallows it
            os.kill(os.getpid(), number)
            time.sleep(5)
        with stop.writing():
            pytest.fail("a record is written after somebody asked to stop")


class Bar:
    def update(self, number=1):
        pass


@pytest.mark.parametrize(
    ("sr", "hr"),
    [
        ("0001.png", "0001.jpg"),
        ("0001.JPG", "0001.png"),
        ("0001.jpg.png", "0001.jpg"),
        ("0001.jpg.png", "0001.png"),
        ("0001.JPG.png", "0001.JPG"),
        ("a b/x.v2.png", "a b/x.v2.webp"),
        ("a%231.jpg.png", "a#1.jpg"),
        ("a%20b.png", "a%20b.jpg"),
        ("100%.png", "100%.bmp"),
    ],
)
def test_partners_have_the_same_path_up_to_the_extension_or_the_stores_name(sr, hr):
    (pair,) = pair_folders(folder("SR", [sr]), folder("HR", [hr]), None)
    assert pair.key == hr
    assert (pair.sr, pair.hr) == (Path("sr", sr), Path("hr", hr))


def test_whatever_the_store_writes_pairs_with_its_keys():
    keys = ["a/0001.jpg", "a/0001.png", "b/ä ö.webp", "c/50%.png", "d#1.bmp", "e.v2.jpeg"]
    store = SRStore(Path("sr"))
    names = {str(store.path(key).relative_to("sr")): key for key in keys}
    found = pair_folders(folder("SR", names), folder("HR", keys), None)
    assert {str(pair.sr.relative_to("sr")): pair.key for pair in found} == names


def test_a_full_name_goes_before_one_that_differs_in_extension():
    found = pairs(["x.png", "x.jpg"], ["x.png", "x.jpg"])
    assert found == {"x.png": ("x.png", "x.png", None), "x.jpg": ("x.jpg", "x.jpg", None)}


def test_keys_come_from_hr_then_lr_then_sr_without_extension():
    assert pairs(["1.png"], ["1.jpg"], ["1.bmp"]) == {"1.jpg": ("1.png", "1.jpg", "1.bmp")}
    assert pairs(["1.png"], None, ["1.bmp"]) == {"1.bmp": ("1.png", None, "1.bmp")}
    assert pairs(["d/1.jpg.png", "2.webp"]) == {
        "d/1": ("1.jpg.png", None, None),
        "2": ("2.webp", None, None),
    }


@pytest.mark.parametrize(
    ("sr", "hr", "lr", "said"),
    [
        (["1.png"], ["1.png", "2.png"], None, ["1 HR without SR: 2.png."]),
        (["1.png", "2.png"], ["1.png"], None, ["1 SR without HR: 2.png."]),
        (["1.png", "1.jpg"], ["1.bmp"], None, ["1.bmp (1.jpg or 1.png)"]),
        (["1.png", "1.jpg.png"], ["1.jpg"], None, ["1.jpg (1.jpg.png or 1.png)"]),
        (["1.webp"], ["1.png", "1.jpg"], None, ["1.webp (1.jpg or 1.png)"]),
        (["1.jpg.png"], ["1.jpg", "1.jpg.png"], None, ["1.jpg.png (1.jpg or 1.jpg.png)"]),
        (["A.png"], ["a.png"], None, ["1 HR without SR: a.png; 1 SR without HR: A.png"]),
        (["d/1.png"], ["1.png"], None, ["SR without HR: d/1.png"]),
        (["1.png"], ["1.png"], ["2.png"], ["HR without LR: 1.png", "LR without HR: 2.png"]),
        (["1.png", "1.jpg"], None, None, ["differ from another one only in extension", "1.jpg"]),
        ([f"{i:02}.png" for i in range(12)], ["x.png"], None,
         ["The 12 SR images in sr and the 1 HR images in hr", "09.png and 2 more"]),
    ],
)  # fmt: skip
def test_what_does_not_pair_one_to_one_is_refused_by_name(sr, hr, lr, said):
    with pytest.raises(DataError) as caught:
        pairs(sr, hr, lr)
    for words in (*said, "Nothing was scored"):
        assert words in str(caught.value)


def test_only_images_are_listed(tmp_path):
    images(tmp_path / "sr", ["1.png", "d/2.PNG", ".hidden.png", "__MACOSX/1.png"])
    (tmp_path / "sr" / "notes.txt").write_text("no image")
    assert [pair.key for pair in find_pairs(tmp_path / "sr", None, None)] == ["1", "d/2"]


def test_hashes_are_those_of_a_run_and_know_nothing_of_sr(tmp_path):
    hr = images(tmp_path / "hr", ["1.png", "2.png"])
    first = images(tmp_path / "a", ["1.png", "2.png"], seed=1)
    store = SRStore(tmp_path / "b")
    for key in ("1.png", "2.png"):
        store.path(key).parent.mkdir(exist_ok=True)
        store.path(key).write_bytes((first / key).read_bytes())
    sets = [
        check_images(find_pairs(sr, hr, None), None, Annotations()) for sr in (first, store.root)
    ]
    assert sets[0].sr_hash == sets[1].sr_hash == store.hash(["1.png", "2.png"])
    assert sets[0].protocol_hash == sets[1].protocol_hash
    hr_store = {key: np.array(Image.open(hr / key)) for key in ("1.png", "2.png")}
    assert sets[0].hr_hash == canonical_hash([hash_images([item]) for item in hr_store.items()])
    images(hr, ["2.png"], seed=9)
    changed = check_images(find_pairs(first, hr, None), None, Annotations())
    assert changed.protocol_hash != sets[0].protocol_hash


def test_everything_wrong_with_the_files_is_said_at_once(tmp_path):
    names = [f"{number}.png" for number in range(6)]
    sr, hr = images(tmp_path / "sr", names), images(tmp_path / "hr", names)
    (sr / "0.png").write_bytes(b"")
    (sr / "1.png").write_bytes((sr / "1.png").read_bytes()[:300])
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(sr / "2.png")
    (hr / "3.png").write_text("<html>quota</html>")
    images(sr, ["4.png"], side=8)
    with pytest.raises(DataError) as caught:
        check_images(find_pairs(sr, hr, None), None, Annotations())
    text = str(caught.value)
    for words in (
        "4 of the 12 images cannot be read", "0.png is empty", "1.png is cut short",
        "2.png has more than 8 bits", "hr/3.png is a web page",
        "1 of the 6 pairs have SR and HR images of different sizes: 4.png (SR 8x8, HR 16x16)",
        "Nothing was scored",
    ):  # fmt: skip
        assert words in text


def test_lr_must_fit_the_factor_and_not_be_larger(tmp_path):
    sr, lr = images(tmp_path / "sr", ["1.png"]), images(tmp_path / "lr", ["1.png"], side=4)
    check_images(find_pairs(sr, None, lr), 4, Annotations())
    with pytest.raises(DataError, match=r"not 2 times as large.*SR 16x16, LR 4x4"):
        check_images(find_pairs(sr, None, lr), 2, Annotations())
    with pytest.raises(DataError, match="swapped"):
        check_images(find_pairs(lr, None, sr), None, Annotations())


def test_a_batch_holds_one_size_and_every_image_comes_once(tmp_path):
    for number in range(7):
        images(tmp_path / "sr", [f"{number}.png"], side=16 if number % 3 else 24, seed=number)
    found = check_images(find_pairs(tmp_path / "sr", None, None), None, Annotations())
    assert found.size_counts() == "4 of 16x16, 3 of 24x24"
    batches = list(found.batches(2, Bar()))
    assert sorted(key for batch in batches for key in batch.keys) == list("0123456")
    assert [tuple(batch.sr.shape[2:]) for batch in batches] == [(24, 24)] * 2 + [(16, 16)] * 2
    for batch in batches:
        for key, pixels in zip(batch.keys, batch.sr.permute(0, 2, 3, 1).numpy(), strict=True):
            assert np.array_equal(pixels, np.array(Image.open(tmp_path / "sr" / f"{key}.png")))
    assert batches[0].hr is None
    assert batches[0].lr is None


def test_reading_stays_a_few_images_ahead_and_in_order():
    begun, lock = [], threading.Lock()

    def read(number):
        with lock:
            begun.append(number)
        return number

    results = read_ahead(read, iter(range(1000)), ahead=8)
    taken = [next(results) for _ in range(20)]
    time.sleep(0.05)
    assert taken == list(range(20))
    assert len(begun) <= 20 + 9
    assert list(results) == list(range(20, 1000))


CSV_HEAD = "key,identity,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4\n"


def test_annotations_find_their_images_by_name_up_to_the_extension(tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text(
        CSV_HEAD + "1.jpg,ann,1,2,3,4,5,6,7,8,9,10\n2,bob,,,,,,,,,,\nother,eve,,,,,,,,,,\n"
    )
    found = read_annotations(path, ["1.png", "2.png", "3.png"])
    assert [found.of(key).identity for key in ("1.png", "2.png", "3.png")] == ["ann", "bob", None]
    assert found.landmarks["1.png"].tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    assert list(found.landmarks) == ["1.png"]
    found.check({"1.png": (16, 16)})
    with pytest.raises(DataError, match=r"1 images lie far outside.*1\.png"):
        found.check({"1.png": (4, 16)})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("7.png,ann,,,,,,,,,,\n", "none of its 1 rows names one of the 2 images"),
        ("1.jpg,ann,,,,,,,,,,\n1.bmp,bob,,,,,,,,,,\n", "several rows for 1 of the images: 1.png"),
    ],
)
def test_annotations_of_other_images_are_refused(rows, said, tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text(CSV_HEAD + rows)
    with pytest.raises(DataError, match=said):
        read_annotations(path, ["1.png", "2.png"])


def test_landmarks_as_shares_of_the_side_are_refused(tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text(CSV_HEAD + "1.png,,.3,.4,.7,.4,.5,.6,.4,.8,.6,.8\n")
    with pytest.raises(DataError, match=r"within \[0, 1\]"):
        read_annotations(path, ["1.png"]).check({"1.png": (16, 16)})


def test_the_question_is_told_by_hr_and_lr_and_not_by_the_answers():
    def asked(sr="s", hr="h", lr="l"):
        return ImageSet([Pair("a.png", Path("a.png"))], {}, sr, hr, lr, Annotations()).protocol_hash

    assert asked(sr="other") == asked()
    assert len({asked(), asked(hr="other"), asked(hr=None), asked(lr="other"), asked(lr=None)}) == 5


@pytest.mark.parametrize("size", [(32, 32), (32, 28), (28, 32)])
def test_a_factor_holds_both_ways(size):
    seen = {"SR": Inspected(sizes={"a": size}), "LR": Inspected(sizes={"a": (8, 8)})}
    told = _misfits([Pair("a", Path("a"))], seen, 4)
    assert bool(told) == (size != (32, 32)), told
