"""NVIDIA's pickles are read as data: every tensor comes out, nothing of the file runs."""

import argparse
import hashlib
import io
import json
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from facesr_bench.errors import WeightsError
from facesr_bench.weights import unpickling
from facesr_bench.weights.__main__ import main
from facesr_bench.weights.cache import git_hash, read_pins, weights_dir
from facesr_bench.weights.converting import converted_path, read_sidecar, sidecar_path
from facesr_bench.weights.foreign import read_ada
from facesr_bench.weights.importing import import_file
from facesr_bench.weights.loading import load_state, locate
from facesr_bench.weights.registry import _registry
from facesr_bench.weights.tf_pickle import read_tf, stylegan2_of_tf

ENTRY = """\
what: a toy
files: [{{file: {file}, sha256: null{more}}}]
layout: {layout}
url: https://example.org/page
licence: nobody's
size_mb: 0.1
"""


def _reconstruct_persistent_obj(meta):
    raise AssertionError("the file's own code would run here")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Persistent(nn.Module):
    """Pickles as a class decorated by ``persistence.persistent_class`` does."""

    def __init__(self, *args, **kwargs):
        super().__init__()
        self._init_args, self._init_kwargs = args, EasyDict(kwargs)

    def __reduce__(self):
        return _reconstruct_persistent_obj, (
            {
                "type": "class",
                "version": 6,
                "module_src": "import os; os.mkdir('/nowhere/at/all')",
                "class_name": type(self).__name__,
                "state": self.__dict__,
            },
        )


class EasyDict(dict):
    pass


class Network:
    """A TensorFlow network, as dnnlib pickles it."""

    def __init__(self, variables, components=None, **static):
        self.state = {
            "version": 4,
            "name": "toy",
            "static_kwargs": EasyDict(static),
            "components": components or {},
            "build_module_src": "import os; os.mkdir('/nowhere/at/all')",
            "build_func_name": "build",
            "variables": list(variables.items()),
        }

    def __getstate__(self):
        return self.state


EasyDict.__module__, Network.__module__ = "dnnlib.util", "dnnlib.tflib.network"


class Generator(Persistent):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mapping = Layer(4)
        self.synthesis = Synthesis()


class Layer(Persistent):
    def __init__(self, size):
        super().__init__(size)
        self.weight = nn.Parameter(torch.randn(size, 3))
        self.register_parameter("bias", None)
        self.register_buffer("resample_filter", torch.randn(4, 4).t()[1:])  # a strided view
        self.register_buffer("count", torch.tensor(7))
        self.weight_gain = 1 / np.sqrt(size)  # NVIDIA leaves numpy's numbers in its modules


class Synthesis(Persistent):
    def __init__(self):
        super().__init__()
        self.b4, self.b8 = Layer(2), Layer(5)
        self.b8.narrow = nn.Parameter(torch.randn(2).half())
        self.shared = self.b4


@pytest.fixture
def nvidia(monkeypatch):
    """The modules pickle looks up to write the names; gone again when the files are read."""

    def dump(content, protocol=4):
        with monkeypatch.context() as patch:
            for module, names in (
                ("torch_utils", {}),
                ("torch_utils.persistence", {"_reconstruct_persistent_obj": None}),
                ("dnnlib", {}),
                ("dnnlib.util", {"EasyDict": EasyDict}),
                ("dnnlib.tflib", {}),
                ("dnnlib.tflib.network", {"Network": Network}),
            ):
                made = types.ModuleType(module)
                made.__dict__.update(
                    {k: v or _reconstruct_persistent_obj for k, v in names.items()}
                )
                patch.setitem(sys.modules, module, made)
            return pickle.dumps(content, protocol=protocol)

    return dump


