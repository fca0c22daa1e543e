"""The papers' protocols: every YAML composes, says what to prepare, and some run on look-alikes."""

import shlex
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from command_line import ROOT, record_of
from facesr_bench.adaptation.cells import Target
from facesr_bench.config import build_data, plain, register_resolvers
from facesr_bench.data import Sample
from facesr_bench.degradations.resizing import pillow_resize
from facesr_bench.errors import DataError
from facesr_bench.prepare.catalog import read_settings, recipe_file
from forked import completed

PAPERS = {
    # name: (factor, HR side, degradation's kind, test folder, train folder)
    "widerface": (4, 64, "blind", "widerface-16", "ffhq-64"),
    "scgan_ls3dw": (4, 64, "downscale", "ls3dw-64", "ffhq-64"),
    "scgan_ffhq": (4, 64, "blind", "ffhq-64", "ffhq-64"),
    "scgan_webface": (4, 64, "blind", "scgan_zip-64", "ffhq-64"),
    "pan_celebahq_x4": (4, 512, "downscale", "celebahq-1024", "ffhq-1024"),
    "pan_celebahq_x2": (2, 256, "downscale", "celebahq-1024", "ffhq-1024"),
    "pan_lsun_cat_x4": (4, 256, "downscale", "lsun_cat-256", "lsun_cat-256"),
    "pan_celebahq_x8": (8, 1024, "downscale", "celebahq-1024", "ffhq-1024"),
    "propulse_celebahq": (64, 1024, "pulse bicubic", "celebahq-1024", "celebahq-1024"),
    "dap_celeba_to_yaleb": (8, 128, "unaligned", "yaleb-128", "celeba-128"),
    "dap_celeba_to_multipie": (8, 128, "unaligned", "multipie-128", "celeba-128"),
    "dap_multipie_to_yaleb": (8, 128, "unaligned", "yaleb-128", "multipie-128"),
    "dap_celeba_to_yaleb_apart": (8, 128, "unaligned", "yaleb-128", "celeba-128"),
    "dap_celeba_to_multipie_apart": (8, 128, "unaligned", "multipie-128", "celeba-128"),
    "dap_multipie_to_yaleb_apart": (8, 128, "unaligned", "yaleb-128", "multipie-128"),
}

# All others are at their first.
VERSIONS = dict.fromkeys(
    ["propulse_celebahq", "pan_celebahq_x4", "pan_celebahq_x2", "dap_celeba_to_yaleb",
     "dap_celeba_to_multipie", "dap_multipie_to_yaleb"], 2,
)  # fmt: skip


def settings(name, *overrides):
    register_resolvers()
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        words = ["+method=bicubic", f"+data={name}", "metrics=paper", "logger=none", *overrides]
        return plain(compose("config", words))


@pytest.mark.parametrize("name", PAPERS)
def test_a_protocol_says_what_it_is_and_what_to_prepare(name, tmp_path, monkeypatch):
    monkeypatch.setenv("FACESR_DATA", str(tmp_path))
    config = settings(name)
    data = build_data(config["data"])
    factor, side, kind, test, train = PAPERS[name]
    assert (data.factor, data.hr_size) == (factor, side)
    assert data.degradation.settings()["kind"] == kind
    assert data.version == VERSIONS.get(name, 1)
    assert data.name.endswith("scgan_authors_WebFace" if name == "scgan_webface" else name)
    assert set(config["metrics"]["only"]) <= config["metrics"]["measures"].keys()
    for role, folder in (("test", test), ("train", train)):
        recipe, size = folder.rsplit("-", 1)
        with pytest.raises(DataError) as caught:
            data.split(role)
        said = str(caught.value)
        assert folder in said and f"facesr-bench prepare {recipe} --src" in said
        assert f"--size {size}" in said


