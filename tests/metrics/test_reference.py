"""Saved and imported references: the command, what is refused, and the distances made with them."""

import io
import pickle
import sys

import numpy as np
import pytest
import torch

from facesr_bench.errors import ConfigError, DataError, FaceSRError, MissingRequirement, UsageError
from facesr_bench.images import encode_png
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.distances import FeatureDistance
from facesr_bench.metrics.frechet import frechet_distance
from facesr_bench.metrics.gaussians import Statistics, statistics
from facesr_bench.metrics.intervals import Intervals
from facesr_bench.metrics.reference_store import (
    read_origin,
    read_reference,
    reference_path,
    store_statistics,
)
from facesr_bench.reference import main
from metrics.fabricated import FabricatedWeights


@pytest.fixture
def squeezenet(tmp_path, monkeypatch):
    from torchvision.models import squeezenet1_1

    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))
    weights = FabricatedWeights(tmp_path / "fabricated", monkeypatch)
    torch.manual_seed(3)
    network = squeezenet1_1(weights=None)
    weights.put("squeezenet1_1", lambda path: torch.save(network.state_dict(), path))
    return weights, network


def pictures(number, seed, side=32):
    level = np.random.default_rng(seed).integers(0, 200, (number, 1, 1, 3))
    grain = np.random.default_rng(seed + 1).integers(0, 55, (number, side, side, 3))
    return (level + grain).astype(np.uint8)


def batch_of(images):
    sr = torch.from_numpy(images).permute(0, 3, 1, 2)
    keys = [f"sr{i:02d}" for i in range(len(images))]
    return ScoreBatch(keys, sr, None, None, [None] * len(keys))


def save_folder(folder, images):
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        (folder / f"{number:02d}.png").write_bytes(encode_png(image))


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def gaussian(seed=0, d=256):
    rng = np.random.default_rng(seed)
    return statistics(rng.normal(0.3, 0.1, (500, d)))


def distances(reference, images, **arguments):
    metric = FeatureDistance("squeezenet1_1", "toy", allow_small=True, reference=reference)
    assert metric.needs == frozenset()
    metric.update(batch_of(images))
    return metric, metric.results(Intervals(**arguments))


def test_a_saved_folder_is_a_reference_of_another_size(squeezenet, tmp_path, capsys):
    real, sr = pictures(26, 1), pictures(14, 2)
    save_folder(tmp_path / "faces", real[:20])
    save_folder(tmp_path / "faces" / "more", real[20:])
    (tmp_path / "faces" / "notes.txt").write_text("no image")
    command = ["save", str(tmp_path / "faces"), "--name", "ffhq", "--network", "squeezenet1_1"]
    assert main(command) == 0
    assert "features of 26 images (1 other files were passed over)" in capsys.readouterr().out
    metric, got = distances("ffhq", sr)
    assert list(got) == list(metric.keys) == ["fd_squeezenet_n14@ffhq", "fd_squeezenet_jk_n14@ffhq"]
    value = got["fd_squeezenet_n14@ffhq"]
    theirs, ours = metric.features(batch_of(real).sr), metric.features(batch_of(sr).sr)
    assert value.value == pytest.approx(frechet_distance(ours.numpy(), theirs.numpy()), rel=1e-5)
    assert (value.settings["n_sr"], value.settings["n_reference"]) == (14, 26)
    assert value.settings["jackknife"]["left_out_of"] == "both sets"
    assert value.settings["jackknife"]["groups"] == 14
    assert value.floor > 0 and "times 0.7143^" in value.floor_is  # (1/14+1/26)/(2/13)
    with pytest.raises(UsageError, match="'ffhq' already"):
        main(command)


