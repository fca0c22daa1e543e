"""Prepared folders as data sets: who is chosen, what is handed out, and what is not believed."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import get_class
from torch.utils.data import DataLoader

from facesr_bench.data import FaceData, FaceDataset, Role
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.degradations.resizing import Downscale
from facesr_bench.errors import ConfigError, DataError
from facesr_bench.images import read_rgb
from facesr_bench.prepare.__main__ import main

Prepared: Any = get_class("facesr_bench.datasets.prepared.Prepared")
LOOK = SimpleNamespace(**run_path(str(Path(__file__).with_name("look_alikes.py"))))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folders prepared once: packed, unpacked, with borders."""
    root = tmp_path_factory.mktemp("prepared")
    conf = LOOK.install(root)
    src = LOOK.write(root / "owner", LOOK.faces(low=6))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        patch.delitem(sys.modules, "lab_faces", raising=False)
        patch.setenv("FACESR_WEIGHTS", str(root / "no-weights"))

        def call(name: str, *words: str) -> Path:
            main(["lab", "--src", str(src), "--out", str(root / name), "-cd", str(conf), *words])
            return root / name

        yield SimpleNamespace(
            call=call,
            packed=call("packed", "--set", "lr_size=4"),
            files=call("files", "--set", "lr_size=4", "--pack", "no"),
            border=call("border", "--set", "pad=4", "lr_size=2"),
        )


@pytest.fixture
def copy(made: Any, tmp_path: Path) -> Callable[[str], Path]:
    """A prepared folder to damage."""
    import shutil

    return lambda name: Path(shutil.copytree(getattr(made, name), tmp_path / name))


BOTH = {"train": {}, "train_lr": {"split": ["train"]}, "test": {}}


@pytest.mark.parametrize("kind", ["packed", "files"])
def test_samples_are_what_was_prepared(kind: str, made: Any) -> None:
    root = getattr(made, kind)
    data = Prepared(root, **BOTH)
    assert data.split("val") is None
    test, train, low = data.split("test"), data.split("train"), data.split("train_lr")
    assert (len(test), len(train), len(low)) == (4, 8, 6)
    assert list(test.keys) == sorted(test.keys) and test.cheap is (kind == "packed")
    for number, key in enumerate(test.keys):
        sample = test[number]
        assert sample.key == key and sample.lr is None and sample.border is None
        np.testing.assert_array_equal(sample.hr, read_rgb(root / "images" / key))
        count = int(key.split("_")[1][:-4])
        assert sample.attributes == {"number": count, "Hat": count % 2}
        assert sample.identity == key.split("/")[1].split("_")[0]
        assert sample.domain == ("odd" if count % 2 else "even")
        np.testing.assert_allclose(sample.landmarks[0], (3.7, 4.5), atol=1e-5)
    assert low[0].hr is None and low[0].lr.shape == (4, 4, 3) and low[0].landmarks is None
    with pytest.raises(IndexError):
        test[4]


def test_a_sample_may_be_written_to(made: Any) -> None:
    split = Prepared(made.packed, test={}).split("test")
    split[0].hr[:] = 0
    assert split[0].hr.any() and np.load(made.packed / "pack-16x16.npy")[0].any()


def test_a_pickled_split_carries_no_pixels_and_reads_the_same(made: Any) -> None:
    split = Prepared(made.packed, train={}).split("train")
    first = split[0].hr
    content = pickle.dumps(split)
    assert len(content) < 8 * 16 * 16 * 3
    np.testing.assert_array_equal(pickle.loads(content)[0].hr, first)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_see_the_same(workers: int, made: Any) -> None:
    split = Prepared(made.packed, train={}).split("train")
    loader = DataLoader(split, batch_size=None, num_workers=workers, collate_fn=lambda s: s.hr)
    expected = np.load(made.packed / "pack-16x16.npy")[4:12]
    np.testing.assert_array_equal(np.stack(list(loader)), expected)


def keys(made: Any, **selection: Any) -> list[str]:
    return list(Prepared(made.packed, test=selection).split("test").keys)