@pytest.fixture
def door(tmp_path, monkeypatch):
    """Register a toy."""
    (tmp_path / "conf" / "weights").mkdir(parents=True)
    monkeypatch.setenv("FACESR_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("FACESR_WEIGHTS", str(tmp_path / "weights"))

    def register(file, layout, more=""):
        text = ENTRY.format(file=file, layout=layout, more=more)
        (tmp_path / "conf" / "weights" / "toy.yaml").write_text(text)
        _registry.cache_clear()

    return register


def ada(**more):
    torch.manual_seed(0)
    networks = {
        "G": None,
        "G_ema": Generator(512, 0, 512, 32, 3, mapping_kwargs={"n": np.int64(8)}),
    }
    return networks | {"training_set_kwargs": EasyDict(a=1), "augment_pipe": None} | more


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_every_tensor_of_an_ada_pickle_comes_out_bit_equal(nvidia, tmp_path, protocol):
    content, path = ada(), tmp_path / "toy.pkl"
    path.write_bytes(nvidia(content, protocol))
    assert "torch_utils" not in sys.modules
    networks = read_ada(path)
    assert list(networks) == ["G_ema"]
    read, truth = networks["G_ema"], content["G_ema"].state_dict()
    assert len(truth) == 13 and set(read.state) == set(truth)
    for name, value in truth.items():
        assert type(read.state[name]) is torch.Tensor and read.state[name].dtype == value.dtype
        assert torch.equal(read.state[name], value), name
    assert read.class_name == "Generator"
    assert (read.arguments, read.keywords) == ([512, 0, 512, 32, 3], {"mapping_kwargs": {"n": 8}})


class Evil:
    def __init__(self, path, call=os.mkdir):
        self.path, self.call = str(path), call

    def __reduce__(self):
        return self.call, (self.path,)


def storage_with(evil):
    """A tensor whose storage bytes are a pickle of their own."""
    buffer = io.BytesIO()
    torch.save(evil, buffer, _use_new_zipfile_serialization=False)
    return Raw(torch.storage._load_from_bytes, buffer.getvalue())


class Raw:
    """Calls a function with arguments of our choice when read."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("top", r"posix\.mkdir|nt\.mkdir"),
        ("state", r"posix\.mkdir|nt\.mkdir"),
        ("hook", r"builtins\.eval"),
        ("storage", r"a storage in it asks for (posix|nt).mkdir"),
        ("getattr", r"builtins\.getattr"),
    ],
)
def test_a_forbidden_name_is_told_and_nothing_runs(nvidia, tmp_path, where, named):
    marker, content = tmp_path / "ran", ada()
    evil = Evil(marker)
    if where == "top":
        content["x"] = evil
    elif where == "state":
        content["G_ema"].synthesis.b8.secret = evil
    elif where == "hook":
        content["G_ema"]._forward_hooks[0] = Evil(f"__import__('os').mkdir({str(marker)!r})", eval)
    elif where == "storage":
        content["x"] = storage_with(evil)
    else:
        content["x"] = Raw(getattr, "text", "upper")
    path = tmp_path / "toy.pkl"
    path.write_bytes(nvidia(content))
    with pytest.raises(WeightsError, match=f"toy.pkl is not opened: .*({named})"):
        read_ada(path)
    assert not marker.exists()


def test_the_same_through_the_door(nvidia, tmp_path, door, capsys):
    marker = tmp_path / "ran"
    path = tmp_path / "toy.pkl"
    path.write_bytes(nvidia(ada(x=Evil(marker))))
    door("toy.pkl", "{kind: ada_pickle, inside: [G_ema]}")
    assert main(["import", str(path)]) == 1
    assert "it asks for posix.mkdir" in capsys.readouterr().err.replace("nt.mkdir", "posix.mkdir")
    assert not marker.exists() and not weights_dir().exists()


def test_names_with_dots_reach_nothing(tmp_path):
    """Protocol 4 lets a name walk attributes: OrderedDict.__init__.__globals__ and so on."""
    stream = (
        b"\x80\x04\x8c\x0bcollections\x8c" + bytes([20]) + b"OrderedDict.__class__"[:20] + b"\x93."
    )
    (tmp_path / "x.pkl").write_bytes(stream)
    with pytest.raises(WeightsError, match=r"asks for collections\.OrderedDict\.__class_"):
        read_ada(tmp_path / "x.pkl")


def test_what_a_file_may_call_it_cannot_change_for_the_next(tmp_path, nvidia):
    """BUILD sets attributes; on a function or class of ours it would reach the next file."""
    for name in (b"cdnnlib.util\nEasyDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n"):
        stream = b"\x80\x02" + name + b"N}X\x05\x00\x00\x00helloK\x01s\x86b."
        (tmp_path / "x.pkl").write_bytes(stream)
        with pytest.raises(WeightsError):
            read_ada(tmp_path / "x.pkl")
    path = tmp_path / "toy.pkl"
    path.write_bytes(nvidia(ada()))
    assert len(read_ada(path)["G_ema"].state) == 13
    made = [unpickling.plain_names()["dnnlib.util", "EasyDict"] for _ in range(2)]
    assert made[0] is not made[1] and not hasattr(made[1], "hello")


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b".", "numbers its 2th object 4294967295"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.", "damaged"),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.", "damaged"),
        (b"\x80\x02}" * 600 + b".", "more than 1000 operations"),
        (b"", "damaged"),
        (b"<html>quota</html>", "damaged"),
        (b"\x80\x02}.", "not of the networks"),
    ],
)
def test_huge_and_damaged_pickles_are_a_sentence(tmp_path, monkeypatch, stream, said):
    monkeypatch.setattr(unpickling, "MOST_OPERATIONS", 1000)
    (tmp_path / "x.pkl").write_bytes(stream)
    with pytest.raises(WeightsError, match=said):
        read_ada(tmp_path / "x.pkl")


def test_a_pickle_cut_anywhere_is_a_sentence(nvidia, tmp_path):
    whole = nvidia(ada())
    for share in (0.1, 0.5, 0.99):
        (tmp_path / "x.pkl").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(WeightsError, match="damaged"):
            read_ada(tmp_path / "x.pkl")


def test_networks_that_contain_themselves_end(nvidia, tmp_path):
    content, path = ada(), tmp_path / "toy.pkl"
    network = content["G_ema"]
    meta_cycle = []
    meta_cycle.append(meta_cycle)
    network._init_args = (meta_cycle,)
    path.write_bytes(nvidia(content))
    with pytest.raises(WeightsError, match="nested more than 64 deep"):
        read_ada(path)
    # A cycle of modules: the stream puts the stand-in's own dictionary into itself.
    stream = (
        b"\x80\x02}X\x01\x00\x00\x00Gctorch_utils.persistence\n_reconstruct_persistent_obj\n"
        b"}q\x00(X\x0a\x00\x00\x00class_nameX\x01\x00\x00\x00GX\x05\x00\x00\x00state}q\x01u\x85Rq\x02"
        b"s0h\x01X\x08\x00\x00\x00_modules}X\x01\x00\x00\x00ah\x02ss0}X\x01\x00\x00\x00Gh\x02s."
    )
    path.write_bytes(stream)
    with pytest.raises(WeightsError, match="contain each other without end"):
        read_ada(path)


def test_a_tensor_cannot_be_larger_than_its_storage(nvidia, tmp_path):
    content, path = ada(), tmp_path / "toy.pkl"
    content["G_ema"].mapping.register_buffer("huge", torch.zeros(1).expand(2**40))
    path.write_bytes(nvidia(content))
    with pytest.raises(WeightsError, match="a tensor in it is not written as"):
        read_ada(path)


def tf_arrays():
    return {
        "dlatent_avg": np.arange(2.0, dtype=np.float32),
        "lod": np.float32(0),
        "mapping/Dense0/weight": np.array([[1, 2, 3], [4, 5, 6]], np.float32),
        "mapping/Dense0/bias": np.array([7, 8, 9], np.float32),
        "synthesis/noise0": np.full((1, 1, 4, 4), 5, np.float32),
        "synthesis/noise3": np.full((1, 1, 16, 16), 6, np.float32),
        "synthesis/noise2": np.full((1, 1, 8, 8), 7, np.float32),
        "synthesis/4x4/Const/const": np.ones((1, 2, 4, 4), np.float32),
        "synthesis/4x4/Conv/weight": np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2),
        "synthesis/8x8/Conv0_up/weight": np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2),
        "synthesis/8x8/Skip/weight": np.arange(4, dtype=np.float32).reshape(2, 1, 1, 2),
        "synthesis/8x8/Conv1/mod_weight": np.array([[1, 2], [3, 4]], np.float32),
        "synthesis/8x8/Conv1/mod_bias": np.array([0, 0.5], np.float32),
        "synthesis/8x8/Conv1/noise_strength": np.float32(0.25),
        "synthesis/8x8/ToRGB/bias": np.array([1, 2, 3], np.float32),
    }


def tf_networks():
    split = {"": {}, "mapping": {}, "synthesis": {}}
    for name, value in tf_arrays().items():
        part, _, rest = name.partition("/") if "/" in name else ("", "", name)
        split[part][rest] = value
    parts = {key: Network(split[key]) for key in ("mapping", "synthesis")}
    network = Network(split[""], parts, resolution=np.int64(8), fmap_base=2)
    return network, Network({}), network


def test_conversion_of_tensorflow_arrays_by_hand():
    converted, names = stylegan2_of_tf(tf_arrays())
    assert converted["mapping.w_avg"].tolist() == [0, 1]
    assert converted["mapping.fc0.weight"].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert converted["mapping.fc0.bias"].tolist() == [7, 8, 9]
    assert converted["synthesis.b4.const"].shape == (2, 4, 4)
    # Element (height, width, in, out) of the source is 12 h + 4 w + 2 i + o.
    plain = converted["synthesis.b4.conv1.weight"]
    assert plain.shape == (2, 2, 3, 3)
    assert plain[1, 0].tolist() == [[1, 5, 9], [13, 17, 21], [25, 29, 33]]
    turned = converted["synthesis.b8.conv0.weight"]
    assert turned[1, 0].tolist() == [[33, 29, 25], [21, 17, 13], [9, 5, 1]]
    assert converted["synthesis.b8.skip.weight"].tolist() == [[[[2], [0]]], [[[3], [1]]]]
    assert converted["synthesis.b8.conv1.affine.weight"].tolist() == [[1, 3], [2, 4]]
    assert converted["synthesis.b8.conv1.affine.bias"].tolist() == [1, 1.5]
    assert converted["synthesis.b8.conv1.noise_strength"].shape == ()
    assert converted["synthesis.b8.torgb.bias"].tolist() == [1, 2, 3]
    for name, size, value in (("b4.conv1", 4, 5), ("b16.conv0", 16, 6), ("b8.conv1", 8, 7)):
        noise = converted[f"synthesis.{name}.noise_const"]
        assert noise.shape == (size, size) and (noise == value).all()
    assert len(converted) == len(tf_arrays()) - 1  # lod
    assert names["synthesis.b8.conv0.weight"] == "synthesis/8x8/Conv0_up/weight"


@pytest.mark.parametrize(
    "name",
    ["synthesis/8x8/Conv2/weight", "synthesis/8x4/Conv1/weight", "synthesis/8x8/Conv1/mod", "x"],
)
def test_an_array_no_generator_has_is_named(name):
    with pytest.raises(WeightsError, match=f"{name}' belongs to no StyleGAN2"):
        stylegan2_of_tf({name: np.zeros((1, 1, 1, 1), np.float32)})
    with pytest.raises(WeightsError, match="has the shape"):
        stylegan2_of_tf({"synthesis/noise0": np.zeros((1, 1, 8, 8), np.float32)})


def test_a_tensorflow_pickle_is_read_and_converted(nvidia, tmp_path, door):
    path = tmp_path / "toy.pkl"
    path.write_bytes(nvidia(tf_networks()))
    networks = read_tf(path)
    assert list(networks) == ["G", "D", "Gs"] and networks["Gs"].version == 4
    assert networks["Gs"].settings == {"resolution": 8, "fmap_base": 2}
    assert set(networks["Gs"].arrays) == set(tf_arrays()) and not networks["D"].arrays
    for name, value in tf_arrays().items():
        assert np.array_equal(networks["Gs"].arrays[name], value)
        assert networks["Gs"].arrays[name].dtype == value.dtype
    door("toy.pkl", "{kind: tf_pickle, inside: [Gs], shapes: {mapping.fc0.weight: [3, 2]}}")
    import_file(path)
    state = load_state(locate("toy"))
    assert state["synthesis.b8.conv1.affine.bias"].tolist() == [1, 1.5]
    written = read_sidecar(locate("toy"))
    assert written["key_map"]["mapping.fc0.weight"] == "mapping/Dense0/weight"
    assert written["keywords"] == {"resolution": 8, "fmap_base": 2}


def test_a_tensorflow_pickle_with_a_forbidden_name(nvidia, tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "toy.pkl"
    inner = Network({"a": np.zeros(2)}, {"part": Network({"b": Evil(marker)})})
    path.write_bytes(nvidia(inner))
    with pytest.raises(WeightsError, match=r"not opened: it asks for (posix|nt)\.mkdir"):
        read_tf(path)
    path.write_bytes(nvidia(Network({"a": np.array([Evil(marker)], dtype=object)})))
    with pytest.raises(WeightsError, match="not opened"):
        read_tf(path)
    assert not marker.exists()


def test_rosinality_training_checkpoints_open_and_nothing_else_does(tmp_path, door):
    state = {"style.1.weight": torch.ones(2, 2)}
    args = argparse.Namespace(size=64, lr=0.002)
    path = tmp_path / "toy.pt"
    door("toy.pt", "{kind: torch, inside: [g_ema], beside: [latent_avg], count: 2}")
    torch.save({"g_ema": state, "latent_avg": torch.ones(2), "args": args}, path)
    allowed = list(torch.serialization.get_safe_globals())
    import_file(path)
    assert set(load_state(locate("toy"))) == {"style.1.weight", "latent_avg"}
    assert set(torch.serialization.get_safe_globals()) == set(allowed)
    assert argparse.Namespace not in allowed
    torch.save({"g_ema": state, "latent_avg": torch.ones(2), "x": Evil(tmp_path / "ran")}, path)
    with pytest.raises(WeightsError, match="would run code"):
        import_file(path, "toy", replace=True)
    torch.save({"g_ema": state, "args": args}, path)
    with pytest.raises(WeightsError, match="no tensor 'latent_avg' beside"):
        import_file(path, "toy", replace=True)
    assert not (tmp_path / "ran").exists()


def test_conversion_writes_a_side_car_and_is_read_only_while_it_holds(
    nvidia, tmp_path, door, capsys
):
    path, content = tmp_path / "toy.pkl", ada()
    path.write_bytes(nvidia(content))
    door("toy.pkl", "{kind: ada_pickle, inside: [G_ema]}")
    assert main(["import", str(path)]) == 0
    assert "Converted to toy.pkl.safetensors" in capsys.readouterr().out
    file = locate("toy")
    written = json.loads(sidecar_path(file.path).read_text())
    assert written["source_file"] == "toy.pkl" and written["source_sha256"] == file.sha256
    assert written["licence"] == "nobody's" and written["key_map"] == "identity"
    assert written["tool_version"].startswith("facesr-bench ") and written["network"] == "Generator"
    assert written["arguments"] == [512, 0, 512, 32, 3]
    truth = {name: value.float() for name, value in content["G_ema"].state_dict().items()}
    state = load_state(file)
    assert state.keys() == truth.keys()
    assert all(torch.equal(state[name], value) for name, value in truth.items() if name[-1] != "t")
    assert state["mapping.count"].dtype == torch.int64

    # It is the safetensors that are read ...
    copy = converted_path(file.path)
    changed = {name: value + 1 for name, value in state.items()}
    save_file(changed, copy)
    with pytest.raises(WeightsError, match="is not what its side-car says"):
        load_state(file)
    sidecar_path(file.path).write_text(
        json.dumps(written | {"sha256": hashlib.sha256(copy.read_bytes()).hexdigest()})
    )
    assert torch.equal(load_state(file)["mapping.weight"], truth["mapping.weight"] + 1)
    # ... but not those of another source, or of another part of it.
    sidecar_path(file.path).write_text(json.dumps(written | {"source_sha256": "0" * 64}))
    assert torch.equal(load_state(file)["mapping.weight"], truth["mapping.weight"])
    assert main(["convert", "toy"]) == 0
    assert torch.equal(load_state(file)["mapping.weight"], truth["mapping.weight"])
    assert read_sidecar(file) is not None
    door("toy.pkl", "{kind: ada_pickle, inside: [G_other]}")
    with pytest.raises(WeightsError, match="has no 'G_other'"):
        load_state(locate("toy"))


def test_a_git_blob_hash_recognises_and_guards(tmp_path, door):
    path = tmp_path / "download.bin"
    torch.save({"a": torch.ones(2)}, path)
    truth = hashlib.sha1(b"blob %d\0" % path.stat().st_size + path.read_bytes()).hexdigest()
    assert git_hash(path) == truth
    door("toy.pt", "{kind: torch}", f", git_sha1: {truth}")
    done = import_file(path)  # by that hash alone, under any name
    assert done.pinned and read_pins() == {"toy.pt": done.sha256}
    assert import_file(path).path == weights_dir() / "toy.pt"
    other = tmp_path / "toy.pt"
    torch.save({"a": torch.zeros(2)}, other)
    for replace in (False, True):
        with pytest.raises(WeightsError, match="git hash-object says"):
            import_file(other, "toy", replace=replace)
    other.replace(weights_dir() / "toy.pt")
    with pytest.raises(WeightsError, match=f"expected {truth}"):
        locate("toy")


def test_an_empty_object_of_each_allowed_name_is_plain():
    assert unpickling.plain(
        {"a": (np.float32(0.5), OrderedDict(), True, None, {1}, np.bool_(1))}
    ) == {"a": [0.5, {}, True, None, "<set>", True]}
