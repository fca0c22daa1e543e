"""Folder: which images belong to which split, under which keys, with which partner."""

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from PIL import Image

from facesr_bench.errors import ConfigError, DataError

Folder = get_class("facesr_bench.datasets.folder.Folder")
CONF = Path(__file__).parents[2] / "conf" / "data" / "folder.yaml"


@pytest.fixture(autouse=True)
def _log_is_heard(monkeypatch):
    """A run in this process would have cut the project's log off from caplog."""
    monkeypatch.setattr(logging.getLogger("facesr_bench"), "propagate", True)


def pixels(name: str, side: int) -> np.ndarray:
    seed = sum(name.encode())
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def fill(folder: Path, *names: str, side: int = 16) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(name, side)).save(path)
    return folder


def test_a_flat_folder_is_all_test_and_says_so(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    data = Folder(root=fill(tmp_path, "b.png", "a/c.PNG", "a/b.webp", "10.bmp", "9.jpg"))
    split = data.split("test")
    assert list(split.keys) == ["10.bmp", "9.jpg", "a/b.webp", "a/c.PNG", "b.png"]
    assert len(split) == 5
    np.testing.assert_array_equal(split[4].hr, pixels("b.png", 16))
    assert split[4].lr is None
    assert data.split("train") is data.split("val") is data.split("train_lr") is None
    assert "all of it is the test split" in caplog.text


def test_keys_are_sorted_as_text_not_folder_by_folder(tmp_path):
    # hash_images wants them so; "-" and "." come before "/".
    fill(tmp_path, "a/1.png", "a-1.png", "a.png", "a10.png", "a2.png")
    keys = list(Folder(root=tmp_path).split("test").keys)
    assert keys == ["a-1.png", "a.png", "a/1.png", "a10.png", "a2.png"]


def test_not_recursive(tmp_path):
    fill(tmp_path, "b.png", "a/c.png")
    assert list(Folder(root=tmp_path, recursive=False).split("test").keys) == ["b.png"]


def test_sub_folders_are_splits_in_any_case(tmp_path, caplog):
    fill(tmp_path, "Train/1.png", "train-notes/x.png", "val/2.png", "TEST/a/3.png", "stray.png")
    data = Folder(root=tmp_path)
    found = {role: list(data.split(role).keys) for role in ("train", "val", "test")}
    assert found == {"train": ["1.png"], "val": ["2.png"], "test": ["a/3.png"]}
    assert "stray.png, train-notes" in caplog.text


def test_splits_further_down_are_pointed_out(tmp_path, caplog):
    fill(tmp_path, "celeba/train/1.png", "celeba/test/2.png")
    assert len(Folder(root=tmp_path).split("test")) == 2
    assert "further down, in celeba/: they count as test too" in caplog.text
    caplog.clear()
    assert len(Folder(root=tmp_path / "celeba").split("test")) == 1
    assert "further down" not in caplog.text


def test_two_sub_folders_for_one_split_are_refused(tmp_path):
    fill(tmp_path, "test/1.png", "Test/2.png")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system does not tell Test from test")
    with pytest.raises(DataError, match="has both Test/ and test/"):
        Folder(root=tmp_path)


def test_pairs_match_by_path_without_extension(tmp_path):
    hr = fill(tmp_path / "hr", "a/1.png", "2.webp", side=64)
    lr = fill(tmp_path / "lr", "a/1.bmp", "2.png", side=16)
    split = Folder(root=hr, lr_root=lr, hr_size=64, factor=4).split("test")
    assert list(split.keys) == ["2.webp", "a/1.png"]
    np.testing.assert_array_equal(split[1].hr, pixels("a/1.png", 64))
    np.testing.assert_array_equal(split[1].lr, pixels("a/1.bmp", 16))


def test_lr_alone(tmp_path):
    split = Folder(lr_root=fill(tmp_path, "1.png"), hr_size=64, factor=4).split("test")
    assert split[0].hr is None
    np.testing.assert_array_equal(split[0].lr, pixels("1.png", 16))


def test_each_split_is_what_its_folders_hold(tmp_path):
    hr = fill(tmp_path / "hr", "train/1.png", "val/2.png", side=64)
    lr = fill(tmp_path / "lr", "val/2.png", "test/3.png", side=16)
    wild = fill(tmp_path / "wild", "x.png", "deep/y.png", side=16)
    data = Folder(root=hr, lr_root=lr, train_lr_root=wild)
    samples = {role: data.split(role)[0] for role in ("train", "val", "test", "train_lr")}
    there = {role: (s.hr is not None, s.lr is not None) for role, s in samples.items()}
    assert there == {
        "train": (True, False),
        "val": (True, True),
        "test": (False, True),
        "train_lr": (False, True),
    }
    assert list(data.split("train_lr").keys) == ["deep/y.png", "x.png"]


def test_train_lr_takes_its_train_folder(tmp_path):
    fill(tmp_path / "hr", "1.png")
    wild = fill(tmp_path / "wild", "train/x.png", "test/y.png")
    data = Folder(root=tmp_path / "hr", train_lr_root=wild)
    assert list(data.split("train_lr").keys) == ["x.png"]
    (wild / "train" / "x.png").unlink()
    (wild / "train").rmdir()
    with pytest.raises(DataError, match="has test below it but no train"):
        Folder(root=tmp_path / "hr", train_lr_root=wild).split("train_lr")


def test_lr_to_train_on_without_hr_is_sent_elsewhere(tmp_path):
    data = Folder(lr_root=fill(tmp_path, "train/1.png", "test/2.png"))
    assert len(data.split("test")) == 1
    with pytest.raises(DataError, match=r"belongs in data\.train_lr_root"):
        data.split("train")


def test_missing_partners_are_all_named_or_skipped(tmp_path, caplog):
    hr = fill(tmp_path / "hr", "1.png", "2.png", "3.png", side=64)
    lr = fill(tmp_path / "lr", "1.png", "4.png", side=16)
    with pytest.raises(DataError) as caught:
        Folder(root=hr, lr_root=lr).split("test")
    for name in ("hr/2.png", "hr/3.png", "lr/4.png"):
        assert name in caught.value.args[0]
    assert "has no partner 2.* below data.lr_root" in caught.value.args[0]
    assert list(Folder(root=hr, lr_root=lr, on_error="skip").split("test").keys) == ["1.png"]
    assert "3 of the 5 files" in caplog.text


def test_a_partner_must_be_one(tmp_path):
    hr = fill(tmp_path / "hr", "1.png", "1.bmp", "2.png")
    with pytest.raises(DataError, match=r"1\.bmp, 1\.png differ only in extension"):
        Folder(root=hr, lr_root=fill(tmp_path / "lr", "1.png", "2.png")).split("test")


def test_folders_that_do_not_belong_together(tmp_path):
    hr, lr = fill(tmp_path / "hr", "1.png"), fill(tmp_path / "lr", "lr_1.png")
    data = Folder(root=hr, lr_root=lr, on_error="skip")
    with pytest.raises(DataError, match=r"the first files are '1\.png' and 'lr_1\.png'"):
        data.split("test")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.csv", "note,split,key\nx,train,1.png\n,test,a/2.png\n,val,3 4.png\n"),
        ("s.csv", "\ufeffkey, split\r\n1.png, train\r\na/2, test\r\n3 4, val\r\n"),
        ("s.txt", "# mine\n1.png train\na/2.png\ttest  \n\n3 4.png val\n"),
        ("s.json", '{"train": ["1.png"], "test": ["a/2"], "val": ["3 4.png"]}'),
        ("s.json", '{"1.png": "train", "a/2.png": "test", "3 4.png": "val"}'),
    ],
)
def test_split_files(tmp_path, caplog, name, text):
    root = fill(tmp_path / "hr", "1.png", "a/2.png", "3 4.png", "test/5.png", side=64)
    lr = fill(tmp_path / "lr", "1.png", "a/2.png", "3 4.png", side=16)
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    data = Folder(root=root, lr_root=lr, split_file=tmp_path / name)
    found = {role: list(data.split(role).keys) for role in ("train", "val", "test")}
    assert found == {"train": ["1.png"], "val": ["3 4.png"], "test": ["a/2.png"]}
    assert data.split("test")[0].lr is not None
    assert "1 images below data.root are in no split" in caplog.text  # test/5.png


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("s.txt", "1.png train\nnope.png test\n", r"1 of 2 keys .* name no image .*: nope.png"),
        ("s.txt", "1.png training\n", "line 1: 'training' is not a split"),
        ("s.txt", "1.png\n", "line 1: expected 'key split'"),
        ("s.txt", "1.png train\n1.png train\n", "line 2: the key '1.png' was already"),
        ("s.txt", "1.png train\n1 test\n", "gives '1.png' two splits, train and test"),
        ("s.txt", "2 test\n", "could be any of 2.bmp, 2.png"),
        ("s.txt", "\n", "names no images"),
        ("s.csv", "1.png,train\n", "must name the columns"),
        ("s.json", "{", "not valid JSON"),
        ("s.json", "[1]", "must hold"),
        ("s.json", '{"1.png": "train", "1.png": "test"}', "was already given a split"),
        ("s.xml", "<a/>", r"must end in \.csv, \.txt or \.json"),
    ],
)
def test_bad_split_files_are_refused_in_a_sentence(tmp_path, name, text, sentence):
    root = fill(tmp_path / "hr", "1.png", "2.png", "2.bmp")
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=sentence):
        Folder(root=root, split_file=tmp_path / name).split("test")