def test_selections(made: Any, tmp_path: Path) -> None:
    everything = sorted(k for k in LOOK.faces())
    assert keys(made, split=None) == everything
    assert keys(made, split=["test", "train"]) == everything
    assert keys(made, split=["train"], role="lr") == [f"lr-train/w{n}_{n}.png" for n in range(6)]
    assert {k[-5] for k in keys(made, domains=["odd"])} == {"1", "3"}
    assert {k[-5] for k in keys(made, exclude_attributes={"Hat": 1})} == {"0", "2"}
    assert {k[-5] for k in keys(made, exclude_attributes={"number": [0, 3]})} == {"1", "2"}
    chosen = everything[1], everything[3]
    listed = LOOK.write(
        tmp_path, {"list.txt": f"# drawn once\n{chosen[1]}\r\n\n{chosen[0]}\n".encode()}
    )
    assert keys(made, split=None, keys=str(listed / "list.txt")) == list(chosen)


def test_a_limit_is_the_same_honest_subset_for_everyone(made: Any) -> None:
    import hashlib

    everything = keys(made, split=None)
    order = sorted(everything, key=lambda k: hashlib.sha256(f"2020|limit|{k}".encode()).hexdigest())
    for count in (1, 3, 5, 99):
        assert keys(made, split=None, limit=count) == sorted(order[:count])
    data = Prepared(made.packed, limit=2, train={}, test={"limit": 1})
    assert (len(data.split("train")), len(data.split("test"))) == (2, 1)