# What resized HR and LR is part of the question asked; nothing is resized at 1024.
OPERATORS = {
    "scgan": {"ffhq": "box", "ls3dw": "box", "widerface": None, "scgan_zip": None},
    "widerface": {"ffhq": "box", "widerface": None},
    "pan_lsun_cat_x4": {"lsun_cat": None},
    "pan_celebahq": {"ffhq": None, "celebahq": None},
    "propulse": {"celebahq": None},
    "dap": {"celeba": "bicubic", "yaleb": "bicubic", "multipie": "bicubic"},
}
# Arguments of recipes that do not change what a protocol is made of.
FREE = {
    "ffhq": {"copy", "verify_md5"},
    "yaleb": {"domains"},  # which lights have a name
    "scgan_zip": {"tests", "train", "hr_size"},  # what else lies in the folder
}


@pytest.mark.parametrize("name", PAPERS)
def test_a_protocol_states_every_argument_that_decides(name):
    """As the recipe has it by default, so that the plain command prepares what is wanted."""
    source = settings(name)["data"]["source"]
    operators = next(of for start, of in OPERATORS.items() if name.startswith(start))
    for role, content in source.items():
        if not isinstance(content, dict):
            continue
        recipe = content["recipe"]
        usual = read_settings(recipe_file(recipe, ()))
        deciding = {k: v for k, v in usual.items() if k != "_target_"}
        for free in FREE.get(recipe, ()):
            del deciding[free]
        assert content.get("arguments", {}) == deciding, role
        assert content.get("operator") == operators[recipe], role