def test_a_missing_split_file(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        Folder(root=fill(tmp_path, "1.png"), split_file=tmp_path / "s.csv")


def test_files_are_looked_at_once_and_splits_travel_to_workers(tmp_path):
    data = Folder(root=fill(tmp_path, "1.png"))
    split = data.split("test")
    assert data.split("test") is split
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(split))[0].hr, split[0].hr)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "needs images"),
        ({"root": ".", "resize": "area"}, "resize=area is not one of refuse, nearest"),
        ({"root": ".", "on_error": "ignore"}, "on_error=ignore is not one of"),
        ({"root": ".", "hr_size": 0}, "hr_size must be a side"),
        ({"root": ".", "hr_size": [64, 64, 3]}, "hr_size must be a side"),
        ({"root": ".", "lr_size": "16"}, "lr_size must be a side"),
        ({"root": ".", "hr_size": 66, "factor": 4}, "cannot be divided by data.factor=4"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Folder(**arguments)


def test_config_passes_on_every_argument(tmp_path):
    config = OmegaConf.create({"data": OmegaConf.load(CONF)})
    config.data.root = str(fill(tmp_path / "hr", "1.png", "2.png", side=32))
    config.data.merge_with({"hr_size": [32, 32], "factor": 2, "on_error": "skip"})
    (tmp_path / "hr" / "2.png").write_bytes(b"")
    data = instantiate(config.data.source)
    assert list(data.split("test").keys) == ["1.png"]
    import inspect

    arguments = set(inspect.signature(Folder).parameters)
    assert set(config.data.source) - {"_target_"} == arguments


FACTS = "key,identity,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4,more\n"


def test_facts_name_people_and_give_landmarks_in_the_pixels_served(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    root = fill(tmp_path / "hr", "a/1.png", "2.jpg", "3.png", side=32)
    facts = tmp_path / "facts.csv"
    facts.write_text(FACTS + "a/1,ann,0,0,31,0,15.5,15.5,0,31,31,31,x\n2.jpg,,,,,,,,,,,,\n")
    split = Folder(root=root, facts_file=facts, hr_size=16, resize="box").split("test")
    two, three, one = (split[i] for i in range(3))
    assert (one.key, one.identity) == ("a/1.png", "ann")
    # Centres: (0 + .5) / 2 - .5; the centre of the image stays its centre.
    np.testing.assert_allclose(one.landmarks[[0, 2, 4], 0], [-0.25, 7.5, 15.25])
    assert two.identity is None and two.landmarks is None and three.landmarks is None
    assert "Of 3 images" in caplog.text and "1 have a name and 1 landmarks" in caplog.text


def test_columns_of_numbers_are_attributes(tmp_path):
    root = fill(tmp_path / "hr", "1.png", "2.png")
    facts = tmp_path / "facts.csv"
    facts.write_text("key,identity,age,note,hat,domain,odd\n1,ann,31.5,tall,,web,nan\n2,,,,1,,\n")
    one, two = (Folder(root=root, facts_file=facts).split("test")[i] for i in range(2))
    assert (one.attributes, one.domain) == ({"age": 31.5}, "web")
    assert (two.attributes, two.domain) == ({"hat": 1.0}, None)


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1, None),
        (2, "a.png, of 16x16 pixels"),  # made for images of twice the size
        (0.5, "as if they were in pixels of a smaller one"),
        (1.08, None),  # a mouth corner just outside of a tight crop
    ],
)
def test_landmarks_in_pixels_of_another_size_are_pointed_out(tmp_path, caplog, factor, said):
    points = (np.array([4, 6, 11, 6, 8, 9, 5, 12, 15, 14]) + 0.5) * factor - 0.5
    path = tmp_path / "facts.csv"
    path.write_text(f"{FACTS}a,,{','.join(map(str, points))},\nb,,,,,,,,,,,,\n")
    Folder(root=fill(tmp_path / "hr", "a.png", "b.png"), facts_file=path).split("test")
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert bool(warned) == (said is not None)
    if said is not None:
        assert said in warned[0]
        assert str(path) in warned[0]
        assert "Landmarks are in pixels of the image as it is stored" in warned[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (FACTS, "names no images"),
        ("key,sex\na,f\n", "must name the column 'key' and"),
        ("key,x0,y0\na,1,2\n", "lacks the landmark columns x1, y1"),
        (FACTS + "a,ann,1,2,3,4,5,6,7,8,9,,\n", "line 2: the ten landmark columns"),
        (FACTS + "a,ann,1,2,3,4,5,6,7,8,9,nan,\n", "line 2: a landmark is not a finite"),
        ("key,identity\na,b\na,c\n", "line 3: the key 'a' was already given"),
        ("key,identity\n,b\n", "line 2: the key is empty"),
    ],
)
def test_bad_facts_are_refused_in_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "facts.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence):
        Folder(root=fill(tmp_path / "hr", "a.png"), facts_file=path)