def test_shipped_lists_are_found_by_name(
    made: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("facesr_bench.__path__", [str(tmp_path)])  # where what ships is looked for
    lists = {
        "two.txt": b"test/pe0_0.png\ntest/pe0_1.png\n",
        "bad.txt": b"test/gone.png\n",
        "twice.txt": b"a\na\n",
        "none.txt": b"# nothing\n",
    }
    LOOK.write(tmp_path / "datasets" / "lists", lists)
    assert keys(made, keys="two.txt") == ["test/pe0_0.png", "test/pe0_1.png"]
    with pytest.raises(
        DataError, match=r"1 of the 1 keys of bad\.txt are not among.*test/gone\.png"
    ):
        keys(made, keys="bad.txt")
    with pytest.raises(
        DataError, match=r"2 of the 2 keys of two\.txt"
    ):  # there, but of another split
        keys(made, keys="two.txt", split=["train"])
    with pytest.raises(DataError, match="names the key 'a' twice"):
        keys(made, keys="twice.txt")
    with pytest.raises(DataError, match="names no key"):
        keys(made, keys="none.txt")
    with pytest.raises(DataError, match=r"no list of keys three\.txt.*bad\.txt, none\.txt"):
        keys(made, keys="three.txt")


def test_a_command_names_only_what_the_recipe_would_not_do_anyway() -> None:
    def command(**wanted: Any) -> str:
        with pytest.raises(DataError) as caught:
            Prepared("nowhere", test={}, **wanted).split("test")
        return str(caught.value).split("Prepare it: ")[1].split("\n")[0]

    rule = {"train": 4000, "margin": 1.3, "operator": "bicubic", "outside": "drop"}
    faces = {"recipe": "widerface", "size": 16}
    said = "facesr-bench prepare widerface --src PATH... --size 16"
    assert command(**faces, arguments=rule) == f"{said} --out nowhere"
    other = rule | {"outside": "shift", "train": None}
    assert command(**faces, arguments=other) == (
        f"{said} --set train=null outside=shift --out nowhere"
    )
    assert "--size 512 --operator box --out" in command(recipe="ffhq", size=512, operator="box")
    cameras = {"cameras": ("05_1",), "flashes": ["07", "14"], "last_train": 200}
    assert """--set 'cameras=["05_1"]' --out""" in command(recipe="multipie", arguments=cameras)


def test_a_folder_of_an_older_recipe_is_refused(copy: Any) -> None:
    root = copy("packed")
    facts = json.loads((root / "prepared.json").read_text())
    facts.update(recipe="celeba", version=0)
    (root / "prepared.json").write_text(json.dumps(facts))
    with pytest.raises(
        DataError, match=r"otherwise than this protocol needs: version is 0, not \d"
    ):
        Prepared(root, recipe="celeba", test={}).split("test")


def test_as_many_images_as_the_protocol_has(
    made: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(keys(made, count=4)) == 4
    with pytest.raises(
        DataError,
        match=r"4 images of .*packed are HR in split test, but this protocol has 2,000 of them\..*"
        r"data\.allow_incomplete=true, or data\.limit=N",
    ):
        keys(made, count=2000)
    assert not caplog.records
    assert len(keys(made, count=2000, limit=3)) == 3
    assert "4 images of" in caplog.text and "has 2,000 of them; going on" in caplog.text
    caplog.clear()
    data = Prepared(made.packed, allow_incomplete=True, train={"count": 8}, test={"count": 5})
    assert (len(data.split("test")), len(data.split("train"))) == (4, 8)
    assert caplog.text.count("going on") == 1
    for switch in ({}, {"limit": 2}, {"allow_incomplete": True}):  # more is no subset
        with pytest.raises(DataError, match=r"4 images .* has 3 of them\. Choose fewer"):
            keys(made, count=3, **switch)


def test_listed_keys_may_be_missing_where_a_part_will_do(
    made: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = sorted(LOOK.faces())[:2]
    lines = "\n".join([*chosen, "gone.png", "lost.png"]).encode()
    listed = str(LOOK.write(tmp_path, {"four.txt": lines}) / "four.txt")
    with pytest.raises(
        DataError, match=r"2 of the 4 keys .*gone\.png.*data\.allow_incomplete=true"
    ):
        keys(made, split=None, keys=listed)
    assert keys(made, split=None, keys=listed, limit=9, count=4) == chosen
    assert keys(made, split=None, keys=listed, allow_incomplete=True) == chosen
    assert caplog.text.count("lacks 2 of the 4 keys of four.txt") == 2


def test_gaps_a_recipe_drew_around_are_refused_unless_they_will_do(copy: Any) -> None:
    root = copy("packed")
    facts = json.loads((root / "prepared.json").read_text())
    facts["arguments"]["allow_incomplete"] = True
    (root / "prepared.json").write_text(json.dumps(facts))
    wanted = {"arguments": {"pad": 0, "allow_incomplete": False}, "test": {}}
    with pytest.raises(DataError, match=r"needs: allow_incomplete is true, not false\."):
        Prepared(root, **wanted).split("test")
    assert len(Prepared(root, **wanted, allow_incomplete=True).split("test")) == 4
    assert len(Prepared(root, **wanted, limit=9, allow_incomplete=True).split("test")) == 4


def test_provenance_tells_of_every_folder_that_was_opened(made: Any) -> None:
    data = Prepared(made.packed, limit=3, train={}, test={},
                    train_lr={"root": made.border, "split": ["train"], "role": "hr"})  # fmt: skip
    assert data.provenance() == []
    for role in ("test", "train"):
        data.split(role)
    facts = json.loads((made.packed / "prepared.json").read_text())
    (entry,) = data.provenance()
    assert entry["folder"] == "packed" and entry["images"] == {"test": 3, "train": 3}
    assert (entry["recipe"], entry["version"], entry["size"]) == ("lab", 1, 16)
    assert entry["operator"] == "bicubic" and entry["left_out"] == 0
    assert entry["arguments"] == {"pad": 0, "slow": 0.0, "points": True, "lr_size": 4}
    assert entry["content"] == facts["content"] and len(entry["manifest_sha256"]) == 64
    data.split("train_lr")
    other = data.provenance()[1]
    assert (other["folder"], other["images"], other["arguments"]["pad"]) == (
        "border", {"train_lr": 3}, 4,
    )  # fmt: skip
    assert other["content"] != entry["content"]
    assert other["manifest_sha256"] != entry["manifest_sha256"]
    assert str(made.packed.parent) not in json.dumps(data.provenance())


def test_a_data_set_need_not_tell_where_it_is_from() -> None:
    class Own(FaceData):
        def split(self, role: Role) -> FaceDataset | None:
            return None

    assert Own().provenance() == []


def test_exemplars_are_kept_apart_from_what_is_measured(made: Any) -> None:
    data = Prepared(made.packed, exemplar={"domains": ["odd"]}, test={"domains": ["odd"]})
    pool = data.split("exemplar")
    assert len(pool) == 4 and all(pool[n].domain == "odd" for n in range(4))
    assert not set(pool.keys) & set(data.split("test").keys)
    crossing = Prepared(made.packed, exemplar={"split": ["test"]}, test={"domains": ["odd"]})
    for role in ("exemplar", "test"):
        with pytest.raises(DataError, match=r"2 images are both in .*exemplar"):
            crossing.split(role)


def test_borders_come_with_the_image(made: Any) -> None:
    split = Prepared(made.border, test={"border": True}).split("test")
    sample = split[1]
    assert sample.border.shape == (40, 40, 3) and sample.border_size == (4, 4, 4, 4) and split.cheap
    np.testing.assert_array_equal(sample.border, read_rgb(made.border / "border" / sample.key))
    assert Prepared(made.border, test={}).split("test")[1].border is None
    with pytest.raises(DataError, match=r"4 of the 4 images chosen from .* have no border"):
        Prepared(made.packed, test={"border": True}).split("test")


def test_roles_may_come_from_different_folders(made: Any) -> None:
    data = Prepared(made.packed, train={}, train_lr={"root": made.border, "split": ["train"]})
    assert data.split("train")[0].hr.shape == (16, 16, 3)
    assert data.split("train_lr")[0].lr.shape == (2, 2, 3)


def test_what_is_measured_may_not_be_trained_on(made: Any) -> None:
    data = Prepared(made.packed, train={"split": None}, test={})
    for role in ("train", "test"):
        with pytest.raises(DataError, match=r"4 images are both in .* the first is test/pe0_0"):
            data.split(role)


def test_a_protocol_runs_and_a_limit_changes_its_hash(made: Any) -> None:
    def module(**extra: Any) -> FaceSRDataModule:
        source = Prepared(made.packed, train={}, test={}, **extra)
        return FaceSRDataModule("lab", 1, source, Downscale(4), hr_size=16, factor=4)

    whole = module().test_set
    assert len(whole) == 4 and whole.has_hr and whole.made_lr
    assert module().test_set.hash == whole.hash
    packed_or_not = FaceSRDataModule(
        "lab", 1, Prepared(made.files, test={}), Downscale(4), hr_size=16, factor=4
    )
    assert packed_or_not.test_set.hash == whole.hash
    assert module(limit=3).test_set.hash != whole.hash
    stream = module().training_stream("paired", 1)
    assert stream[0]["lr"].shape == (4, 4, 3) and stream[0]["hr"].dtype == torch.uint8


# -- what is not there, or not what it should be ------------------------------------------------------


def test_a_missing_folder_gives_the_command(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACESR_DATA", raising=False)
    data = Prepared(recipe="celeba", size=128, arguments={"crop": "tdn"}, test={})
    with pytest.raises(DataError) as caught:
        data.split("test")
    text = str(caught.value)
    assert (
        f"no prepared data in {Path('data/celeba-128')} (from {tmp_path}): the folder does not exist"
        in text
    )
    assert (
        "facesr-bench prepare celeba --src PATH... --size 128\n" in text
    )  # crop=tdn is what it does anyway
    (tmp_path / "data/celeba-128").mkdir(parents=True)
    (tmp_path / "data/celeba-128/000001.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds 000001\.jpg, but no manifest\.parquet"):
        data.split("test")
    monkeypatch.setenv("FACESR_DATA", str(tmp_path / "disk"))
    with pytest.raises(DataError, match="disk/celeba-128"):
        data.split("test")
    with pytest.raises(DataError, match=f"prepare NAME --src PATH... --out {tmp_path}/elsewhere"):
        Prepared(tmp_path / "elsewhere", test={}).split("test")


def test_an_interrupted_preparation_is_told_from_a_missing_one(made: Any, copy: Any) -> None:
    root = copy("packed")
    (root / "manifest.parquet").unlink()
    (root / ".work").mkdir()
    with pytest.raises(
        DataError, match="interrupted after 18 images, and the same command goes on"
    ):
        Prepared(root, recipe="lab", size=16, test={}).split("test")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"recipe": "celeba", "size": 16}, "recipe is lab, not celeba"),
        ({"size": 32}, "size is 16, not 32"),
        ({"recipe": "lab", "arguments": {"pad": 3}}, r"pad is 0, not 3.*prepare lab .*--set pad=3"),
        ({"arguments": {"lr_size": None}}, r"lr_size is 4, not null"),
        ({"arguments": {"gone": None}}, r"gone is not set, not null"),
        ({"recipe": "lab", "operator": "box"}, r"operator is bicubic, not box.* --operator box"),
    ],
)
def test_data_prepared_otherwise_is_refused(wanted: dict[str, Any], said: str, made: Any) -> None:
    with pytest.raises(DataError, match=said):
        Prepared(made.packed, test={}, **wanted).split("test")