def test_imported_statistics(squeezenet, tmp_path, capsys):
    fitted = gaussian()
    file = npz(tmp_path / "s.npz", mu=fitted.mean, sigma=fitted.covariance)
    main(["import", str(file), "--name", "celeba", "--network", "squeezenet1_1"])
    assert "weights cannot be verified" in capsys.readouterr().out
    metric, got = distances("celeba", pictures(30, 2))
    value, corrected = got.values()
    ours = metric.features(batch_of(pictures(30, 2)).sr).numpy()
    assert value.value == pytest.approx(frechet_distance(ours, fitted), rel=1e-6)
    assert value.settings["jackknife"]["left_out_of"].startswith("SR only")
    labels = Intervals().group_labels(30)
    left = [frechet_distance(ours[labels != g], fitted) for g in range(20)]
    assert corrected.value == pytest.approx(20 * value.value - 19 * np.mean(left), rel=1e-4)
    assert value.ci_kind == "jackknife" and value.floor is None
    assert value.settings["n_reference"] is None
    assert value.settings["reference_weights_sha256"] == "not stated by the imported file"
    assert value.settings["reference_resize"] == "not stated by the imported file"
    assert main(["list"]) == 0
    assert "celeba" in capsys.readouterr().out


def test_the_count_and_resize_of_imported_statistics_count(squeezenet, tmp_path):
    fitted = gaussian()
    file = npz(tmp_path / "s.npz", mu=fitted.mean, sigma=fitted.covariance, n=np.array(9))
    store_statistics("few", "squeezenet1_1", 256, None, file)
    assert next(iter(distances("few", pictures(12, 2))[1])) == "fd_squeezenet_n9@few"
    store_statistics("clean", "squeezenet1_1", 256, "bicubic", file)
    with pytest.raises(ConfigError, match="resize is 'bicubic', this metric's is 'none"):
        FeatureDistance("squeezenet1_1", "toy", reference="clean")
    assert isinstance(read_reference("few"), Statistics) and read_reference("few").count == 9


def test_references_of_another_make_are_refused(squeezenet, tmp_path):
    fitted = Statistics(np.zeros(2048), np.eye(2048), 5)
    file = npz(tmp_path / "s.npz", mu=fitted.mean, sigma=fitted.covariance)
    store_statistics("inception", "fid_inception", 2048, None, file)
    with pytest.raises(
        ConfigError, match="network is 'fid_inception', this metric's is 'squeezenet"
    ):
        FeatureDistance("squeezenet1_1", "toy", reference="inception")
    with pytest.raises(DataError, match=r"not of squeezenet1_1: mu and sigma .*\(2048,\)"):
        main(["import", str(file), "--name", "x", "--network", "squeezenet1_1"])
    weights, network = squeezenet
    save_folder(tmp_path / "faces", pictures(4, 1))
    main(["save", str(tmp_path / "faces"), "--name", "old", "--network", "squeezenet1_1"])
    with torch.no_grad():
        network.features[0].weight *= 1.5
    weights.put("squeezenet1_1", lambda path: torch.save(network.state_dict(), path))
    with pytest.raises(ConfigError, match="'old' cannot be compared with: its weights_sha256 is"):
        FeatureDistance("squeezenet1_1", "toy", reference="old")


class Evil:
    def __reduce__(self):
        return (exec, ("import sys; sys.opened = True",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"mu": np.array([Evil()], dtype=object), "sigma": np.eye(256)}, "pickled is opened"),
        ({"mu": np.zeros(256)}, "plain arrays 'mu' and 'sigma'"),
        ({"mu": np.full(256, np.nan), "sigma": np.eye(256)}, "not finite"),
        ({"mu": np.zeros(256), "sigma": np.triu(np.ones((256, 256)))}, "not symmetric"),
        ({"mu": np.zeros(256), "sigma": np.eye(256), "n": np.array(1)}, "made of 1 images"),
        (pickle.dumps(Evil()), "cannot be imported"),
        (b"", "cannot be imported"),
    ],
)
def test_bad_files_are_refused_in_a_sentence(squeezenet, tmp_path, content, said):
    file = tmp_path / "s.npz"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        npz(file, **content)
    with pytest.raises(DataError, match=said):
        main(["import", str(file), "--name", "x", "--network", "squeezenet1_1"])
    assert not hasattr(sys, "opened") and not reference_path("x").exists()