def test_missing_facts(tmp_path):
    with pytest.raises(DataError, match=r"data.facts_file=.*nope.csv does not exist"):
        Folder(root=fill(tmp_path / "hr", "a.png"), facts_file=tmp_path / "nope.csv")


def test_landmarks_are_scaled_along_each_axis(tmp_path):
    (tmp_path / "hr").mkdir()
    Image.fromarray(np.zeros((101, 100, 3), np.uint8)).save(tmp_path / "hr" / "a.png")
    facts = tmp_path / "facts.csv"
    facts.write_text(FACTS + "a,,49.5,50,49.5,50,49.5,50,0,0,99,100,\n")
    split = Folder(root=tmp_path / "hr", facts_file=facts, hr_size=10, resize="box").split("test")
    middle, _, _, first, last = split[0].landmarks
    np.testing.assert_allclose(middle, [4.5, 4.5], atol=1e-5)
    np.testing.assert_allclose(first, [0.05 - 0.5, 5 / 101 - 0.5], atol=1e-5)
    np.testing.assert_allclose(last, [9.95 - 0.5, 10 - 5 / 101 - 0.5], atol=1e-5)


@pytest.mark.parametrize(("place", "warned"), [((15, 35), False), ((35, 15), True)])
def test_landmarks_are_held_against_width_and_height(tmp_path, caplog, place, warned):
    (tmp_path / "hr").mkdir()
    Image.fromarray(np.zeros((40, 20, 3), np.uint8)).save(tmp_path / "hr" / "a.png")
    facts = tmp_path / "facts.csv"
    facts.write_text(FACTS + f"a,,{','.join(map(str, place * 5))},\n")
    Folder(root=tmp_path / "hr", facts_file=facts).split("test")
    assert ("lie outside of their image" in caplog.text) == warned