def test_a_pack_that_does_not_fit_is_refused(copy: Any) -> None:
    root = copy("packed")
    pack = root / "pack-16x16.npy"
    content = np.load(pack)
    for other, said in ((content[:-1], r"\(11, 16, 16, 3\)"), (content[:, :8], r"\(12, 8, 16, 3\)"),
                        (content.astype(np.int16), "int16")):  # fmt: skip
        np.save(pack, other)
        with pytest.raises(DataError, match=said):
            Prepared(root, test={}).split("test")
    np.save(pack, content)
    pack.write_bytes(pack.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"pack-16x16\.npy is damaged"):
        Prepared(root, test={}).split("test")
    pack.unlink()
    with pytest.raises(DataError, match=r"pack-16x16\.npy is missing"):
        Prepared(root, test={}).split("test")


def test_files_that_changed_are_named(copy: Any) -> None:
    root = copy("files")
    split = Prepared(root, test={}).split("test")
    path = root / "images" / split.keys[0]
    path.write_bytes(LOOK.encode(LOOK.face(1, 20, 20)))
    with pytest.raises(DataError, match=r"pe0_0\.png is 20x20 pixels, but the manifest says 16x16"):
        split[0]
    path.write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"pe0_0\.png cannot be decoded"):
        split[0]
    path.unlink()
    with pytest.raises(DataError, match=r"pe0_0\.png does not exist"):
        split[0]