def test_a_reference_called_like_the_test_set_is_refused(squeezenet, tmp_path):
    fitted = gaussian()
    file = npz(tmp_path / "s.npz", mu=fitted.mean, sigma=fitted.covariance)
    store_statistics("toy", "squeezenet1_1", 256, None, file)
    with pytest.raises(ConfigError, match="'@toy' would mean two things"):
        FeatureDistance("squeezenet1_1", "toy", reference="toy")
    assert FeatureDistance("squeezenet1_1", "other", reference="toy").needs == frozenset()


def test_names_and_missing_things(squeezenet, tmp_path, capsys):
    with pytest.raises(
        MissingRequirement, match=r"no reference 'ffhq' here .*reference save FOLDER"
    ):
        FeatureDistance("squeezenet1_1", "toy", reference="ffhq")
    for name in ("../x", "", ".x", "a/b", "x" * 65):
        with pytest.raises(ConfigError, match="cannot be called"):
            read_origin(name)
    with pytest.raises(DataError, match="no file"):
        main(["import", str(tmp_path / "no.npz"), "--name", "x"])
    with pytest.raises(DataError, match="does not exist"):
        main(["save", str(tmp_path / "no"), "--name", "x"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FaceSRError, match="No images below"):
        main(["save", str(tmp_path / "empty"), "--name", "x"])
    reference_path("bad").parent.mkdir(parents=True)
    buffer = io.BytesIO()
    np.savez(buffer, origin=np.array("{}"))
    reference_path("bad").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="damaged"):
        read_origin("bad")
    assert main(["list"]) == 1
    assert "damaged" in capsys.readouterr().err


def test_kid_against_saved_features_but_not_statistics(tmp_path, monkeypatch, squeezenet):
    """With the network's name for KID lent to SqueezeNet: the Inception is slow."""
    from dataclasses import replace

    from facesr_bench.metrics import squeezenet as module

    build = module.build
    monkeypatch.setattr(module, "build", lambda: replace(build(), kernel="kd"))
    save_folder(tmp_path / "faces", pictures(12, 1))
    main(["save", str(tmp_path / "faces"), "--name", "saved", "--network", "squeezenet1_1"])
    fitted = gaussian()
    file = npz(tmp_path / "s.npz", mu=fitted.mean, sigma=fitted.covariance)
    store_statistics("imported", "squeezenet1_1", 256, None, file)
    metric, got = distances("saved", pictures(9, 2))
    assert list(got)[-1] == "kd_n9@saved" == metric.keys[-1]
    assert got["kd_n9@saved"].settings["subsets"] == "100 of 4"
    metric, got = distances("imported", pictures(9, 2))
    assert not any(name.startswith("kd") for name in (*got, *metric.keys))


def test_help_loads_no_torch(cli):
    done = cli("reference", "--help")
    assert "save" in done.stdout and "import" in done.stdout
    assert cli("reference", "list", env={"FACESR_CACHE": "nowhere"}).returncode == 0
    wrong = cli("reference", "import", "no.npz", "--name", "x", check=False)
    assert wrong.returncode == 1 and wrong.stderr.startswith(
        "facesr-bench: There is no file no.npz"
    )


def test_the_module_is_light():
    import subprocess

    code = (
        "import sys, facesr_bench.reference; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_the_images_of_a_list(squeezenet, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    for index, picture in enumerate(pictures(5, 1)):
        (folder / f"{index}.png").write_bytes(encode_png(picture))
    chosen = tmp_path / "keys.txt"
    chosen.write_text("# drawn once\n1.png\n\n3.png\n4.png\n")
    words = ["save", str(folder), "--network", "squeezenet1_1"]
    assert main([*words, "--name", "three", "--keys", str(chosen)]) == 0
    assert read_reference("three").keys == ["1.png", "3.png", "4.png"]
    chosen.write_text("9.png\n")
    with pytest.raises(DataError, match=r"lacks 1 of the 1 images listed .*9\.png"):
        main([*words, "--name", "other", "--keys", str(chosen)])
    with pytest.raises(DataError, match=r"no list of keys nope\.txt"):
        main([*words, "--name", "other", "--keys", "nope.txt"])
