"""The door to weights: nothing is opened before it was recognised, and nothing that runs code."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from facesr_bench.errors import ConfigError, MissingRequirement, WeightsError
from facesr_bench.weights.__main__ import main
from facesr_bench.weights.cache import file_hash, read_pins, weights_dir
from facesr_bench.weights.importing import import_file
from facesr_bench.weights.loading import load_arrays, load_state, locate, state_of
from facesr_bench.weights.registry import Layout, registry
from facesr_bench.weights.requirements import installed, require

ENTRY = """\
what: a toy
files:
  - {{file: toy-official.pth, sha256: {sha256}}}
  - {{file: toy-half.pth, sha256: {half}}}
layout: {{kind: torch, inside: [net], count: 2, shapes: {{conv.weight: [2, 3], conv.bias: [2]}}}}
url: https://example.org/toy.pth
licence: MIT
size_mb: 0.1
"""
STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


class Registered:
    """A registry of one toy, and its files as a person would have fetched them."""

    def __init__(self, root: Path) -> None:
        self.conf, self.fetched = root / "conf" / "weights", root / "fetched"
        self.conf.mkdir(parents=True)
        self.fetched.mkdir()

    def save(self, name: str, content: object) -> Path:
        torch.save(content, self.fetched / name)
        return self.fetched / name

    def register(self, sha256: str = "null", half: str = "null") -> None:
        (self.conf / "toy.yaml").write_text(ENTRY.format(sha256=sha256, half=half))


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESR_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "weights"))
    return Registered(tmp_path)


def test_every_registered_entry_is_well_formed():
    for name, entry in registry().items():
        assert entry.files and entry.what and entry.licence and entry.size_mb > 0, name
        for known in entry.files:
            assert known.sha256 is None or 8 <= len(known.sha256) <= 64
            assert known.sha256 is None or set(known.sha256) <= set("0123456789abcdef")
            assert Path(known.file).name == known.file
    files = [known.file for entry in registry().values() for known in entry.files]
    assert len(files) == len({name.casefold() for name in files})


def test_files_that_ship_with_a_plug_in_are_there_without_any_weights_folder(toy):
    """In the package, under their registered hash; nobody has to import them."""
    shipped = [known for entry in registry().values() for known in entry.files if known.shipped]
    assert [known.file for known in shipped] == ["synthface_identity.safetensors"]
    file = locate("synthface_identity")
    assert file.path.parent.as_posix().endswith("methods/propulse/weights")
    assert file.sha256 == shipped[0].sha256
    state = load_state(file)
    assert state["fc.weight"].dtype == torch.float32


def test_what_is_missing_is_a_sentence_with_the_command(toy):
    toy.register("0123456789abcdef")
    with pytest.raises(MissingRequirement) as caught:
        locate("toy")
    for part in (
        "toy-official.pth",
        "01234567",
        "https://example.org",
        "MIT",
        "import FILE --as toy",
    ):
        assert part in str(caught.value)
    with pytest.raises(ConfigError, match=r"no weights called 'tyo'; known are .*toy"):
        locate("tyo")


def test_a_file_is_recognised_by_its_hash_under_any_name(toy):
    path = toy.save("download (1).bin", {"net": STATE, "epoch": 3})
    toy.register(file_hash(path)[:8])
    done = import_file(path)
    assert done.path == weights_dir() / "toy-official.pth" and not done.pinned
    state = load_state(locate("toy"))
    assert all(torch.equal(state[key], value) for key, value in STATE.items())
    assert locate("toy").settings == {"weights": "toy", "weights_sha256": file_hash(path)[:16]}


def test_half_precision_files_serve_and_come_out_as_float32(toy):
    half = toy.save("half.pth", {"net": {key: value.half() for key, value in STATE.items()}})
    toy.register("00000000", file_hash(half))
    import_file(half, "toy")
    assert {value.dtype for value in load_state(locate("toy")).values()} == {torch.float32}


def test_another_file_is_refused_before_it_is_opened(toy):
    path = toy.save("toy-official.pth", {"net": STATE})
    toy.register("0" * 64, "1" * 64)
    for name in ("toy", None):
        with pytest.raises(WeightsError, match=r"not toy|none of the registered"):
            import_file(path, name)
    assert not weights_dir().exists()
    weights_dir().mkdir()
    shutil.copy(path, weights_dir())
    with pytest.raises(WeightsError, match="is not the registered file: its sha256 is"):
        locate("toy")


def test_a_file_without_a_published_hash_is_pinned_once_and_then_guarded(toy):
    first = toy.save("toy-official.pth", {"net": STATE})
    toy.register()
    done = import_file(first)
    assert done.pinned and read_pins() == {"toy-official.pth": done.sha256}
    assert not import_file(first).pinned
    other = toy.save("other.pth", {"net": {**STATE, "conv.bias": torch.zeros(2)}})
    shutil.copy(other, done.path)
    with pytest.raises(WeightsError, match="is not the registered file"):
        locate("toy")


def test_a_wrong_pin_is_no_dead_end(toy, capsys):
    (toy.conf / "toy.yaml").write_text(
        ENTRY.replace("  - {{file: toy-half.pth, sha256: {half}}}\n", "").format(sha256="null")
    )
    wrong = toy.save("toy-official.pth", {"net": {**STATE, "conv.bias": torch.zeros(2)}})
    first = import_file(wrong)
    right = toy.save("right.pth", {"net": STATE})
    command = f"facesr-bench weights import {right} --as toy --replace"
    with pytest.raises(WeightsError) as caught:
        import_file(right, "toy")
    assert command in str(caught.value) and first.sha256 in str(caught.value)
    assert main(["import", str(right), "--as", "toy", "--replace"]) == 0
    assert "is recorded" in capsys.readouterr().out
    assert read_pins() == {"toy-official.pth": file_hash(right)}
    assert load_state(locate("toy"))["conv.bias"].tolist() == [1, 1]
    # Layout first, as ever; and a file put over it by hand is told the same way out.
    with pytest.raises(WeightsError, match="has no 'net'"):
        import_file(toy.save("junk.pth", STATE), "toy", replace=True)
    shutil.copy(wrong, weights_dir())
    with pytest.raises(WeightsError, match=r"toy-official\.pth --as toy --replace"):
        locate("toy")
    assert import_file(weights_dir() / "toy-official.pth", "toy", replace=True).pinned
    assert locate("toy").sha256 == first.sha256


def test_a_published_hash_cannot_be_replaced(toy):
    right = toy.save("toy-official.pth", {"net": STATE})
    toy.register(file_hash(right), "1" * 64)
    import_file(right)
    other = toy.save("other.pth", {"net": {**STATE, "conv.bias": torch.zeros(2)}})
    with pytest.raises(WeightsError, match=r"is not toy.*--replace is for files whose hash nobody"):
        import_file(other, "toy", replace=True)
    assert locate("toy").sha256 == file_hash(right) and not read_pins()
    with pytest.raises(SystemExit):
        main(["import", str(other), "--replace"])


def test_what_two_calls_lack_is_told_together_and_once():
    def lack(what):
        def call():
            raise MissingRequirement(f"{what} is missing")

        return call

    assert require(lambda: 1, lambda: "two") == (1, "two")
    with pytest.raises(MissingRequirement, match=r"^a is missing; and b is missing$"):
        require(lack("a"), lack("b"))
    with pytest.raises(MissingRequirement, match=r"^a is missing; and b is missing; and c is miss"):
        require(lack("a"), lambda: require(lack("b"), lack("c")))
    for calls in ((lack("a"), lack("a")), (lack("a"), int), (int, lack("a"))):
        with pytest.raises(MissingRequirement, match=r"^a is missing$"):
            require(*calls)
    with pytest.raises(MissingRequirement, match=r"no_such_package .*pip install no_such_package"):
        installed("no_such_package")


def test_a_file_put_there_by_hand_without_a_pin_is_not_trusted(toy):
    toy.register()
    weights_dir().mkdir()
    shutil.copy(toy.save("toy-official.pth", {"net": STATE}), weights_dir())
    with pytest.raises(WeightsError, match="nobody publishes its hash; import it once"):
        locate("toy")
    import_file(weights_dir() / "toy-official.pth")
    assert load_state(locate("toy"))


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_nothing_runs(toy, tmp_path, form):
    marker = tmp_path / "ran"
    if form == "torch":
        path = toy.save("evil.pth", {"net": STATE, "x": Evil(marker)})
    else:
        path = toy.fetched / "evil.pth"
        path.write_bytes(pickle.dumps({"net": Evil(marker)}))
    toy.register(file_hash(path))
    with pytest.raises(WeightsError):
        import_file(path)
    assert not marker.exists() and not weights_dir().exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"net": {"conv.weight": torch.ones(3, 2), "conv.bias": torch.ones(2)}}, "it is (3, 2)"),
        ({"net": {"conv.weight": torch.ones(2, 3)}}, "it is not there"),
        ({"net": {**STATE, "more": torch.ones(1)}}, "holds 3 arrays, not 2"),
        (STATE, "has no 'net'"),
        ({"net": 3}, "holds no state dict"),
    ],
)
def test_another_layout_is_refused_even_with_the_right_hash(toy, content, said):
    path = toy.save("toy.pth", content)
    toy.register(file_hash(path))
    with pytest.raises(WeightsError) as caught:
        import_file(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_damaged_files_are_a_sentence(toy, damage):
    path = toy.save("toy.pth", {"net": STATE})
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[:300], "text": b"<html>quota</html>"}[damage])
    toy.register(file_hash(path))
    with pytest.raises(WeightsError):
        import_file(path)


def test_arrays_of_mat_and_npz_files_but_no_objects(toy, tmp_path):
    text = ENTRY.replace("kind: torch, inside: [net]", "kind: npz").replace(
        "toy-official.pth", "toy.npz"
    )
    path = tmp_path / "toy.npz"
    np.savez(path, **{key: value.numpy() for key, value in STATE.items()})
    (toy.conf / "toy.yaml").write_text(text.format(sha256=file_hash(path), half="null"))
    import_file(path)
    arrays = load_arrays(locate("toy"))
    assert arrays["conv.weight"].dtype == np.float64 and arrays["conv.weight"][1, 2] == 5.0
    evil = tmp_path / "evil.npz"
    np.savez(evil, **{"conv.weight": np.array([Evil(tmp_path / "ran")], dtype=object)})
    with pytest.raises(WeightsError):
        import_file(evil, "toy")
    assert not (tmp_path / "ran").exists()


def test_a_damaged_pin_file_is_a_sentence(toy):
    toy.register()
    weights_dir().mkdir()
    (weights_dir() / "pins.json").write_text("{")
    with pytest.raises(WeightsError, match=r"pins.json is damaged .*import the files again"):
        import_file(toy.save("toy-official.pth", {"net": STATE}))


def test_a_registry_file_that_is_no_entry_is_named(toy):
    (toy.conf / "broken.yaml").write_text("what: x\n")
    with pytest.raises(ConfigError, match=r"broken.yaml is not an entry of the weights registry"):
        registry()


def test_the_command_line(toy, capsys):
    path = toy.save("fetched.pth", {"net": STATE})
    toy.register(file_hash(path))
    assert main(["check", "toy"]) == 1 and "missing  toy: weights 'toy'" in capsys.readouterr().out
    assert main(["import", str(path), str(path) + "-no"]) == 1
    said = capsys.readouterr()
    assert "toy: " in said.out and "There is no file" in said.err
    assert main(["check", "toy"]) == 0 and capsys.readouterr().out.startswith("ok       toy")
    assert main(["list"]) == 0 and "toy" in capsys.readouterr().out
    (weights_dir() / "toy-official.pth").write_bytes(b"PK\x03\x04 changed")
    assert main(["check"]) == 1 and "BAD      toy" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["import", str(path), str(path), "--as", "toy"])


def test_what_lies_beside_the_weights_is_float32_as_they_are(tmp_path):
    torch.save(
        {"net": {"w": torch.ones(2).half()}, "latent_avg": torch.ones(3).half()}, tmp_path / "f"
    )
    state = state_of(tmp_path / "f", Layout("torch", inside=("net",), beside=("latent_avg",)))
    assert {name: value.dtype for name, value in state.items()} == {
        "w": torch.float32, "latent_avg": torch.float32,
    }  # fmt: skip


@pytest.mark.parametrize("names", ["ab", "abcd"])
def test_a_file_of_more_or_fewer_arrays_than_registered_is_refused(tmp_path, names):
    torch.save({name: torch.ones(1) for name in names}, tmp_path / "f")
    with pytest.raises(WeightsError, match=f"it holds {len(names)} arrays, not 3"):
        state_of(tmp_path / "f", Layout("torch", count=3))