def test_damaged_tables_are_named(copy: Any) -> None:
    root = copy("packed")
    facts = json.loads((root / "prepared.json").read_text())
    facts["counts"]["images"] = 17
    (root / "prepared.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match=r"lists 18 images, but prepared\.json counts 17"):
        Prepared(root, test={}).split("test")
    (root / "prepared.json").write_text("{")
    with pytest.raises(DataError, match=r"prepared\.json cannot be read"):
        Prepared(root, test={}).split("test")
    root = copy("files")
    manifest = root / "manifest.parquet"
    manifest.write_bytes(manifest.read_bytes()[:300])
    with pytest.raises(DataError, match=r"manifest\.parquet is damaged"):
        Prepared(root, test={}).split("test")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "at least one of train"),
        ({"test": {"domain": ["a"]}}, "data.source.test has no entry 'domain'"),
        ({"test": {"role": "sr"}}, "role=sr is not one of hr, lr"),
        ({"test": {"split": "test"}}, "must be a list or null, not 'test'"),
        ({"test": {"limit": 0}}, "whole number of at least 1, not 0"),
        ({"test": {"limit": True}}, "whole number of at least 1, not True"),
        ({"test": {"count": 0}}, "The count of test must be a whole number of at least 1, not 0"),
        ({"limit": -3, "test": {}}, "whole number of at least 1, not -3"),
        ({"root": None, "test": {}}, "needs root, or recipe and size"),
    ],
)
def test_arguments_that_cannot_work(arguments: dict[str, Any], said: str, made: Any) -> None:
    with pytest.raises(ConfigError, match=said):
        Prepared(**{"root": made.packed, **arguments})


def test_choices_that_leave_nothing_say_what_there_is(made: Any) -> None:
    with pytest.raises(
        DataError, match=r"no image that is LR in split test; it holds 4 HR in test, 8 HR"
    ):
        keys(made, role="lr")
    with pytest.raises(DataError, match=r"of domain dark"):
        keys(made, domains=["dark"])
    with pytest.raises(DataError, match=r"knows no attribute 'Glasses'.*It knows: Hat, number"):
        keys(made, exclude_attributes={"Glasses": 1})
