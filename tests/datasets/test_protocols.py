"""The papers' protocols: every YAML composes, says what to prepare, and some run on look-alikes."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from command_line import ROOT, record_of
from facesr_bench.config import build_data, plain, register_resolvers
from facesr_bench.errors import DataError

PAPERS = {
    # name: (factor, HR side, degradation's kind, test folder, train folder)
    "widerface": (4, 64, "blind", "widerface-16", "ffhq-64"),
    "scgan_ls3dw": (4, 64, "downscale", "ls3dw-64", "ffhq-64"),
    "scgan_ffhq": (4, 64, "blind", "ffhq-64", "ffhq-64"),
    "scgan_webface": (4, 64, "blind", "scgan_zip-64", "ffhq-64"),
    "pan_celebahq_x4": (4, 512, "downscale", "celebahq-512", "ffhq-512"),
    "pan_celebahq_x8": (8, 1024, "downscale", "celebahq-1024", "ffhq-1024"),
    "propulse_celebahq": (64, 1024, "pulse bicubic", "celebahq-1024", "celebahq-1024"),
    "dap_celeba_to_yaleb": (8, 128, "unaligned", "yaleb-128", "celeba-128"),
    "dap_celeba_to_multipie": (8, 128, "unaligned", "multipie-128", "celeba-128"),
    "dap_multipie_to_yaleb": (8, 128, "unaligned", "yaleb-128", "multipie-128"),
}


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
    assert data.version == 1 and data.name.endswith(name)
    assert set(config["metrics"]["only"]) <= config["metrics"]["measures"].keys()
    for role, folder in (("test", test), ("train", train)):
        recipe, size = folder.rsplit("-", 1)
        with pytest.raises(DataError) as caught:
            data.split(role)
        said = str(caught.value)
        assert folder in said and f"facesr-bench prepare {recipe} --src" in said
        assert f"--size {size}" in said


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
    """FACESR_DATA with four prepared data sets."""
    root = tmp_path_factory.mktemp("owners")
    data = tmp_path_factory.mktemp("data")
    ffhq, wider, yale = look("ffhq"), look("widerface"), look("yaleb")
    wider_files = wider.write_folder(root / "wider", wider.files())
    for words in (
        f"ffhq --src {ffhq.write(root / 'ffhq', ffhq.images())} --size 64 --on-error skip",
        f"widerface --src {wider_files} --set allow_incomplete=true train=null test=null",
        f"celeba --src {look('celeba').write_owners(root / 'celeba')}",
        f"yaleb --src {yale.write_folder(root / 'yale', yale.files())} --set test_from=2",
    ):
        done = call(data, "prepare", *shlex.split(words))
        assert done.returncode == 0, done.stdout + done.stderr
    return data


def call(data, *words, cwd=None):
    env = {**os.environ, "FACESR_DATA": str(data), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "facesr_bench", *words],
        cwd=cwd or ROOT, env=env, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_scgan_on_real_small_faces(disk, tmp_path):
    """Unpaired: HR of FFHQ, LR of WIDER; the test set has no ground truth."""
    done = call(
        disk, "+method=scgan", "+data=widerface", "scale=smoke", "images=16", "trainer=cpu",
        "data.source.train.keys=null", "output_dir=out", "logger=none", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    record = record_of(tmp_path / "out")
    assert record["protocol"]["name"] == "scgan_widerface" and record["hr_hash"] is None
    assert list(record["metrics"]) == ["lr_psnr_bicubic", "lr_l2_bicubic"]
    assert "needs HR images" in record["metrics_skipped"]["psnr_rgb"]
    assert record["n_images"] >= 1 and record["trained_on"][-1]["images"] == 16


def test_dap_trains_on_one_domain_and_tests_on_another(disk, tmp_path):
    words = (
        "+method=bicubic", "+data=dap_celeba_to_yaleb", "data.domains=null", "trainer=cpu",
        "data.source.test.arguments.test_from=2",
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