@pytest.mark.parametrize(("name", "pool"), [("pan_celebahq_x4", 2), ("pan_celebahq_x2", 4)])
def test_lr_of_pans_other_factors_is_what_its_network_trained_on(name, pool):
    """1024 to 128 at once; the truth is the 1024 image in means, for training and for the test."""
    config = settings(name)["data"]
    assert config["degradation"]["pool"] == pool and config["hr_size"] * pool == 1024
    assert config["source"]["train"]["pool"] == config["source"]["test"]["pool"] == pool
    whole = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    hr = pillow_resize(whole, (1024 // pool,) * 2, "box")
    data = build_data(config)
    lr = data.degradation.degrade(Sample("a", hr=hr, border=whole), np.random.default_rng(0))
    np.testing.assert_array_equal(lr, pillow_resize(whole, (128, 128), "bicubic"))
    assert np.abs(lr.astype(int) - pillow_resize(hr, (128, 128), "bicubic")).mean() > 0.5
    other = settings(name, "degradation@data.degradation=pan_online")["data"]["degradation"]
    assert other["_target_"].endswith("online.Online")


def test_counts_of_the_papers():
    def counts(name, *words):
        source = settings(name, *words)["data"]["source"]
        return {k: v.get("count") for k, v in source.items() if isinstance(v, dict)}

    scgan = {"train": 20000, "train_lr": 4000}
    assert counts("widerface") == {**scgan, "test": 2000}
    assert counts("scgan_ls3dw") == {**scgan, "test": 1000}
    assert counts("scgan_ffhq") == {**scgan, "test": 2500}
    assert counts("pan_celebahq_x4") == counts("pan_celebahq_x8") == {"train": 70000, "test": 5000}
    assert counts("propulse_celebahq") == {"train": 24183, "test": 5817}
    psp = ("data.test_splits=[test]", "data.test_count=2824")
    assert counts("propulse_celebahq", *psp)["test"] == 2824


def test_each_set_of_the_authors_archive_is_a_protocol_of_its_own():
    names = {
        settings("scgan_webface", f"data.domain={domain}")["data"]["name"]
        for domain in ("WebFace", "FFHQ", "Widerface", "LS3D-w_balanced")
    }
    assert len(names) == 4 and "scgan_authors_LS3D-w_balanced" in names


def test_protocols_of_one_paper_name_their_reference():
    assert settings("widerface")["metrics"]["measures"]["fid_kid"]["reference"] == (
        "ffhq64-scgan-train"
    )
    assert settings("scgan_ffhq")["metrics"]["measures"]["fid_kid"]["reference"] is None


# -- end to end, on look-alikes of the owners' files -------------------------------------------------


def look(name):
    return SimpleNamespace(**run_path(str(Path(__file__).with_name(f"look_alike_{name}.py"))))


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """FACESR_DATA with five prepared data sets."""
    root = tmp_path_factory.mktemp("owners")
    data = tmp_path_factory.mktemp("data")
    ffhq, wider, yale = look("ffhq"), look("widerface"), look("yaleb")
    pie = look("multipie")
    wider_files = wider.write_folder(root / "wider", wider.files())
    for words in (
        f"ffhq --src {ffhq.write(root / 'ffhq', ffhq.images())} --size 64 --on-error skip",
        f"widerface --src {wider_files} --set allow_incomplete=true train=null test=null",
        f"celeba --src {look('celeba').write_owners(root / 'celeba')}",
        f"yaleb --src {yale.write_folder(root / 'yale', yale.files())}",
        f"multipie --src {pie.write(root / 'pie', pie.files())}",
    ):
        done = call(data, "prepare", *shlex.split(words))
        assert done.returncode == 0, done.stdout + done.stderr
    return data


def call(data, *words, cwd=ROOT):
    return completed(words, cwd, {"FACESR_DATA": str(data)})


PART = (
    "data.allow_incomplete=true",
    "data.source.train_lr.arguments.train=null", "data.source.train_lr.arguments.test=null",
)  # fmt: skip
"""The look-alike of WIDER is too small to draw from."""


def test_data_prepared_by_other_rules_or_in_part_is_refused(disk, monkeypatch):
    monkeypatch.setenv("FACESR_DATA", str(disk))
    with pytest.raises(DataError) as caught:
        build_data(settings("widerface")["data"]).split("test")
    said = str(caught.value)
    wrong = "train is null, not 4000; test is null, not 2000; allow_incomplete is true, not false."
    assert wrong in said and said.endswith("prepare widerface --src PATH... --size 16")
    with pytest.raises(
        DataError, match=r"needs: margin is 1\.3, not 1\.5\. Delete .* margin=1\.5$"
    ):
        words = (*PART, "data.source.train_lr.arguments.margin=1.5")
        build_data(settings("widerface", *words)["data"]).split("train_lr")
    words = (*PART[1:], "data.source.train_lr.arguments.allow_incomplete=true")
    for role, count in (("test", "2,000"), ("train_lr", "4,000")):
        with pytest.raises(DataError, match=rf"but this protocol has {count} of them\. Prepare"):
            build_data(settings("widerface", *words)["data"]).split(role)
    with pytest.raises(
        DataError, match=r"of the 20,000 keys of ffhq_scgan_train\.txt are not among"
    ):
        build_data(settings("widerface")["data"]).split("train")
    assert len(build_data(settings("widerface", "data.limit=2")["data"]).split("train")) == 2
    with pytest.raises(DataError, match="crop is tdn, not square"):
        words = ("data.source.train.arguments.crop=square",)
        build_data(settings("dap_celeba_to_yaleb", *words)["data"]).split("train")


def test_everybody_but_the_exemplars_image_is_tested(disk, monkeypatch):
    """The paper's section 4.3; each light has its own exemplar."""
    monkeypatch.setenv("FACESR_DATA", str(disk))
    target = Target(build_data(settings("dap_celeba_to_yaleb")["data"]))
    people, shared = set(), [light for light, rows in target._of_test.items() if len(rows) > 1]
    assert shared  # the look-alike's people have not all lights in common
    for cell in target.cells(1, range(2), shared):
        tested = {cell.test[i].identity for i in range(len(cell.test))}
        shown = {cell.pool[i].identity for i in cell.exemplars}
        assert shown | tested == {cell.pool[i].identity for i in target._of_test[cell.condition]}
        assert not set(cell.keys) & set(cell.test.keys)
        people |= tested | shown
    assert people == {"yaleB11", "yaleB30"}  # of both of the owner's halves
    data = build_data(settings("dap_celeba_to_multipie")["data"])
    test = data.required("test")
    assert {test[i].identity for i in range(len(test))} == {"108", "250"}
    assert data.split("exemplar") is None


def test_exemplars_are_other_people_under_the_same_lights(disk, monkeypatch):
    monkeypatch.setenv("FACESR_DATA", str(disk))
    data = build_data(settings("dap_celeba_to_yaleb_apart")["data"])
    pool, test = data.required("exemplar"), data.required("test")
    assert {pool[i].identity for i in range(len(pool))} == {"yaleB11"}
    assert {test[i].identity for i in range(len(test))} == {"yaleB30"}
    lights = set(settings("dap_celeba_to_yaleb")["data"]["domains"])
    assert {pool[i].domain for i in range(len(pool))} <= lights
    assert (len(pool), len(test)) == (4 - 1, 4 - 1)  # a light of each is not among the ten
    assert pool[0].border is not None and test[0].border is not None
    every = build_data(settings("dap_celeba_to_yaleb_apart", "data.domains=null")["data"]).split(
        "test"
    )
    assert len(every) == 4 and [every[i].domain for i in range(4)].count(None) == 1


@pytest.mark.parametrize(
    ("name", "role", "person"),
    [
        ("dap_celeba_to_multipie_apart", "test", "250"),
        ("dap_celeba_to_multipie_apart", "exemplar", "108"),
        ("dap_multipie_to_yaleb", "train", "108"),
    ],
)
def test_multi_pie_comes_with_the_frame_around_the_box(name, role, person, disk, monkeypatch):
    monkeypatch.setenv("FACESR_DATA", str(disk))
    split = build_data(settings(name)["data"]).required(role)
    samples = [split[i] for i in range(len(split))]
    assert len(samples) == 2 * 2 * 2  # two sessions, cameras and flashes
    assert {sample.identity for sample in samples} == {person}
    assert all(sample.border is not None and min(sample.border_size) > 0 for sample in samples)


def test_scgan_on_real_small_faces(disk, tmp_path):
    """Unpaired: HR of FFHQ, LR of WIDER; the test set has no ground truth."""
    done = call(
        disk, "+method=scgan", "+data=widerface", "scale=smoke", "images=16", "trainer=cpu",
        *PART, "output_dir=out", "logger=none", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    record = record_of(tmp_path / "out")
    assert record["protocol"]["name"] == "scgan_widerface" and record["hr_hash"] is None
    assert list(record["metrics"]) == ["lr_psnr_bicubic", "lr_l2_bicubic"]
    assert "needs HR images" in record["metrics_skipped"]["psnr_rgb"]
    assert record["n_images"] >= 1 and record["trained_on"][-1]["images"] == 16
    sources = {entry["folder"]: entry for entry in record["data_sources"]}
    assert sources.keys() == {"ffhq-64", "widerface-16"}
    assert sources["widerface-16"]["arguments"]["train"] is None
    assert sources["widerface-16"]["images"]["test"] == record["n_images"]
    assert sources["ffhq-64"]["operator"] == "box" and sources["ffhq-64"]["images"]["train"] == 3
    assert "has 2,000 of them; going on with what is there" in done.stdout + done.stderr


def test_dap_trains_on_one_domain_and_tests_on_another(disk, tmp_path):
    words = (
        "+method=bicubic", "+data=dap_celeba_to_yaleb", "data.domains=null", "trainer=cpu",
    )  # fmt: skip
    done = call(disk, *words, "output_dir=out", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    whole = record_of(tmp_path / "out")
    assert whole["metrics"]["psnr_rgb"]["value"] < 40 and whole["n_images"] > 1
    assert "lr_psnr_bicubic" in whole["metrics"]  # the moved LR has no operator
    done = call(disk, *words, "data.limit=1", "output_dir=one", cwd=tmp_path)
    one = record_of(tmp_path / "one")
    assert one["n_images"] == 1
    assert one["protocol"]["hash"] != whole["protocol"]["hash"]


def test_unaligned_training_lr_shows_the_photo_around_the_crop(disk, monkeypatch):
    monkeypatch.setenv("FACESR_DATA", str(disk))
    data = build_data(settings("dap_celeba_to_yaleb")["data"])
    train = data.split("train")
    sample = train[0]
    assert sample.border.shape == (193, 167, 3) and sample.border_size == (30, 30, 30, 30)
    names = {"Blurry", "Eyeglasses", "Wearing_Hat"}
    assert all(train[i].attributes[name] == 0 for i in range(len(train)) for name in names)
    bordered = data.degradation.degrade(sample, np.random.default_rng(1))
    reflected = data.degradation(sample.hr, np.random.default_rng(1))
    assert bordered.shape == (16, 16, 3) and not np.array_equal(bordered, reflected)
